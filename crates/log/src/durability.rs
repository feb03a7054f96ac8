//! What a log survives.

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

/// When a record counts as written, and so may be seen: what the log survives.
///
/// | setting | survives | may lose |
/// |---|---|---|
/// | `memory` | nothing | everything, with the process |
/// | `process` | the end of the process, `kill -9` included | after a power cut or a crash of the system: what was written in the last 200 ms and the time of one sync |
/// | `always` | power cuts too | nothing that was acknowledged |
///
/// Takeovers and deletions are synced in `process` too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// In this process's memory only.
    Memory,
    /// Handed to the operating system before it is visible, synced in the background.
    #[default]
    Process,
    /// Synced before it is visible.
    Always,
}

/// A text that is not a durability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("durability is `memory`, `process` or `always`")]
#[non_exhaustive]
pub struct InvalidDurability;

impl Durability {
    /// How often `process` syncs.
    pub const SYNC_EVERY: Duration = Duration::from_millis(200);
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Process => "process",
            Self::Always => "always",
        })
    }
}

impl FromStr for Durability {
    type Err = InvalidDurability;

    fn from_str(text: &str) -> Result<Self, InvalidDurability> {
        match text {
            "memory" => Ok(Self::Memory),
            "process" => Ok(Self::Process),
            "always" => Ok(Self::Always),
            _ => Err(InvalidDurability),
        }
    }
}
