//! What all requests share: the mind, the pace, the recordings, the scenario, the journal, the counts.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use crate::batches::Batches;
use crate::journal::Journal;
use crate::mind::{Mind, digest};
use crate::pace::Pace;
use crate::replay::Recordings;
use crate::scenario::Scenario;

/// Requests whose attempts are counted; beyond, the oldest count is forgotten.
const MOST_COUNTED: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) seed: u64,
    pub(crate) pace: Pace,
    /// Orders for every request, before all others.
    pub(crate) orders: String,
    pub(crate) mind: Mind,
    pub(crate) recordings: Option<Recordings>,
    pub(crate) scenario: Scenario,
    pub(crate) journal: Journal,
    pub(crate) batches: Batches,
    pub(crate) started: Instant,
    requests: AtomicU64,
    armed: Mutex<Vec<Armed>>,
    attempts: Mutex<Attempts>,
}

/// Orders of an admin call, for requests to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Armed {
    pub(crate) orders: String,
    /// Requests that it is still for; `None` is until it is taken back.
    pub(crate) left: Option<u64>,
}

#[derive(Debug, Default)]
struct Attempts {
    counts: HashMap<u64, u64>,
    oldest: VecDeque<u64>,
}

impl Desk {
    pub(crate) fn new(
        seed: u64,
        pace: Pace,
        orders: String,
        recordings: Option<Recordings>,
        scenario: Scenario,
        journal: Journal,
    ) -> Self {
        Self {
            seed,
            pace,
            orders,
            mind: Mind::new(seed).since(Timestamp::now()),
            recordings,
            scenario,
            journal,
            batches: Batches::default(),
            started: Instant::now(),
            requests: AtomicU64::new(0),
            armed: Mutex::default(),
            attempts: Mutex::default(),
        }
    }

    /// `req_...`, another one for each request, the same ones for the same seed.
    pub(crate) fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        digest::id("req_", digest::siphash(self.seed, number, b"request"))
    }

    /// How many attempts there were before, of the request with this key.
    pub(crate) fn attempt(&self, key: u64) -> u64 {
        let mut attempts = self.attempts.lock();
        if let Some(count) = attempts.counts.get_mut(&key) {
            *count += 1;
            return *count - 1;
        }
        if attempts.oldest.len() >= MOST_COUNTED
            && let Some(oldest) = attempts.oldest.pop_front()
        {
            attempts.counts.remove(&oldest);
        }
        attempts.oldest.push_back(key);
        attempts.counts.insert(key, 1);
        0
    }

    pub(crate) fn arm(&self, armed: Armed) {
        self.armed.lock().push(armed);
    }

    pub(crate) fn armed(&self) -> Vec<Armed> {
        self.armed.lock().clone()
    }

    pub(crate) fn disarm(&self) {
        self.armed.lock().clear();
    }

    /// The armed orders for one request, which uses them up.
    pub(crate) fn take_armed(&self) -> Vec<String> {
        let mut armed = self.armed.lock();
        let lines = armed.iter().map(|armed| armed.orders.clone()).collect();
        for armed in armed.iter_mut() {
            armed.left = armed.left.map(|left| left.saturating_sub(1));
        }
        armed.retain(|armed| armed.left != Some(0));
        lines
    }
}
