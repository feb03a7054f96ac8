//! Lanes: threads that each serve connections by themselves, one for each core.
//!
//! On a runtime with several workers an event that comes in wakes a second worker, to find out that there is nothing left to do. A connection here stays on one thread, and so does the stream that it begins; what crosses is a
//! reader's wake-up, once for what was appended together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Threads for connections; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Lanes {
    handles: Vec<Handle>,
    next: AtomicUsize,
    _stop: DropGuard,
}

impl Lanes {
    /// So many threads; none means that connections are served on the runtime that accepts them.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let mut handles = Vec::with_capacity(count);
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            let stopped = stop.clone();
            thread::Builder::new().name(format!("perennial-lane-{number}")).spawn(move || {
                runtime.block_on(stopped.cancelled());
                // A read of the log that hangs must not keep the process.
                runtime.shutdown_background();
            })?;
        }
        Ok(Self { handles, next: AtomicUsize::new(0), _stop: stop.drop_guard() })
    }

    /// The one whose turn it is.
    pub(crate) fn next(&self) -> Handle {
        if self.handles.is_empty() {
            return Handle::current();
        }
        self.handles[self.next.fetch_add(1, Ordering::Relaxed) % self.handles.len()].clone()
    }
}
