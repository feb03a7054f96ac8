//! The growing end of a stream in memory: its head, and a ring of recent records that all readers share.
//!
//! A reader is a cursor that pulls: it costs a receiver, never a queue, and a slow one delays nobody. Whoever falls out of the
//! ring reads from the store. Runs are shared as they were appended; nothing is copied for a reader.

use std::{collections::VecDeque, fmt, sync::Arc};

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::{Error, Head, Record, RingBytes, Run, Seq, StreamId};

/// The growing end of a stream, as a store keeps it for the readers of one process.
pub struct Tail {
    stream: StreamId,
    state: watch::Sender<State>,
    ring: RwLock<Ring>,
    limit: RingBytes,
}

/// What readers wait on.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) head: Option<Head>,
    /// Why nothing more comes, other than the stream's end.
    pub(crate) broken: Option<Error>,
}

#[derive(Default)]
struct Ring {
    runs: VecDeque<Run>,
    bytes: usize,
}

impl Tail {
    /// A tail that knows nothing yet.
    #[must_use]
    pub fn new(stream: StreamId, limit: RingBytes) -> Arc<Self> {
        Arc::new(Self { stream, state: watch::Sender::default(), ring: RwLock::default(), limit })
    }

    /// The stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// The newest head, once there is one.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.state.borrow().head.clone()
    }

    /// What of the ring follows `from`: empty if nothing does, `None` if the ring does not reach back so far.
    #[must_use]
    pub fn recent(&self, from: Seq, most: usize) -> Option<Vec<Run>> {
        let ring = self.ring.read();
        if ring.runs.front()?.first()?.seq > from {
            return None;
        }
        // The last run that begins at `from` or before.
        let index = ring.runs.partition_point(|run| run.first().is_some_and(|first| first.seq <= from)) - 1;
        let mut bytes = 0;
        let mut runs = Vec::new();
        for run in ring.runs.range(index..) {
            if bytes >= most && !runs.is_empty() {
                break;
            }
            let Some(run) = run.since(from) else { continue };
            bytes += run.payload_bytes();
            runs.push(run);
        }
        Some(runs)
    }

    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }
}

/// For stores.
impl Tail {
    /// Says that the stream has grown by `run` and has this head now. The records must be durable already, and follow the last
    /// ones that were published.
    pub fn publish(&self, head: Head, run: Run) {
        self.ring.write().push(run, self.limit.get());
        self.learn(head);
    }

    /// Says what the head is, without records; an older one than is known is ignored.
    pub fn learn(&self, head: Head) {
        self.state.send_if_modified(|state| {
            let newer = state.head.as_ref().is_none_or(|known| {
                head.last > known.last
                    || (head.last == known.last && known.outcome.is_none() && head.outcome.is_some())
            });
            if newer {
                state.head = Some(head);
            }
            newer
        });
    }

    /// Says that nothing more will come, and why: the stream is gone, or the store has failed.
    pub fn end(&self, why: Error) {
        if why.is_gone() {
            *self.ring.write() = Ring::default();
        }
        self.state.send_modify(|state| state.broken = Some(why));
    }
}

impl Ring {
    fn push(&mut self, run: Run, limit: usize) {
        // After a hole the older part is of no use: a cursor must not step over what is missing.
        if self
            .runs
            .back()
            .and_then(|run| run.last())
            .is_some_and(|last| Some(last.seq.plus(1)) != run.first().map(|r| r.seq))
        {
            *self = Self::default();
        }
        self.bytes += weight(&run);
        self.runs.push_back(run);
        while self.bytes > limit {
            let Some(old) = self.runs.pop_front() else { break };
            self.bytes -= weight(&old);
        }
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
