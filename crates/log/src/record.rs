//! What a log is made of: records, their kinds, and runs of them.

use std::{fmt, ops::Deref, sync::Arc};

use bytes::Bytes;

use crate::{Epoch, Position, Seq, Time};

/// One entry of a stream's log. Immutable once it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number in the stream.
    pub seq: Seq,
    /// The term of the writer that wrote it.
    pub epoch: Epoch,
    /// What it is.
    pub kind: Kind,
    /// When the writer saw what it records.
    pub time: Time,
    /// What it says: for an event the upstream's frame, byte for byte. The log never looks into it.
    pub payload: Bytes,
}

/// What a writer hands in: a record that has no place yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// When the writer saw what it records.
    pub time: Time,
    /// What it says.
    pub payload: Bytes,
}

/// What a record is. Open: a kind of a later version is kept and passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// What was asked, and under which policy. The first record of a stream.
    Request,
    /// A frame of the upstream's event stream, verbatim.
    Event,
    /// Where the texts of two attempts are joined.
    Seam,
    /// A new writer took over; its epoch begins with this record.
    Takeover,
    /// Somebody asked to stop.
    Cancel,
    /// What an upstream answered to an attempt. Not for readers of events.
    Attempt,
    /// What an upstream sent that is no event of the answer: half of one that was cut, one that cannot be read, what stands behind the end. Not for
    /// readers of events.
    Fragment,
    /// A frame of an attempt that was not given to readers, verbatim: what another attempt said better, or had said before.
    Withheld,
    /// Something about the stream that its readers may want to know and that changes nothing.
    Notice,
    /// The end, and how it came about. Always the last record, and there is exactly one.
    Terminal(Outcome),
    /// A kind that this version does not know, by its code.
    Other(u8),
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The upstream said all it had to say.
    Completed,
    /// Somebody stopped it.
    Cancelled,
    /// It could not go on, and says why.
    Failed,
    /// It was cut off, and what came until then is all there is.
    Interrupted,
}

/// Records that were appended together, shared by all who read them.
///
/// A run may begin in the middle of what was appended, where a reader asked to begin there.
#[derive(Clone)]
pub struct Run {
    records: Arc<[Record]>,
    skipped: usize,
}

impl Record {
    /// Its place in the stream.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { seq: self.seq, epoch: self.epoch }
    }

    /// How the stream ended, if this is its last record.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.kind.outcome()
    }
}

impl Entry {
    /// An entry of `kind`, seen now.
    pub fn new(kind: Kind, payload: impl Into<Bytes>) -> Self {
        Self { kind, time: Time::now(), payload: payload.into() }
    }

    /// A frame of the upstream's, seen now.
    pub fn event(frame: impl Into<Bytes>) -> Self {
        Self::new(Kind::Event, frame)
    }

    /// The end, seen now.
    pub fn terminal(outcome: Outcome, details: impl Into<Bytes>) -> Self {
        Self::new(Kind::Terminal(outcome), details)
    }

    /// The same, seen at `time`.
    #[must_use]
    pub fn at(mut self, time: Time) -> Self {
        self.time = time;
        self
    }
}

impl Kind {
    /// The byte that stands for this kind in a store. 16 to 31 end a stream.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Event => 2,
            Self::Seam => 3,
            Self::Takeover => 4,
            Self::Cancel => 5,
            Self::Attempt => 6,
            Self::Fragment => 7,
            Self::Withheld => 8,
            Self::Notice => 9,
            Self::Terminal(Outcome::Completed) => 16,
            Self::Terminal(Outcome::Cancelled) => 17,
            Self::Terminal(Outcome::Failed) => 18,
            Self::Terminal(Outcome::Interrupted) => 19,
            Self::Other(code) => code,
        }
    }

    /// The kind that `code` stands for; `None` for 0 and for an ending that this version does not know, since what comes after
    /// an ending must not depend on the version that reads it.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 | 20..=31 => return None,
            1 => Self::Request,
            2 => Self::Event,
            3 => Self::Seam,
            4 => Self::Takeover,
            5 => Self::Cancel,
            6 => Self::Attempt,
            7 => Self::Fragment,
            8 => Self::Withheld,
            9 => Self::Notice,
            16 => Self::Terminal(Outcome::Completed),
            17 => Self::Terminal(Outcome::Cancelled),
            18 => Self::Terminal(Outcome::Failed),
            19 => Self::Terminal(Outcome::Interrupted),
            code => Self::Other(code),
        })
    }

    /// How the stream ended, if this kind ends it.
    #[must_use]
    pub const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Terminal(outcome) => Some(outcome),
            _ => None,
        }
    }
}

impl Run {
    /// A run of these records, which follow one another.
    #[must_use]
    pub fn new(records: Vec<Record>) -> Self {
        debug_assert!(records.windows(2).all(|pair| pair[0].seq.plus(1) == pair[1].seq));
        Self { records: records.into(), skipped: 0 }
    }

    /// The same run without the records before `seq`; `None` if nothing is left.
    #[must_use]
    pub fn since(&self, seq: Seq) -> Option<Self> {
        let first = self.first()?.seq.get();
        let more = usize::try_from(seq.get().saturating_sub(first)).unwrap_or(usize::MAX);
        (more < self.len()).then(|| Self { records: Arc::clone(&self.records), skipped: self.skipped + more })
    }

    /// The bytes of all payloads.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.iter().map(|record| record.payload.len()).sum()
    }
}

impl FromIterator<Record> for Run {
    fn from_iter<T: IntoIterator<Item = Record>>(records: T) -> Self {
        Self { records: records.into_iter().collect(), skipped: 0 }
    }
}

impl Deref for Run {
    type Target = [Record];

    fn deref(&self) -> &[Record] {
        &self.records[self.skipped..]
    }
}

impl<'a> IntoIterator for &'a Run {
    type Item = &'a Record;
    type IntoIter = std::slice::Iter<'a, Record>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Run {}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => f.write_str("request"),
            Self::Event => f.write_str("event"),
            Self::Seam => f.write_str("seam"),
            Self::Takeover => f.write_str("takeover"),
            Self::Cancel => f.write_str("cancel"),
            Self::Attempt => f.write_str("attempt"),
            Self::Fragment => f.write_str("fragment"),
            Self::Withheld => f.write_str("withheld"),
            Self::Notice => f.write_str("notice"),
            Self::Terminal(_) => f.write_str("terminal"),
            Self::Other(code) => write!(f, "kind {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_kept_or_refused() {
        for code in 0..=u8::MAX {
            match Kind::from_code(code) {
                Some(kind) => {
                    assert_eq!(kind.code(), code);
                    assert_eq!(kind.outcome().is_some(), (16..=19).contains(&code), "{code}");
                }
                None => assert!(code == 0 || (20..=31).contains(&code), "{code}"),
            }
        }
    }
}
