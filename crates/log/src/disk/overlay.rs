//! What is visible already and not in the store yet: what readers lay over the store.
//!
//! There are two generations of it. Changes gather in the one; the other, if there is one, is being moved into the store at this
//! moment, and stays visible here until that is done. Whoever looks here first and into the store afterwards misses nothing; what he
//! finds in both places has the same numbers.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use crate::{Head, Run, Seq, StreamId, Time};

#[derive(Default)]
pub(super) struct Overlay {
    moving: Option<Arc<Generation>>,
    fresh: Generation,
}

/// Changes that go into the store together.
#[derive(Default)]
pub(super) struct Generation {
    pub(super) changes: HashMap<StreamId, Change>,
    pub(super) floor: Option<Time>,
    /// The position in the journal before which the store has everything, once it has this.
    pub(super) until: u64,
    /// The bytes of the runs.
    pub(super) bytes: usize,
    /// The room that this takes among what may be pending.
    pub(super) units: usize,
}

/// What becomes of a stream.
#[derive(Default)]
pub(super) struct Change {
    /// The runs that are added, each with its bytes.
    pub(super) runs: Vec<(Bytes, Run)>,
    /// The head, where it says something new.
    pub(super) head: Option<Head>,
    pub(super) created: bool,
    pub(super) deleted: bool,
}

/// What kind of growth it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    Created,
    Taken,
    Appended,
}

/// What is known here of a stream.
pub(super) enum Known {
    Head(Head),
    Gone,
}

impl Generation {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.floor.is_none()
    }

    pub(super) fn grow(&mut self, head: &Head, growth: Growth, value: Bytes, run: Run) {
        self.bytes += value.len();
        let change = self.changes.entry(head.stream).or_default();
        change.created |= growth == Growth::Created;
        // Else the head says nothing new: the last record of an open stream is looked up.
        if growth != Growth::Appended || head.outcome.is_some() {
            change.head = Some(head.clone());
        }
        change.runs.push((value, run));
    }

    pub(super) fn delete(&mut self, stream: StreamId) {
        let change = self.changes.entry(stream).or_default();
        change.deleted = true;
        change.head = None;
        change.runs = Vec::new();
    }

    pub(super) fn expire(&mut self, floor: Time) {
        self.floor = self.floor.max(Some(floor));
    }
}

impl Overlay {
    pub(super) fn fresh(&mut self) -> &mut Generation {
        &mut self.fresh
    }

    /// Begins to move what has gathered.
    pub(super) fn begin(&mut self, until: u64) -> Arc<Generation> {
        let room = HashMap::with_capacity(self.fresh.changes.len());
        let mut moving =
            std::mem::replace(&mut self.fresh, Generation { changes: room, ..Generation::default() });
        moving.until = until;
        let moving = Arc::new(moving);
        self.moving = Some(Arc::clone(&moving));
        moving
    }

    /// The store has it.
    pub(super) fn done(&mut self) {
        self.moving = None;
    }

    /// What is known here of a stream, the newest first.
    pub(super) fn known(&self, stream: StreamId) -> Option<Known> {
        self.generations().rev().filter_map(|generation| generation.changes.get(&stream)).find_map(|change| {
            if change.deleted { Some(Known::Gone) } else { change.head.clone().map(Known::Head) }
        })
    }

    /// All streams that something is known of here.
    pub(super) fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.generations().flat_map(|generation| generation.changes.keys().copied())
    }

    /// The runs of a stream that are here, from the first one on, as far as they are wanted: those before `from` are left out, and
    /// about `most` bytes are given.
    pub(super) fn runs(&self, stream: StreamId, from: Seq, most: usize) -> Runs {
        let mut found = Runs::default();
        let mut bytes = 0;
        for generation in self.generations() {
            let Some(change) = generation.changes.get(&stream) else { continue };
            if let (None, Some(first)) = (found.first, change.runs.first().and_then(|(_, run)| run.first())) {
                found.first = Some(first.seq);
            }
            let skipped =
                change.runs.partition_point(|(_, run)| run.last().is_some_and(|last| last.seq < from));
            for (_, run) in &change.runs[skipped..] {
                if bytes >= most && !found.runs.is_empty() {
                    return found;
                }
                bytes += run.payload_bytes();
                found.runs.extend(run.since(from));
            }
        }
        found
    }

    fn generations(&self) -> impl DoubleEndedIterator<Item = &Generation> {
        self.moving.as_deref().into_iter().chain([&self.fresh])
    }
}

/// Runs of a stream that are not in the store yet.
#[derive(Default)]
pub(super) struct Runs {
    /// The first record that is here, whether it was wanted or not.
    pub(super) first: Option<Seq>,
    pub(super) runs: Vec<Run>,
}
