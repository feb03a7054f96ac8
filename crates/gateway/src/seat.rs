//! A connection's seat: it counts among the gateway's connections until it is closed, also where it does not speak HTTP any more.
//!
//! What becomes of a connection after an upgrade is nothing that the server sees; its seat is what the server waits for.

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A connection's seat, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    _permit: OwnedSemaphorePermit,
    /// The server waits for those who hold one.
    _waited_for: TaskTrackerToken,
    /// The server waits no longer: whoever is still here closes.
    pub(crate) over: CancellationToken,
}

impl Seat {
    pub(crate) fn new(
        permit: OwnedSemaphorePermit,
        waited_for: TaskTrackerToken,
        over: CancellationToken,
    ) -> Self {
        Self { _permit: permit, _waited_for: waited_for, over }
    }
}
