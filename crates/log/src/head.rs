//! What is known of a stream without reading it, and the rules of appending and resuming that follow from it.
//!
//! Pure: the stores differ in where a head is kept, never in what it decides.

use std::sync::Arc;

use crate::{
    After, Entry, Epoch, Error, Kind, MaxBatchBytes, Outcome, Position, Seq, StreamId, Time,
    limits::MAX_BATCH_RECORDS,
};

/// What a writer believes: its epoch, and the number of the record that it writes next. An append is done only where both are
/// true at the moment of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The writer's term.
    pub epoch: Epoch,
    /// The number of the next record.
    pub next: Seq,
}

/// When an epoch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// The epoch.
    pub epoch: Epoch,
    /// The first record written in it.
    pub first: Seq,
}

/// What is known of a stream without reading it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The stream.
    pub stream: StreamId,
    /// The last record's number.
    pub last: Seq,
    /// How it ended; `None` while it has no terminal record.
    pub outcome: Option<Outcome>,
    /// When it is forgotten, whatever happens.
    pub expires: Time,
    terms: Arc<[Term]>,
}

/// A batch of entries that breaks no rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) len: usize,
    pub(crate) outcome: Option<Outcome>,
}

impl Fence {
    /// What the first append of a new stream believes.
    pub const NEW: Self = Self { epoch: Epoch::FIRST, next: Seq::FIRST };
}

impl Head {
    /// The head of a stream whose epochs began as `terms` say; they rise, and the first is `1` from record 1 on.
    #[must_use]
    pub fn new(
        stream: StreamId,
        terms: Vec<Term>,
        last: Seq,
        outcome: Option<Outcome>,
        expires: Time,
    ) -> Self {
        debug_assert!(terms.first().is_some_and(|term| term.first == Seq::FIRST));
        debug_assert!(
            terms.windows(2).all(|pair| pair[0].epoch < pair[1].epoch && pair[0].first < pair[1].first)
        );
        Self { stream, last, outcome, expires, terms: terms.into() }
    }

    /// The epochs, in order, each with its first record.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The present epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.terms.last().map_or(Epoch::FIRST, |term| term.epoch)
    }

    /// The last record's position.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { seq: self.last, epoch: self.epoch() }
    }

    /// What the present writer must believe to append.
    #[must_use]
    pub fn fence(&self) -> Fence {
        Fence { epoch: self.epoch(), next: self.last.plus(1) }
    }

    /// The position of record `seq`, if the stream has it.
    #[must_use]
    pub fn position_of(&self, seq: Seq) -> Option<Position> {
        let term = self.terms.iter().rev().find(|term| term.first <= seq)?;
        (seq <= self.last).then_some(Position { seq, epoch: term.epoch })
    }

    /// The first record that a reader who has `after` does not have.
    ///
    /// # Errors
    ///
    /// [`Error::is_diverged`] where the stream does not have that record with that epoch; the error knows the
    /// [last common position](Error::last_common).
    pub fn resume(&self, after: After) -> Result<Seq, Error> {
        let (seq, epoch) = match after {
            After::Start => return Ok(Seq::FIRST),
            After::Seq(seq) => (seq, None),
            After::Position(position) => (position.seq, Some(position.epoch)),
        };
        let here = self.position_of(seq);
        if here.is_some_and(|here| epoch.is_none_or(|epoch| epoch == here.epoch)) {
            return Ok(seq.plus(1));
        }
        // Both histories were one until the reader's epoch ended here, and at most until the record before the reader's.
        let end = match epoch {
            Some(epoch) => {
                self.terms.iter().find(|term| term.epoch > epoch).and_then(|term| term.first.before())
            }
            None => None,
        };
        let end = end.unwrap_or(self.last).min(self.last);
        let common = seq.before().map(|before| before.min(end)).and_then(|common| self.position_of(common));
        Err(Error::diverged(self.stream, common))
    }

    /// This head after `entries` were appended by a writer who believes `fence`.
    ///
    /// # Errors
    ///
    /// [`Error::is_closed`], [`Error::is_fenced`], or what is wrong with the entries; nothing may be written then.
    pub fn append(&self, fence: Fence, entries: &[Entry]) -> Result<Self, Error> {
        self.grow(fence, Batch::check(self.stream, entries)?)
    }

    pub(crate) fn grow(&self, fence: Fence, batch: Batch) -> Result<Self, Error> {
        if let Some(outcome) = self.outcome {
            return Err(Error::closed(self.stream, outcome));
        }
        if fence != self.fence() {
            return Err(Error::fenced(self.stream, self.fence()));
        }
        let last = Seq::new(self.last.get() + batch.len as u64).unwrap_or(self.last);
        Ok(Self { last, outcome: batch.outcome, ..self.clone() })
    }

    /// This head after a new writer took over from the one of epoch `from`.
    ///
    /// # Errors
    ///
    /// [`Error::is_closed`] or [`Error::is_fenced`]; nothing may be written then.
    pub fn takeover(&self, from: Epoch) -> Result<Self, Error> {
        if let Some(outcome) = self.outcome {
            return Err(Error::closed(self.stream, outcome));
        }
        if from != self.epoch() {
            return Err(Error::fenced(self.stream, self.fence()));
        }
        let first = self.last.plus(1);
        let terms = self.terms.iter().copied().chain([Term { epoch: from.next(), first }]).collect();
        Ok(Self { last: first, terms, ..self.clone() })
    }

    /// The head of a stream that begins with `entries`.
    ///
    /// # Errors
    ///
    /// What is wrong with the entries; nothing may be written then.
    pub fn create(stream: StreamId, expires: Time, entries: &[Entry]) -> Result<Self, Error> {
        Ok(Self::begin(stream, expires, Batch::check(stream, entries)?))
    }

    /// This head, found to reach until `last`.
    pub(crate) fn until(self, last: Seq) -> Self {
        Self { last, ..self }
    }

    pub(crate) fn begin(stream: StreamId, expires: Time, batch: Batch) -> Self {
        let last = Seq::new(batch.len as u64).unwrap_or(Seq::FIRST);
        Self::new(stream, vec![Term { epoch: Epoch::FIRST, first: Seq::FIRST }], last, batch.outcome, expires)
    }
}

impl Batch {
    pub(crate) fn check(stream: StreamId, entries: &[Entry]) -> Result<Self, Error> {
        if entries.is_empty() {
            return Err(Error::refused(stream, "a batch has at least one record"));
        }
        if entries.len() > MAX_BATCH_RECORDS {
            return Err(Error::refused(stream, "a batch has at most 65,536 records: append it in parts"));
        }
        let mut bytes = 0;
        for (index, entry) in entries.iter().enumerate() {
            bytes += entry.payload.len();
            if entry.kind == Kind::Takeover {
                return Err(Error::refused(
                    stream,
                    "a takeover record is written by taking over, not by an append",
                ));
            }
            if Kind::from_code(entry.kind.code()) != Some(entry.kind) {
                return Err(Error::refused(
                    stream,
                    "a record of an unknown kind may not use a code that has a meaning",
                ));
            }
            if entry.kind.outcome().is_some() && index + 1 < entries.len() {
                return Err(Error::refused(
                    stream,
                    "nothing follows a terminal record, in its own batch neither",
                ));
            }
        }
        if bytes > MaxBatchBytes::MOST.get() {
            return Err(Error::too_large(stream, bytes, MaxBatchBytes::MOST));
        }
        Ok(Self { len: entries.len(), outcome: entries.last().and_then(|entry| entry.kind.outcome()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(last: u64, terms: &[(u32, u64)]) -> Head {
        let terms = terms
            .iter()
            .map(|&(epoch, first)| Term {
                epoch: Epoch::new(epoch).unwrap(),
                first: Seq::new(first).unwrap(),
            })
            .collect();
        Head::new(StreamId::new(), terms, Seq::new(last).unwrap(), None, Time::MAX)
    }

    #[test]
    fn a_reader_resumes_only_in_the_history_it_knows() {
        // Records 1 to 4 in epoch 1, 5 to 7 in epoch 2, 8 to 10 in epoch 4.
        let head = head(10, &[(1, 1), (2, 5), (4, 8)]);
        let check = |after: &str, expected: Result<u64, Option<&str>>| {
            let found = head.resume(after.parse().unwrap());
            match (found, expected) {
                (Ok(seq), Ok(expected)) => assert_eq!(seq.get(), expected, "{after}"),
                (Err(error), Err(common)) => {
                    assert!(error.is_diverged(), "{after}: {error}");
                    assert_eq!(error.last_common().map(|p| p.to_string()).as_deref(), common, "{after}");
                }
                (found, expected) => panic!("{after}: {found:?} instead of {expected:?}"),
            }
        };
        check("0", Ok(1));
        check("4", Ok(5));
        check("10", Ok(11));
        check("4.1", Ok(5));
        check("5.2", Ok(6));
        check("10.4", Ok(11));
        // Written by the first writer, lost, and written again by the second.
        check("5.1", Err(Some("4.1")));
        check("9.1", Err(Some("4.1")));
        check("9.2", Err(Some("7.2")));
        // An epoch whose takeover was lost.
        check("8.3", Err(Some("7.2")));
        check("9.3", Err(Some("7.2")));
        // The tail was lost, and nobody wrote since.
        check("12.4", Err(Some("10.4")));
        check("11.5", Err(Some("10.4")));
        check("9.5", Err(Some("8.4")));
        check("11", Err(Some("10.4")));
        // Never so in a log of ours; still no guess.
        check("3.2", Err(Some("2.1")));
        check("1.2", Err(None));
    }
}
