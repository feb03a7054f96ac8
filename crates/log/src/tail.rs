//! The growing end of a stream in memory: its head, and a ring of recent records that all readers share.
//!
//! A reader is a cursor that pulls: it costs a waker while it waits, never a queue, and a slow one delays nobody. Whoever falls out
//! of the ring reads from the store. Runs are shared as they were appended; nothing is copied for a reader.

use std::{collections::VecDeque, fmt, sync::Arc, task::Waker};

use parking_lot::Mutex;

use crate::{
    Error, Head, Record, RingBytes, Run, Seq, StreamId,
    waiters::{Place, Waiters, Woken},
};

/// The growing end of a stream, as a store keeps it for the readers of one process.
pub struct Tail {
    stream: StreamId,
    limit: RingBytes,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    head: Option<Head>,
    /// Why nothing more comes, other than the stream's end.
    broken: Option<Error>,
    ring: Ring,
    waiters: Waiters,
}

#[derive(Default)]
struct Ring {
    runs: VecDeque<Run>,
    bytes: usize,
}

/// What there is for a reader at its place.
pub(crate) enum Found {
    /// It was given what the ring has.
    Runs,
    /// There is more, but not in the ring.
    Behind,
    /// The stream has ended before this place.
    Ended,
    /// Nothing more comes, and this is why.
    Broken(Error),
    /// Nothing yet.
    Nothing,
}

impl Tail {
    /// A tail that knows nothing yet.
    #[must_use]
    pub fn new(stream: StreamId, limit: RingBytes) -> Arc<Self> {
        Arc::new(Self { stream, limit, state: Mutex::default() })
    }

    /// The stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// The newest head, once there is one.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.state.lock().head.clone()
    }

    /// What of the ring follows `from`: empty if nothing does, `None` if the ring does not reach back so far.
    #[must_use]
    pub fn recent(&self, from: Seq, most: usize) -> Option<Vec<Run>> {
        let mut runs = VecDeque::new();
        self.state.lock().ring.copy(from, most, &mut runs).then(|| runs.into())
    }

    /// Why nothing more comes, if that is known.
    pub(crate) fn broken(&self) -> Option<Error> {
        self.state.lock().broken.clone()
    }

    /// Puts into `ready` what the ring has from `from` on, or says what else there is. Where that is nothing yet, `waker` is woken
    /// once there is something; `place` is where it waits.
    pub(crate) fn find(
        &self,
        from: Seq,
        most: usize,
        ready: &mut VecDeque<Run>,
        waiting: Option<(&mut Place, &Waker)>,
    ) -> Found {
        let mut state = self.state.lock();
        if let Some(gone) = state.broken.as_ref().filter(|error| error.is_gone()) {
            return Found::Broken(gone.clone());
        }
        let before = ready.len();
        if state.ring.copy(from, most, ready) && ready.len() > before {
            return Found::Runs;
        }
        if let Some(head) = &state.head {
            if head.last >= from {
                return Found::Behind;
            }
            if head.outcome.is_some() {
                return Found::Ended;
            }
        }
        if let Some(broken) = &state.broken {
            return Found::Broken(broken.clone());
        }
        let old = waiting.and_then(|(place, waker)| state.waiters.wait(place, waker));
        drop(state);
        // Out of the lock: with a waker may go a whole task, and its readers.
        drop(old);
        Found::Nothing
    }

    /// Whoever waited at `place` does not wait any more.
    pub(crate) fn leave(&self, place: Place) {
        let old = self.state.lock().waiters.leave(place);
        drop(old);
    }

    /// Does what [`publish`](Self::publish) does, but leaves it to the caller to wake the readers: under no lock of its own, since to
    /// wake a thousand of them takes a while.
    pub(crate) fn grow(&self, head: Head, run: Run) -> Woken {
        let mut state = self.state.lock();
        let old = state.ring.push(run, self.limit.get());
        let woken = state.learn(head);
        drop(state);
        drop(old);
        woken
    }
}

/// For stores.
impl Tail {
    /// Says that the stream has grown by `run` and has this head now. The records must be durable already, and follow the last
    /// ones that were published.
    pub fn publish(&self, head: Head, run: Run) {
        self.grow(head, run).wake();
    }

    /// Says what the head is, without records; an older one than is known is ignored.
    pub fn learn(&self, head: Head) {
        let woken = self.state.lock().learn(head);
        woken.wake();
    }

    /// Says that nothing more will come, and why: the stream is gone, or the store has failed.
    pub fn end(&self, why: Error) {
        let mut state = self.state.lock();
        let ring = if why.is_gone() { std::mem::take(&mut state.ring) } else { Ring::default() };
        state.broken = Some(why);
        let woken = state.waiters.take();
        drop(state);
        drop(ring);
        woken.wake();
    }
}

impl State {
    fn learn(&mut self, head: Head) -> Woken {
        let newer = self.head.as_ref().is_none_or(|known| {
            head.last > known.last
                || (head.last == known.last && known.outcome.is_none() && head.outcome.is_some())
        });
        if !newer {
            return Woken::default();
        }
        self.head = Some(head);
        self.waiters.take()
    }
}

impl Ring {
    /// Adds a run; what has no room any more is given back, to be dropped where no lock is held.
    fn push(&mut self, run: Run, limit: usize) -> Option<Self> {
        let mut old = None;
        // After a hole the older part is of no use: a cursor must not step over what is missing.
        if self
            .runs
            .back()
            .and_then(|run| run.last())
            .is_some_and(|last| Some(last.seq.plus(1)) != run.first().map(|r| r.seq))
        {
            old = Some(std::mem::take(self));
        }
        self.bytes += weight(&run);
        self.runs.push_back(run);
        while self.bytes > limit {
            let Some(run) = self.runs.pop_front() else { break };
            self.bytes -= weight(&run);
        }
        old
    }

    /// Copies what follows `from`, about `most` bytes of it; says whether the ring reaches back so far.
    fn copy(&self, from: Seq, most: usize, into: &mut VecDeque<Run>) -> bool {
        let Some(first) = self.runs.front().and_then(|run| run.first()) else { return false };
        if first.seq > from {
            return false;
        }
        // Nearly every reader is at the end: it has everything but the last run.
        let newest = self.runs.back().and_then(|run| run.first()).is_some_and(|first| first.seq <= from);
        let index = if newest {
            self.runs.len() - 1
        } else {
            // The last run that begins at `from` or before.
            self.runs.partition_point(|run| run.first().is_some_and(|first| first.seq <= from)) - 1
        };
        let mut bytes = 0;
        for run in self.runs.range(index..) {
            if bytes >= most && bytes > 0 {
                break;
            }
            let Some(run) = run.since(from) else { continue };
            // An empty payload is progress too, so that `most` of 1 ends somewhere.
            bytes += run.payload_bytes().max(1);
            into.push_back(run);
        }
        true
    }
}

/// The memory that a run holds, about.
fn weight(run: &Run) -> usize {
    run.payload_bytes() + run.len() * (size_of::<Record>() + crate::frame::OVERHEAD)
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail")
            .field("stream", &self.stream)
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}
