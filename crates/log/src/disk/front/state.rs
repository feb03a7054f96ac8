//! What the front's lock guards, and what is done under it: no waiting, no reading, at most one write.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::{GATHERED_BYTES, Unstaged, write_error};
use crate::{
    Error, Fence, Head, Run, StreamId, Tail, Time,
    disk::{
        journal::{Journal, Unwritten, What},
        live::Live,
        overlay::{Growth, Overlay},
    },
    head::Batch,
    waiters::Woken,
};

pub(super) struct State {
    pub(super) journal: Journal,
    /// The streams that are open and written here.
    pub(super) streams: HashMap<StreamId, Open>,
    /// The streams that have something on its way to the committer, and how much.
    pub(super) queued: HashMap<StreamId, usize>,
    pub(super) overlay: Overlay,
    /// Where the oldest entry is that is not visible yet.
    pub(super) staged: Option<u64>,
    /// The latest time that was ever told.
    pub(super) now: Time,
    pub(super) full: bool,
    /// Why nothing more is written.
    pub(super) failure: Option<Error>,
    /// That is because a write or a sync failed: nothing is moved into the store either.
    pub(super) broken: bool,
    /// Why a sync failed. It is the last one: another could succeed without what this one lost.
    pub(super) unsynced: Option<Error>,
    /// Nothing gathers any more.
    pub(super) closing: bool,
    pub(super) urgent: bool,
}

/// A stream that is written here.
pub(super) struct Open {
    /// What the next append is judged by.
    pub(super) head: Head,
    /// So much of it is staged.
    pub(super) staged: u32,
    /// Its deletion is among what is staged.
    pub(super) gone: bool,
    /// What its readers see of it; not there before there is something to see.
    pub(super) tail: Option<Arc<Tail>>,
}

/// Why an append is not done at once.
pub(super) enum Refusal {
    NotHere,
    Answer(Error),
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}

impl State {
    pub(super) fn new(journal: Journal, now: Time) -> Self {
        Self {
            journal,
            streams: HashMap::new(),
            queued: HashMap::new(),
            overlay: Overlay::default(),
            staged: None,
            now,
            full: false,
            failure: None,
            broken: false,
            unsynced: None,
            closing: false,
            urgent: false,
        }
    }

    /// Judges and writes.
    pub(super) fn append(
        &mut self,
        now: Time,
        stream: StreamId,
        fence: Fence,
        batch: Batch,
        value: &Bytes,
        run: &Run,
    ) -> Result<Head, Refusal> {
        self.now = self.now.max(now);
        if let Some(failure) = &self.failure {
            return Err(failure.clone().into());
        }
        let open = self.streams.get_mut(&stream).ok_or(Refusal::NotHere)?;
        // What has expired is synced before it is told.
        if open.staged > 0 || self.queued.contains_key(&stream) || open.head.expires <= self.now {
            return Err(Refusal::NotHere);
        }
        let head = open.head.grow(fence, batch)?;
        debug_assert_eq!(run.last().map(|last| last.seq), Some(head.last));
        if self.full && head.outcome.is_none() {
            return Err(Error::full(stream).into());
        }
        match self.journal.write(What::Run, &[], value) {
            Ok(_) => {}
            Err(Unwritten::NoRoom(_)) => return Err(Refusal::NotHere),
            Err(Unwritten::Failed(error)) => return Err(Refusal::Failed(self.fail(write_error(error)))),
        }
        open.head = head.clone();
        Ok(head)
    }

    pub(super) fn stage(&mut self, what: What, before: &[u8], body: &[u8]) -> Result<(), Unstaged> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone().into());
        }
        match self.journal.write(what, before, body) {
            Ok(position) => {
                self.staged.get_or_insert(position);
                Ok(())
            }
            Err(Unwritten::NoRoom(room)) => Err(Unstaged::NoRoom(room)),
            Err(Unwritten::Failed(error)) => Err(Unstaged::Failed(self.fail(write_error(error)))),
        }
    }

    pub(super) fn stage_stream(&mut self, head: &Head, gone: bool) {
        let open = self.streams.entry(head.stream).or_insert_with(|| Open {
            head: head.clone(),
            staged: 0,
            gone: false,
            tail: None,
        });
        open.head = head.clone();
        open.staged += 1;
        open.gone |= gone;
    }

    /// Shows what was written; gives back who is to be woken, and what is to be dropped.
    pub(super) fn show_growth(
        &mut self,
        live: &Live,
        head: &Head,
        growth: Growth,
        value: Bytes,
        run: Run,
    ) -> (Woken, Option<Open>) {
        self.overlay.fresh().grow(head, growth, value, run.clone());
        let Some(open) = self.streams.get(&head.stream) else { return (Woken::default(), None) };
        let woken = open.tail.as_ref().map_or_else(Woken::default, |tail| tail.grow(head.clone(), run));
        let left = if head.outcome.is_some() && open.staged == 0 {
            live.release(head.stream);
            self.streams.remove(&head.stream)
        } else {
            None
        };
        (woken, left)
    }

    /// Counts what has gathered; says whether the mover is to be told.
    pub(super) fn gather(&mut self, units: usize) -> bool {
        let fresh = self.overlay.fresh();
        let was_empty = fresh.units == 0;
        fresh.units += units;
        let enough = fresh.bytes >= GATHERED_BYTES;
        let empty = fresh.is_empty();
        let hurry = enough && !self.urgent;
        self.urgent |= enough;
        (was_empty && !empty) || hurry
    }

    /// Nothing more is written. The first reason stands.
    pub(super) fn fail(&mut self, why: Error) -> Error {
        self.broken = true;
        self.failure.get_or_insert(why).clone()
    }
}
