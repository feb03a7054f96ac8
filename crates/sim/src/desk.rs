//! What all requests share: the mind, the pace, the recordings, the journal, the numbering.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::journal::{Journal, JournalLimits};
use crate::mind::{Mind, digest};
use crate::pace::Pace;
use crate::replay::Recordings;

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) seed: u64,
    pub(crate) pace: Pace,
    pub(crate) mind: Mind,
    pub(crate) recordings: Option<Recordings>,
    pub(crate) journal: Journal,
    pub(crate) started: Instant,
    requests: AtomicU64,
}

impl Desk {
    pub(crate) fn new(seed: u64, pace: Pace, recordings: Option<Recordings>, limits: JournalLimits) -> Self {
        Self {
            seed,
            pace,
            mind: Mind::new(seed),
            recordings,
            journal: Journal::new(limits),
            started: Instant::now(),
            requests: AtomicU64::new(0),
        }
    }

    /// `req_...`, another one for each request, the same ones for the same seed.
    pub(crate) fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        digest::id("req_", digest::siphash(self.seed, number, b"request"))
    }
}
