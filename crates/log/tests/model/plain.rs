//! The model: streams as plain lists, and the rules in the plainest words. Shares no code with the log.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use perennial_log::{Entry, Epoch, Error, Fence, Kind, Log, Outcome, Record, Seq, StreamId, Time};

#[derive(Default)]
pub(crate) struct Plain {
    /// The latest time that was ever told.
    pub(crate) now: Time,
    streams: BTreeMap<StreamId, Stream>,
}

struct Stream {
    records: Vec<Record>,
    expires: Time,
    gone: bool,
}

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Gone,
    Fenced(Fence),
    Closed(Outcome),
    Refused,
}

impl Refusal {
    pub(crate) fn check(self, error: &Error) {
        let same = match self {
            Self::Gone => error.is_gone(),
            Self::Fenced(fence) => error.fence() == Some(fence),
            Self::Closed(outcome) => error.outcome() == Some(outcome),
            Self::Refused => error.is_refused(),
        };
        assert!(same, "{error} instead of {self:?}");
    }
}

impl Plain {
    pub(crate) fn create(
        &mut self,
        name: StreamId,
        kept: Duration,
        entries: &[Entry],
    ) -> Result<Fence, Refusal> {
        // The clock may have been set back further than names are fresh.
        if name.time().plus(Duration::from_secs(300)) < self.now || name.time().plus(kept) <= self.now {
            return Err(Refusal::Refused);
        }
        let mut stream = Stream { records: Vec::new(), expires: name.time().plus(kept), gone: false };
        stream.add(1, entries);
        self.streams.insert(name, stream);
        Ok(self.streams[&name].fence())
    }

    pub(crate) fn append(
        &mut self,
        name: StreamId,
        fence: Fence,
        entries: &[Entry],
    ) -> Result<Fence, Refusal> {
        let stream = self.open(name)?;
        if fence != stream.fence() {
            return Err(Refusal::Fenced(stream.fence()));
        }
        stream.add(fence.epoch.get(), entries);
        Ok(stream.fence())
    }

    pub(crate) fn takeover(&mut self, name: StreamId, from: Epoch, entry: &Entry) -> Result<Fence, Refusal> {
        let stream = self.open(name)?;
        if from != stream.fence().epoch {
            return Err(Refusal::Fenced(stream.fence()));
        }
        stream.add(from.get() + 1, &[Entry { kind: Kind::Takeover, ..entry.clone() }]);
        Ok(stream.fence())
    }

    /// Is deleting it no error?
    pub(crate) fn delete(&mut self, name: StreamId) -> bool {
        match self.streams.get_mut(&name) {
            Some(stream) => {
                stream.gone = true;
                true
            }
            None => false,
        }
    }

    pub(crate) fn records(&self, name: StreamId) -> Result<&[Record], Refusal> {
        match self.streams.get(&name) {
            Some(stream) if !stream.gone && stream.expires > self.now => Ok(&stream.records),
            _ => Err(Refusal::Gone),
        }
    }

    pub(crate) fn fence(&self, name: StreamId) -> Option<Fence> {
        self.records(name).ok()?;
        Some(self.streams[&name].fence())
    }

    pub(crate) fn list(&self) -> Vec<(StreamId, Fence, Option<Outcome>)> {
        let here = self.streams.iter().rev().filter(|(name, _)| self.records(**name).is_ok());
        here.map(|(name, stream)| (*name, stream.fence(), stream.outcome())).collect()
    }

    pub(crate) fn unsettled(&self) -> Vec<(StreamId, Fence)> {
        let here = self.streams.iter().filter(|(name, _)| self.records(**name).is_ok());
        here.filter(|(_, stream)| stream.outcome().is_none())
            .map(|(name, stream)| (*name, stream.fence()))
            .collect()
    }

    /// Looks at a stream, so that the log notices what time it is.
    pub(crate) async fn touch(&self, log: &Arc<dyn Log>, name: StreamId) {
        assert!(log.head(name).await.is_err());
    }

    fn open(&mut self, name: StreamId) -> Result<&mut Stream, Refusal> {
        self.records(name)?;
        let stream = self.streams.get_mut(&name).ok_or(Refusal::Gone)?;
        match stream.outcome() {
            Some(outcome) => Err(Refusal::Closed(outcome)),
            None => Ok(stream),
        }
    }
}

impl Stream {
    fn add(&mut self, epoch: u32, entries: &[Entry]) {
        for entry in entries {
            self.records.push(Record {
                seq: Seq::new(self.records.len() as u64 + 1).unwrap(),
                epoch: Epoch::new(epoch).unwrap(),
                kind: entry.kind,
                time: entry.time,
                payload: entry.payload.clone(),
            });
        }
    }

    fn fence(&self) -> Fence {
        let epoch = self.records.last().map_or(Epoch::FIRST, |last| last.epoch);
        Fence { epoch, next: Seq::new(self.records.len() as u64 + 1).unwrap() }
    }

    fn outcome(&self) -> Option<Outcome> {
        self.records.last().and_then(Record::outcome)
    }
}
