//! The one limit of the decoder: how large an event may grow before it is given up.

use thiserror::Error;

/// The most bytes one event may have, line ends counted as one byte each.
///
/// Memory held by a [`Decoder`](crate::Decoder) never exceeds this by more than one read. The default, 32 MiB, is far above what
/// Claude is known to send in one event (search and fetch results of a few MB) and equals the service's own request limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxEventBytes(usize);

impl MaxEventBytes {
    /// A limit of `bytes`; at least 1.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self(if bytes == 0 { 1 } else { bytes })
    }

    /// The limit in bytes.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

impl Default for MaxEventBytes {
    fn default() -> Self {
        Self::new(32 * 1024 * 1024)
    }
}

/// One event was larger than [`MaxEventBytes`]. It is skipped; the decoder goes on with the next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an event is larger than the limit of {} bytes; raise MaxEventBytes if such events are expected", .limit.get())]
#[non_exhaustive]
pub struct EventTooLarge {
    /// The limit that was exceeded.
    pub limit: MaxEventBytes,
}
