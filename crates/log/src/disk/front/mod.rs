//! Where appends are judged and written: on the thread of whoever appends, under one lock, with one write.
//!
//! What the lock guards is what an append is judged by (the heads of the streams that are written here), the end of the journal, and
//! what is not in the store yet. It is never held over an `await`, a sync or a call into the store; a write that blocks, since the
//! system writes back, blocks the appends of all streams, as one thread for all of them would. A stream's tail grows under it
//! too, so that its readers see runs in the order in which they were written; they are woken outside of it.
//!
//! What has to be looked up in the store or synced before it is answered is *staged* by the [committer](super::committer): written and
//! judged by, but not visible. As long as something of a stream is on its way there or staged, all its appends go that way, after it:
//! so a writer that does not wait for answers is judged in the order in which it wrote.

mod state;

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::state::{Refusal, State};
use super::{
    journal::{Journal, What, folder::Folder},
    live::Live,
    overlay::{Generation, Growth, Known, Runs},
};
use crate::{
    Error, Fence, Head, PendingBytes, ReadBytes, Run, Seq, StreamId, Time, head::Batch, waiters::Woken,
};

/// How long changes gather before they are moved into the store.
const GATHER: Duration = Duration::from_millis(100);
/// They are moved sooner when they are so many bytes.
const GATHERED_BYTES: usize = 4 << 20;
/// What one unit of [`PendingBytes`] stands for, since a semaphore counts to 2^29 only on small machines.
const PENDING_UNIT: usize = 256;

pub(in crate::disk) struct Front {
    state: Mutex<State>,
    /// There is something to move, or no time to lose.
    work: Condvar,
    live: Arc<Live>,
    /// The room for what is pending.
    room: Arc<Semaphore>,
    units: u32,
    /// Everything is synced before it is visible, so nothing is done here at once.
    always: bool,
    /// Held while a sync is under way: who comes second may rely on what the first has synced.
    syncing: Mutex<()>,
    /// Held while segments are made or done away with.
    folder: Mutex<Folder>,
}

/// What became of an append.
pub(in crate::disk) enum Append {
    Answered(Result<Head, Error>),
    /// It cannot be done at once, and is given back, with its place in the queue.
    NotHere(Bytes, Run, Ticket),
}

/// Something of a stream is on its way to the committer, as long as this is there.
pub(in crate::disk) struct Ticket {
    front: Arc<Front>,
    stream: StreamId,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.front.state.lock();
        if let Some(count) = state.queued.get_mut(&self.stream) {
            *count -= 1;
            if *count == 0 {
                state.queued.remove(&self.stream);
            }
        }
    }
}

/// What was staged, to be shown once it is durable.
pub(in crate::disk) enum Staged {
    Grown { head: Head, growth: Growth, value: Bytes, run: Run },
    Gone(StreamId),
    Floor(Time),
}

/// Why nothing was staged.
pub(in crate::disk) enum Unstaged {
    Refused(Error),
    /// A segment with so much room must be made ready first.
    NoRoom(u64),
    /// The write failed.
    Failed(Error),
}

/// By what a stream's next change is judged, if that is known without the store.
pub(in crate::disk) enum Judge {
    Head(Head),
    Gone,
    Unknown,
}

impl From<Error> for Unstaged {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Front {
    pub(in crate::disk) fn new(
        (folder, journal): (Folder, Journal),
        live: Arc<Live>,
        pending: PendingBytes,
        always: bool,
        now: Time,
    ) -> Self {
        let units = pending.get().div_ceil(PENDING_UNIT).clamp(1, Semaphore::MAX_PERMITS);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let state = State::new(journal, now);
        let room = Arc::new(Semaphore::new(units as usize));
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            live,
            room,
            units,
            always,
            syncing: Mutex::new(()),
            folder: Mutex::new(folder),
        }
    }

    /// Appends, if that can be done at once: judges, writes, shows.
    pub(in crate::disk) fn append(
        self: &Arc<Self>,
        now: Time,
        stream: StreamId,
        fence: Fence,
        batch: Batch,
        value: Bytes,
        run: Run,
    ) -> Append {
        let units = self.units_of(value.len());
        let permit = if self.always { None } else { self.room.try_acquire_many(units).ok() };
        let Some(permit) = permit else { return Append::NotHere(value, run, self.ticket(stream)) };
        let mut state = self.state.lock();
        let answer = state.append(now, stream, fence, batch, &value, &run);
        let head = match answer {
            Ok(head) => head,
            Err(Refusal::NotHere) => {
                *state.queued.entry(stream).or_default() += 1;
                return Append::NotHere(value, run, Ticket { front: Arc::clone(self), stream });
            }
            Err(Refusal::Answer(error)) => return Append::Answered(Err(error)),
            Err(Refusal::Failed(failure)) => {
                drop(state);
                return Append::Answered(Err(self.fail(failure)));
            }
        };
        permit.forget();
        let (woken, left) = state.show_growth(&self.live, &head, Growth::Appended, value, run);
        let work = state.gather(units as usize);
        drop(state);
        self.alert(work);
        woken.wake();
        // With a tail goes its ring.
        drop(left);
        Append::Answered(Ok(head))
    }

    /// A place in the queue to the committer.
    pub(in crate::disk) fn ticket(self: &Arc<Self>, stream: StreamId) -> Ticket {
        *self.state.lock().queued.entry(stream).or_default() += 1;
        Ticket { front: Arc::clone(self), stream }
    }

    /// By what the next change of a stream is judged.
    pub(in crate::disk) fn judge(&self, stream: StreamId) -> Judge {
        let state = self.state.lock();
        match state.streams.get(&stream) {
            Some(open) if open.gone => Judge::Gone,
            Some(open) => Judge::Head(open.head.clone()),
            None => match state.overlay.known(stream) {
                Some(Known::Gone) => Judge::Gone,
                Some(Known::Head(head)) => Judge::Head(head),
                None => Judge::Unknown,
            },
        }
    }

    /// Writes a stream's growth to `head`, to be shown later.
    pub(in crate::disk) fn stage_growth(
        &self,
        head: &Head,
        growth: Growth,
        value: Bytes,
        run: Run,
    ) -> Result<Staged, Unstaged> {
        let mut state = self.state.lock();
        // A takeover is accepted out of the reserve, as an ending is: so that every stream can end.
        if state.full && head.outcome.is_none() && growth != Growth::Taken {
            return Err(Error::full(head.stream).into());
        }
        let expires = head.expires.as_micros().to_le_bytes();
        let (what, before) = match growth {
            Growth::Created => (What::Create, &expires[..]),
            Growth::Taken | Growth::Appended => (What::Run, &[][..]),
        };
        state.stage(what, before, &value)?;
        state.stage_stream(head, false);
        Ok(Staged::Grown { head: head.clone(), growth, value, run })
    }

    /// Writes that a stream is deleted, to be shown later.
    pub(in crate::disk) fn stage_deletion(&self, head: &Head) -> Result<Staged, Unstaged> {
        let mut state = self.state.lock();
        state.stage(What::Delete, &[], head.stream.as_bytes())?;
        state.stage_stream(head, true);
        Ok(Staged::Gone(head.stream))
    }

    /// Writes that everything that expires up to now has expired, to be shown later.
    pub(in crate::disk) fn stage_floor(&self) -> Result<Staged, Unstaged> {
        let mut state = self.state.lock();
        let floor = state.now;
        state.stage(What::Floor, &[], &floor.as_micros().to_le_bytes())?;
        Ok(Staged::Floor(floor))
    }

    /// Shows all that is staged, in the order in which it was: it is durable. `units` is the room that it takes. The floor is
    /// shown by `show_floor`.
    pub(in crate::disk) fn show(&self, staged: Vec<Staged>, units: usize, show_floor: impl Fn(Time)) {
        let mut told = Vec::with_capacity(staged.len());
        let mut gone = Vec::new();
        let mut state = self.state.lock();
        for staged in staged {
            match staged {
                Staged::Grown { head, growth, value, run } => {
                    if let Some(open) = state.streams.get_mut(&head.stream) {
                        open.staged -= 1;
                        open.tail.get_or_insert_with(|| self.live.own(head.stream));
                    }
                    told.push(state.show_growth(&self.live, &head, growth, value, run));
                }
                Staged::Gone(stream) => {
                    let open = state.streams.remove(&stream);
                    state.overlay.fresh().delete(stream);
                    gone.push(stream);
                    told.push((Woken::default(), open));
                }
                Staged::Floor(floor) => {
                    show_floor(floor);
                    state.overlay.fresh().expire(floor);
                    state.streams.retain(|_, open| open.head.expires > floor);
                    gone.extend(self.live.expired(floor));
                }
            }
        }
        state.staged = None;
        let work = state.gather(units);
        drop(state);
        self.alert(work);
        gone.into_iter().for_each(|stream| self.live.gone(stream));
        told.into_iter().for_each(|(woken, _)| woken.wake());
    }

    /// What is known of a stream that is not in the store yet.
    pub(in crate::disk) fn known(&self, stream: StreamId) -> Option<Known> {
        self.state.lock().overlay.known(stream)
    }

    /// The runs of a stream that may not be in the store yet.
    pub(in crate::disk) fn runs(&self, stream: StreamId, from: Seq, most: ReadBytes) -> Runs {
        self.state.lock().overlay.runs(stream, from, most.get())
    }

    /// The streams of which the store may not know the newest; each with what is known.
    pub(in crate::disk) fn streams(&self) -> Vec<(StreamId, Known)> {
        let state = self.state.lock();
        let mut streams: Vec<StreamId> = state.overlay.streams().collect();
        streams.sort_unstable();
        streams.dedup();
        let known = |stream: StreamId| {
            let known = match state.streams.get(&stream).and_then(|open| open.tail.as_ref()?.head()) {
                Some(head) => Known::Head(head),
                None => state.overlay.known(stream)?,
            };
            Some((stream, known))
        };
        streams.into_iter().filter_map(known).collect()
    }

    /// Waits until there is something to move into the store, and it has gathered; `None` once it is closed and nothing is left.
    pub(in crate::disk) fn wait(&self) -> Option<Arc<Generation>> {
        let mut state = self.state.lock();
        while state.overlay.fresh().is_empty() && !state.closing && !state.broken {
            self.work.wait(&mut state);
        }
        let gathers = |state: &mut State| !state.urgent && !state.closing && !state.broken;
        self.work.wait_while_for(&mut state, gathers, GATHER);
        if state.broken || state.overlay.fresh().is_empty() {
            return None;
        }
        state.urgent = false;
        let end = state.journal.end();
        let until = state.staged.unwrap_or(end);
        Some(state.overlay.begin(until))
    }

    /// The store has this generation.
    pub(in crate::disk) fn moved(&self, generation: Arc<Generation>) {
        self.state.lock().overlay.done();
        self.room.add_permits(generation.units);
        drop(generation);
    }

    /// Somebody waits for room: what is pending is moved at once.
    pub(in crate::disk) fn hurry(&self) {
        let mut state = self.state.lock();
        if !state.overlay.fresh().is_empty() {
            state.urgent = true;
            self.work.notify_one();
        }
    }

    /// Room among what may be pending, in turn.
    pub(in crate::disk) async fn acquire(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        let units = self.units_of(bytes);
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(units) {
            return Ok(permit);
        }
        self.hurry();
        let permit = Arc::clone(&self.room).acquire_many_owned(units).await;
        permit.map_err(|_| self.failure().unwrap_or_else(crate::disk::committer::closed))
    }

    /// Who is larger than everything that may be pending takes it all.
    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes / PENDING_UNIT + 1).unwrap_or(u32::MAX).min(self.units)
    }

    /// Makes the next segment ready if it is time to, or if so much `room` is wanted now.
    pub(in crate::disk) fn prepare(&self, room: u64) -> io::Result<()> {
        let folder = self.folder.lock();
        let wanted = self.state.lock().journal.wanted(room);
        if let Some(wanted) = wanted {
            let segment = folder.prepare(wanted)?;
            self.state.lock().journal.prepared(segment);
        }
        Ok(())
    }

    /// Is there a segment of which everything is before `position`?
    pub(in crate::disk) fn has_passed(&self, position: u64) -> bool {
        self.state.lock().journal.has_passed(position)
    }

    /// Does away with segments of which the store has everything, and has it synced: up to `position`.
    pub(in crate::disk) fn retire(&self, position: u64, keep_spare: bool) -> io::Result<()> {
        let folder = self.folder.lock();
        let passed = self.state.lock().journal.passed(position);
        folder.retire(&passed, keep_spare)
    }

    pub(in crate::disk) fn is_dirty(&self) -> bool {
        self.state.lock().journal.is_dirty()
    }

    /// Syncs what is written, unless something has failed.
    pub(in crate::disk) fn sync(&self) -> Result<(), Error> {
        if let State { broken: true, failure: Some(failure), .. } = &*self.state.lock() {
            return Err(failure.clone());
        }
        self.sync_journal()
    }

    /// The same whatever has failed, unless it was a sync: what could not be moved into the store stands in the journal, and is moved by the
    /// next who opens the log.
    pub(in crate::disk) fn sync_journal(&self) -> Result<(), Error> {
        let _one = self.syncing.lock();
        let unsynced = {
            let mut state = self.state.lock();
            if let Some(failure) = &state.unsynced {
                return Err(failure.clone());
            }
            state.journal.unsynced()
        };
        let Some(unsynced) = unsynced else { return Ok(()) };
        let synced = unsynced.sync().and_then(|()| self.state.lock().journal.synced(&unsynced));
        synced.map_err(|error| {
            let why = write_error(error);
            self.state.lock().unsynced = Some(why.clone());
            self.fail(why)
        })
    }

    /// Says what time it is; it never goes back.
    pub(in crate::disk) fn advance(&self, now: Time) -> Time {
        let mut state = self.state.lock();
        state.now = state.now.max(now);
        state.now
    }

    /// Says whether only endings are accepted.
    pub(in crate::disk) fn set_full(&self, full: bool) {
        let before = std::mem::replace(&mut self.state.lock().full, full);
        if full && !before {
            tracing::warn!(
                "too little space is left: only endings of streams are accepted until there is more"
            );
        } else if before && !full {
            tracing::info!("there is space again: all appends are accepted");
        }
    }

    /// Whether a write or a sync has failed.
    pub(in crate::disk) fn is_broken(&self) -> bool {
        self.state.lock().broken
    }

    pub(in crate::disk) fn failure(&self) -> Option<Error> {
        self.state.lock().failure.clone()
    }

    /// Nothing more is written, because of this or of what failed before; tells everybody.
    pub(in crate::disk) fn fail(&self, why: Error) -> Error {
        let why = self.state.lock().fail(why);
        tracing::error!(failure = %why, "the stream log takes nothing more until it is opened again");
        self.room.close();
        self.work.notify_all();
        self.live.fail(&why);
        why
    }

    /// Takes nothing more, and lets what is pending be moved, unless a write has failed: then it says so.
    pub(in crate::disk) fn close(&self, why: &Error) -> bool {
        let broken = {
            let mut state = self.state.lock();
            state.closing = true;
            state.failure.get_or_insert_with(|| why.clone());
            state.broken
        };
        self.room.close();
        self.work.notify_all();
        broken
    }

    /// Tells the readers that nothing more comes.
    pub(in crate::disk) fn tell(&self, why: &Error) {
        self.live.fail(why);
    }

    fn alert(&self, work: bool) {
        if work {
            self.work.notify_one();
        }
    }
}

/// Why nothing more is written.
pub(in crate::disk) fn write_error(error: io::Error) -> Error {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let why = if full { "the disk is full" } else { "a write failed" };
    let failure = Error::unavailable(why).because(error);
    if full { failure.for_lack_of_room() } else { failure }
}
