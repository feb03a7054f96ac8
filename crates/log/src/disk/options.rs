//! Settings of the log on disk.

use crate::{Clock, PendingBytes, ReserveBytes, Retention, RingBytes};

/// Settings of a [`DiskLog`](crate::DiskLog).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DiskOptions {
    /// Sync before a record is visible ([`Durability::Always`](crate::Durability::Always)) instead of in the background
    /// ([`Durability::Process`](crate::Durability::Process), the default).
    pub always_sync: bool,
    /// How long streams are kept.
    pub retention: Retention,
    /// How much of each live stream is kept in memory for its readers.
    pub ring: RingBytes,
    /// How much may wait to be written.
    pub pending: PendingBytes,
    /// How much of the disk is left alone.
    pub reserve: ReserveBytes,
    /// Where the time comes from.
    pub clock: Clock,
    /// Files whose names begin with one of these may be in the directory before a log is; without any it must be empty.
    pub neighbours: &'static [&'static str],
}

impl DiskOptions {
    /// The default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to sync before a record is visible.
    #[must_use]
    pub fn always_sync(mut self, always: bool) -> Self {
        self.always_sync = always;
        self
    }

    /// How long streams are kept.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// How much of each live stream is kept in memory for its readers.
    #[must_use]
    pub fn ring(mut self, ring: RingBytes) -> Self {
        self.ring = ring;
        self
    }

    /// How much may wait to be written.
    #[must_use]
    pub fn pending(mut self, pending: PendingBytes) -> Self {
        self.pending = pending;
        self
    }

    /// How much of the disk is left alone.
    #[must_use]
    pub fn reserve(mut self, reserve: ReserveBytes) -> Self {
        self.reserve = reserve;
        self
    }

    /// How the names of files begin that may be in the directory before a log is.
    #[must_use]
    pub fn neighbours(mut self, names: &'static [&'static str]) -> Self {
        self.neighbours = names;
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}
