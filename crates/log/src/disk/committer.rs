//! The one thread that writes: it takes what has come in from all streams, and commits it together.
//!
//! While one commit is on its way the next group gathers, so the cost of a commit, and of a sync, is shared by as many appends as
//! came in meanwhile; nothing waits for company. A failed commit or sync is the last one: what a file holds after it cannot be known
//! (a second sync may succeed falsely), so the log takes nothing more until it is opened again.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{live::Live, store::Store};
use crate::{
    Entry, Epoch, Error, Fence, Head, Kind, ReserveBytes, Retention, Run, StreamId, Time, expiry::Expiry,
    frame, head::Batch,
};

/// So many appends are committed together at most.
const GROUP_APPENDS: usize = 1024;
/// So many bytes are committed together, and then the append that goes beyond.
const GROUP_BYTES: usize = 4 << 20;
/// The space that is left is looked up again after so many bytes; the tick does it too.
const PROBE_EVERY: usize = 4 << 20;

pub(super) type Reply = oneshot::Sender<Result<Head, Error>>;

/// What the thread is asked to do.
pub(super) struct Command {
    pub(super) what: What,
    /// The time when it was asked.
    pub(super) now: Time,
    pub(super) reply: Option<Reply>,
    /// The room that it takes among what is pending.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

pub(super) enum What {
    Create {
        stream: StreamId,
        expires: Option<Time>,
        batch: Batch,
        value: Bytes,
        run: Run,
    },
    Append {
        stream: StreamId,
        fence: Fence,
        batch: Batch,
        value: Bytes,
        run: Run,
    },
    Takeover {
        stream: StreamId,
        from: Epoch,
        entry: Entry,
    },
    Delete {
        stream: StreamId,
    },
    /// Looks up the space that is left, and makes expired for good what has expired, if that is asked.
    Tick {
        expire: bool,
    },
    Close {
        done: oneshot::Sender<Result<(), Error>>,
    },
}

pub(super) struct Committer {
    pub(super) store: Arc<Store>,
    pub(super) live: Arc<Live>,
    pub(super) dirty: Arc<AtomicBool>,
    pub(super) always: bool,
    pub(super) retention: Retention,
    pub(super) reserve: ReserveBytes,
    /// The streams that are written here: what the next append is judged by. Those that have ended are in it until the commit.
    streams: HashMap<StreamId, Known>,
    now: Time,
    /// Something was found to have expired, and the floor must follow before that is told.
    expire: bool,
    full: bool,
    unprobed: usize,
}

enum Known {
    Open(Head),
    Closed(Head),
    Gone,
}

/// What there is to tell once the group is durable.
enum Effect {
    Grown(Head, Run),
    Gone(StreamId),
    Floor(Time),
}

impl Committer {
    pub(super) fn new(
        store: Arc<Store>,
        live: Arc<Live>,
        dirty: Arc<AtomicBool>,
        always: bool,
        retention: Retention,
        reserve: ReserveBytes,
        now: Time,
    ) -> Self {
        let now = now.max(store.floor());
        Self {
            store,
            live,
            dirty,
            always,
            retention,
            reserve,
            streams: HashMap::new(),
            now,
            expire: false,
            full: false,
            unprobed: 0,
        }
    }

    /// Works until it is told to close or nobody is left to ask.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut group = Vec::new();
        while let Some(first) = commands.blocking_recv() {
            let mut bytes = first.what.bytes();
            group.push(first);
            while group.len() < GROUP_APPENDS
                && bytes < GROUP_BYTES
                && !matches!(group.last().map(|last| &last.what), Some(What::Close { .. }))
                && let Ok(next) = commands.try_recv()
            {
                bytes += next.what.bytes();
                group.push(next);
            }
            if let Some(done) = self.commit(&mut group, bytes) {
                self.close(commands, done);
                return;
            }
        }
        self.live.fail(&closed());
    }

    /// Commits a group, tells who waits for it, and says whom to tell when it is closed, if that was asked.
    fn commit(
        &mut self,
        group: &mut Vec<Command>,
        bytes: usize,
    ) -> Option<oneshot::Sender<Result<(), Error>>> {
        let store = Arc::clone(&self.store);
        self.probe(bytes);
        let failure = self.live.failure();
        let mut batch = store.batch();
        let mut sync = self.always;
        let mut effects = Vec::with_capacity(group.len());
        let mut replies = Vec::with_capacity(group.len());
        let mut closing = None;
        for command in group.drain(..) {
            self.now = self.now.max(command.now);
            sync |= command.what.is_synced();
            let answer = match (&failure, command.what) {
                (_, What::Close { done }) => {
                    closing = Some(done);
                    continue;
                }
                (Some(failure), _) => Err(failure.clone()),
                (None, what) => self.stage(&mut batch, what, &mut effects),
            };
            replies.push((command.reply, answer, command.permit));
        }
        if std::mem::take(&mut self.expire) && failure.is_none() {
            sync = true;
            batch.floor(self.now);
            effects.push(Effect::Floor(self.now));
        }
        if !effects.is_empty() {
            match batch.commit(sync) {
                // After the commit: a sync that begins now covers it.
                Ok(()) => self.dirty.store(true, Ordering::Release),
                Err(error) => {
                    let failure = store.write_error(error);
                    tracing::error!(%failure, "the stream log takes nothing more until it is opened again");
                    self.live.fail(&failure);
                    effects.clear();
                    for (_, answer, _) in &mut replies {
                        *answer = Err(failure.clone());
                    }
                }
            }
        }
        // First what readers see, then the answers: who is told that it was written can read it.
        for effect in effects {
            self.show(effect);
        }
        for (reply, answer, permit) in replies {
            drop(permit);
            if let Some(reply) = reply {
                // Nobody waits any more; what was done is done.
                let _ = reply.send(answer);
            }
        }
        closing
    }

    /// Judges a command by what is written and what is staged, and stages what it does. What it answers is told after the commit.
    fn stage(
        &mut self,
        batch: &mut super::store::Batch<'_>,
        what: What,
        effects: &mut Vec<Effect>,
    ) -> Result<Head, Error> {
        let (head, run) = match what {
            What::Create { stream, expires, batch: entries, value, run } => {
                let expiry = Expiry::of(stream, expires, self.retention, self.now)?;
                match self.head(stream) {
                    Ok(_) => return Err(Error::existing(stream)),
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error),
                }
                let head = Head::begin(stream, expiry.expires, entries);
                self.room(&head)?;
                batch.create(&head, value).map_err(|error| self.store.write_error(error))?;
                (head, run)
            }
            What::Append { stream, fence, batch: entries, value, run } => {
                let head = self.head(stream)?.grow(fence, entries)?;
                self.room(&head)?;
                batch.append(&head, fence.next, value)?;
                (head, run)
            }
            What::Takeover { stream, from, entry } => {
                let head = self.head(stream)?.takeover(from)?;
                let fence = Fence { epoch: head.epoch(), next: head.last };
                let (value, run) = frame::encode(stream, fence, &[Entry { kind: Kind::Takeover, ..entry }])?;
                batch.append(&head, head.last, value)?;
                (head, run)
            }
            What::Delete { stream } => return self.stage_delete(batch, stream, effects),
            What::Tick { expire } => {
                self.expire |= expire;
                return Err(Error::unavailable("a tick has no other answer"));
            }
            What::Close { .. } => return Err(closed()),
        };
        let known =
            if head.outcome.is_none() { Known::Open(head.clone()) } else { Known::Closed(head.clone()) };
        self.streams.insert(head.stream, known);
        effects.push(Effect::Grown(head.clone(), run));
        Ok(head)
    }

    fn stage_delete(
        &mut self,
        batch: &mut super::store::Batch<'_>,
        stream: StreamId,
        effects: &mut Vec<Effect>,
    ) -> Result<Head, Error> {
        let head = self.head(stream)?;
        batch.delete(stream)?;
        self.streams.insert(stream, Known::Gone);
        effects.push(Effect::Gone(stream));
        Ok(head)
    }

    /// The head that the next append to a stream is judged by.
    fn head(&mut self, stream: StreamId) -> Result<Head, Error> {
        let head = match self.streams.get(&stream) {
            Some(Known::Open(head) | Known::Closed(head)) => head.clone(),
            Some(Known::Gone) => return Err(Error::gone(stream)),
            None => self.store.head(stream)?,
        };
        if head.expires <= self.now {
            self.expire = true;
            return Err(Error::gone(stream));
        }
        Ok(head)
    }

    /// Below the reserve only endings are accepted.
    fn room(&self, head: &Head) -> Result<(), Error> {
        if self.full && head.outcome.is_none() { Err(Error::full(head.stream)) } else { Ok(()) }
    }

    fn probe(&mut self, bytes: usize) {
        self.unprobed += bytes;
        if self.unprobed < PROBE_EVERY && !self.full {
            return;
        }
        self.unprobed = 0;
        let full = self.store.available().is_ok_and(|available| available < self.reserve.get());
        if full != self.full {
            self.full = full;
            if full {
                tracing::warn!(
                    "too little space is left: only endings of streams are accepted until there is more"
                );
            } else {
                tracing::info!("there is space again: all appends are accepted");
            }
        }
    }

    fn show(&mut self, effect: Effect) {
        match effect {
            Effect::Grown(head, run) => {
                if head.outcome.is_some() {
                    self.streams.remove(&head.stream);
                }
                self.live.publish(head, run);
            }
            Effect::Gone(stream) => {
                self.streams.remove(&stream);
                self.live.gone(stream);
            }
            Effect::Floor(floor) => {
                self.store.show_floor(floor);
                self.streams.retain(|_, known| !matches!(known, Known::Open(head) if head.expires <= floor));
                for stream in self.live.expired(floor) {
                    self.live.gone(stream);
                }
            }
        }
    }

    fn close(self, commands: mpsc::Receiver<Command>, done: oneshot::Sender<Result<(), Error>>) {
        // What came in after the request to close is answered by being dropped.
        drop(commands);
        let synced = if self.live.failure().is_some() {
            Ok(())
        } else {
            self.store.sync().map_err(|error| self.store.write_error(error))
        };
        self.live.fail(&closed());
        // Gives the directory free, before anybody is told that it is.
        drop(self.store);
        let _ = done.send(synced);
    }
}

impl What {
    fn bytes(&self) -> usize {
        match self {
            Self::Create { value, .. } | Self::Append { value, .. } => value.len(),
            Self::Takeover { entry, .. } => entry.payload.len(),
            // So that the space is looked up at each tick.
            Self::Tick { .. } => PROBE_EVERY,
            Self::Delete { .. } | Self::Close { .. } => 0,
        }
    }

    /// Is it synced before it is answered, whatever the durability?
    fn is_synced(&self) -> bool {
        matches!(self, Self::Takeover { .. } | Self::Delete { .. })
    }
}

pub(super) fn closed() -> Error {
    Error::unavailable("it was closed")
}
