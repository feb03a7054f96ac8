//! The thread for what an append cannot do at once: what must be looked up in the store, or synced before it is answered.
//!
//! That is making, taking over and deleting streams, expiry, the first append of a stream that this process did not make, and every append
//! where all is synced before it is visible. It takes what has come in, writes it, syncs once if anything of it needs to be synced, then
//! shows it and answers. While one group is on its way the next gathers, so the cost of a sync is shared by as many as came in
//! meanwhile; nothing waits for company.

use std::{sync::Arc, thread::JoinHandle};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{
    front::{self, Front, Judge, Staged, Ticket, Unstaged},
    overlay::Growth,
    store::Store,
};
use crate::{
    Entry, Epoch, Error, Fence, Head, Kind, ReserveBytes, Retention, Run, StreamId, Time, expiry::Expiry,
    frame, head::Batch,
};

/// So many commands are done together at most.
const GROUP_COMMANDS: usize = 1024;
/// So many bytes are written together, and then the append that goes beyond.
const GROUP_BYTES: usize = 4 << 20;

pub(super) type Reply = oneshot::Sender<Result<Head, Error>>;

/// What the thread is asked to do.
pub(super) struct Command {
    pub(super) what: What,
    /// The time when it was asked.
    pub(super) now: Time,
    pub(super) reply: Option<Reply>,
    /// The room that it takes among what is pending.
    pub(super) permit: Option<OwnedSemaphorePermit>,
    /// Its place in the queue, where it is about a stream.
    pub(super) ticket: Option<Ticket>,
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
    pub(super) front: Arc<Front>,
    pub(super) mover: JoinHandle<()>,
    pub(super) always: bool,
    pub(super) retention: Retention,
    pub(super) reserve: ReserveBytes,
}

/// What a group comes to.
#[derive(Default)]
struct Group {
    staged: Vec<Staged>,
    answers: Vec<(Option<Reply>, Result<Head, Error>)>,
    /// The room that what is staged takes.
    units: usize,
    sync: bool,
    /// Something was found to have expired, and the floor must follow before that is told.
    expire: bool,
}

impl Committer {
    /// Works until it is told to close or nobody is left to ask.
    pub(super) fn run(self, mut commands: mpsc::Receiver<Command>) {
        let mut commanded = Vec::new();
        while let Some(first) = commands.blocking_recv() {
            let mut bytes = first.what.bytes();
            commanded.push(first);
            while commanded.len() < GROUP_COMMANDS
                && bytes < GROUP_BYTES
                && !matches!(commanded.last().map(|last| &last.what), Some(What::Close { .. }))
                && let Ok(next) = commands.try_recv()
            {
                bytes += next.what.bytes();
                commanded.push(next);
            }
            if let Some(done) = self.commit(&mut commanded) {
                self.close(commands, Some(done));
                return;
            }
        }
        self.close(commands, None);
    }

    /// Does a group, answers it, and says whom to tell when it is closed, if that was asked.
    fn commit(&self, commands: &mut Vec<Command>) -> Option<oneshot::Sender<Result<(), Error>>> {
        let mut group = Group { sync: self.always, ..Group::default() };
        let mut closing = None;
        for command in commands.drain(..) {
            self.front.advance(command.now);
            if let What::Close { done } = command.what {
                closing = Some(done);
                continue;
            }
            let is_synced = command.what.is_synced();
            let before = group.staged.len();
            let answer = self.stage(command.what, &mut group);
            if group.staged.len() > before {
                group.sync |= is_synced;
                // What is visible has its room until it is moved into the store.
                if let Some(permit) = command.permit {
                    group.units += permit.num_permits();
                    permit.forget();
                }
            }
            group.answers.push((command.reply, answer));
            // What it did is staged now, and is judged by.
            drop(command.ticket);
        }
        match self.make_durable(&mut group) {
            // First what readers see, then the answers: who is told that it was written can read it.
            Ok(()) => self.front.show(group.staged, group.units, |floor| self.store.show_floor(floor)),
            Err(failure) => {
                for (_, answer) in &mut group.answers {
                    *answer = Err(failure.clone());
                }
            }
        }
        for (reply, answer) in group.answers {
            if let Some(reply) = reply {
                // Nobody waits any more; what was done is done.
                let _ = reply.send(answer);
            }
        }
        closing
    }

    fn make_durable(&self, group: &mut Group) -> Result<(), Error> {
        if group.expire {
            group.staged.push(self.retry(None, || self.front.stage_floor())?);
            group.sync = true;
        }
        if group.staged.is_empty() {
            return Ok(());
        }
        if group.sync { self.front.sync() } else { self.front.failure().map_or(Ok(()), Err) }
    }

    /// Judges a command by what is written, and writes what it does. What it answers is told when that is durable.
    fn stage(&self, what: What, group: &mut Group) -> Result<Head, Error> {
        let (head, growth, value, run) = match what {
            What::Create { stream, expires, batch, value, run } => {
                let now = self.front.advance(Time::default());
                let expiry = Expiry::of(stream, expires, self.retention, now)?;
                match self.head(stream, group) {
                    Ok(_) => return Err(Error::existing(stream)),
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error),
                }
                (Head::begin(stream, expiry.expires, batch), Growth::Created, value, run)
            }
            What::Append { stream, fence, batch, value, run } => {
                (self.head(stream, group)?.grow(fence, batch)?, Growth::Appended, value, run)
            }
            What::Takeover { stream, from, entry } => {
                let head = self.head(stream, group)?.takeover(from)?;
                let fence = Fence { epoch: head.epoch(), next: head.last };
                let (value, run) = frame::encode(stream, fence, &[Entry { kind: Kind::Takeover, ..entry }])?;
                (head, Growth::Taken, value, run)
            }
            What::Delete { stream } => {
                let head = self.head(stream, group)?;
                group.staged.push(self.retry(None, || self.front.stage_deletion(&head))?);
                return Ok(head);
            }
            What::Tick { expire } => {
                group.expire |= expire;
                self.front
                    .set_full(self.store.available().is_ok_and(|available| available < self.reserve.get()));
                return Err(Error::unavailable("a tick has no other answer"));
            }
            What::Close { .. } => return Err(closed()),
        };
        let growing = (head.outcome.is_none() && growth != Growth::Taken).then_some(head.stream);
        let staged =
            self.retry(growing, || self.front.stage_growth(&head, growth, value.clone(), run.clone()))?;
        group.staged.push(staged);
        Ok(head)
    }

    /// Stages, with another segment where there is no room in this one. Only what ends streams, or leads to that, may have one
    /// out of the reserve.
    fn retry(
        &self,
        growing: Option<StreamId>,
        stage: impl Fn() -> Result<Staged, Unstaged>,
    ) -> Result<Staged, Error> {
        loop {
            match stage() {
                Ok(staged) => return Ok(staged),
                Err(Unstaged::Refused(error)) => return Err(error),
                Err(Unstaged::Failed(failure)) => return Err(self.front.fail(failure)),
                Err(Unstaged::NoRoom(room)) => {
                    if let Some(stream) = growing
                        && !self.store.has_room(self.reserve)
                    {
                        return Err(Error::full(stream));
                    }
                    self.front.prepare(room).map_err(|error| self.front.fail(front::write_error(error)))?;
                }
            }
        }
    }

    /// The head that the next change of a stream is judged by.
    fn head(&self, stream: StreamId, group: &mut Group) -> Result<Head, Error> {
        let head = match self.front.judge(stream) {
            Judge::Head(head) => head,
            Judge::Gone => return Err(Error::gone(stream)),
            // Only this thread takes streams on, so nothing has changed when the store has answered.
            Judge::Unknown => self.store.head(stream)?,
        };
        if head.expires <= self.front.advance(Time::default()) {
            group.expire = true;
            return Err(Error::gone(stream));
        }
        Ok(head)
    }

    fn close(self, commands: mpsc::Receiver<Command>, done: Option<oneshot::Sender<Result<(), Error>>>) {
        // What came in after the request to close is answered by being dropped.
        drop(commands);
        let Self { store, front, mover, .. } = self;
        let broken = front.close(&closed());
        // It tells itself where it fails.
        let _ = mover.join();
        let synced = match (broken, front.is_broken()) {
            // A log that has failed has said so to whoever writes; it closes all the same.
            (true, _) => Ok(()),
            // What the store would not take at the last moment stands in the journal.
            (false, true) => front.sync_journal(),
            (false, false) => sync(&front, &store),
        };
        front.tell(&closed());
        // Gives the directory free, before anybody is told that it is.
        drop(store);
        if let Some(done) = done {
            let _ = done.send(synced);
        }
    }
}

impl What {
    fn bytes(&self) -> usize {
        match self {
            Self::Create { value, .. } | Self::Append { value, .. } => value.len(),
            Self::Takeover { entry, .. } => entry.payload.len(),
            Self::Tick { .. } | Self::Delete { .. } | Self::Close { .. } => 0,
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

/// Syncs everything there is.
fn sync(front: &Front, store: &Store) -> Result<(), Error> {
    front.sync()?;
    store.sync().map_err(|error| store.write_error(error))
}
