//! The limits of a log, each with a name.

use std::time::Duration;

/// The most records that one append may have.
pub(crate) const MAX_BATCH_RECORDS: usize = 65_536;

/// The most payload bytes that one append may have: 64 MiB, twice the largest event that the decoder lets through and twice the
/// largest request that the service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxBatchBytes(usize);

/// How many bytes of recent records each live stream keeps in memory for its readers. A reader that falls behind further reads
/// from the store. Default 64 KiB: some seconds of a fast answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RingBytes(usize);

/// How many bytes the log in memory may hold before appends are refused as [full](crate::Error::is_full). Default 512 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryBytes(usize);

/// How much is read in one go: so many bytes of payload, but at least one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadBytes(usize);

/// How many bytes of appends may be on their way into the store; further ones wait before they are taken on. Default 64 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PendingBytes(usize);

/// How much of the disk is left alone: below it only endings are accepted, and no start. Default 128 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReserveBytes(u64);

/// How long a stream is kept after it was made. Default one day, at most 366 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retention(Duration);

impl MaxBatchBytes {
    /// The limit.
    pub const MOST: Self = Self(64 * 1024 * 1024);

    /// The limit in bytes.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

impl Retention {
    /// The longest.
    pub const MOST: Self = Self(Duration::from_secs(366 * 24 * 3600));

    /// A retention of `time`, at least a second and at most [`MOST`](Self::MOST).
    #[must_use]
    pub fn new(time: Duration) -> Self {
        Self(time.clamp(Duration::from_secs(1), Self::MOST.0))
    }

    /// The time.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self(Duration::from_secs(24 * 3600))
    }
}

/// Limits that are plain numbers: a constructor, a getter, a default.
macro_rules! numbers {
    ($($name:ident: $type:ty = $default:expr;)*) => {$(
        impl $name {
            /// A limit of so many bytes.
            #[must_use]
            pub const fn new(bytes: $type) -> Self {
                Self(bytes)
            }

            /// The limit in bytes.
            #[must_use]
            pub const fn get(self) -> $type {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }
    )*};
}

numbers! {
    RingBytes: usize = 64 * 1024;
    MemoryBytes: usize = 512 * 1024 * 1024;
    ReadBytes: usize = 256 * 1024;
    PendingBytes: usize = 64 * 1024 * 1024;
    ReserveBytes: u64 = 128 * 1024 * 1024;
}
