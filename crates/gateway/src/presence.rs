//! Who reads a stream that runs here: how many there are, and who is to know when that changes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use perennial_log::StreamId;

use crate::limits::MaxReaders;

/// The readers of a stream.
#[derive(Debug)]
pub(crate) struct Readers {
    stream: StreamId,
    number: AtomicUsize,
    watcher: AtomicWaker,
}

/// A reader's presence; it ends when this is dropped.
pub(crate) struct Presence(Arc<Readers>);

impl Readers {
    /// Nobody.
    pub(crate) fn of(stream: StreamId) -> Arc<Self> {
        Arc::new(Self { stream, number: AtomicUsize::new(0), watcher: AtomicWaker::new() })
    }

    /// Adds a reader; `None` where there are too many.
    pub(crate) fn enter(self: &Arc<Self>, limit: MaxReaders) -> Option<Presence> {
        let before = self.number.fetch_add(1, Ordering::AcqRel);
        let presence = Presence(Arc::clone(self));
        if before == 0 {
            self.wake();
        }
        (before < limit.0).then_some(presence)
    }

    pub(crate) fn number(&self) -> usize {
        self.number.load(Ordering::Acquire)
    }

    /// The one that wants to know when the first comes and when the last leaves.
    pub(crate) fn watched_by(&self, waker: &Waker) {
        self.watcher.register(waker);
    }

    /// Wakes it.
    pub(crate) fn wake(&self) {
        self.watcher.wake();
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if self.0.number.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.wake();
        }
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presence({})", self.0.stream)
    }
}
