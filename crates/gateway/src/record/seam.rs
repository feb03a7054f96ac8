//! The note about a seam: where the texts of two attempts are joined, and how that was proven.

use perennial_log::{Entry, Kind};
use serde::{Deserialize, Serialize};

/// A seam.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SeamNote {
    /// The attempt that goes on.
    pub(crate) attempt: u32,
    /// What became of the one before it.
    pub(crate) reason: String,
    /// How the rest was come by: `restart`, `prefill`, `quote` or `finish`.
    pub(crate) mode: String,
    /// Bytes of text that readers had.
    pub(crate) cut: u64,
    /// Bytes of text that were said again, which is the proof, and left out.
    pub(crate) overlap: u64,
}

impl SeamNote {
    pub(crate) fn entry(&self) -> Entry {
        Entry::new(Kind::Seam, serde_json::to_vec(self).unwrap_or_default())
    }

    /// What a record says; nothing where another version wrote it.
    pub(crate) fn decode(payload: &[u8]) -> Self {
        serde_json::from_slice(payload).unwrap_or_default()
    }

    /// Whether another attempt went on in the middle of the answer.
    pub(crate) fn is_hop(&self) -> bool {
        matches!(&*self.mode, "prefill" | "quote")
    }
}
