//! The cache: which stream of the log answered which request.
//!
//! Only names of streams are kept here; the answers are in the log, for as long as it keeps them, and are read from it as they were. A key belongs to an
//! owner: nobody is answered with what another was told.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use perennial_log::{After, Kind, Log, Outcome, Reader, StreamId, Time};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::KeptBody;
use crate::record::Order;

/// How many answers are remembered; the oldest is forgotten for a new one. 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxCachedAnswers(pub usize);

/// The largest answer that stands in for another, in bytes of its events. 4 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxCachedBytes(pub usize);

/// Which answers may stand in for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachePolicy {
    /// How old an answer may be. 1 h.
    pub max_age: Duration,
    /// See [`MaxCachedAnswers`].
    pub answers: MaxCachedAnswers,
    /// See [`MaxCachedBytes`].
    pub bytes: MaxCachedBytes,
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(3600),
            answers: MaxCachedAnswers(10_000),
            bytes: MaxCachedBytes(4 * 1024 * 1024),
        }
    }
}

/// Events follow each other as they once did, but nobody waits for a pause of then.
const LONGEST_GAP: Duration = Duration::from_millis(100);

/// One request of one owner, by its hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey([u8; 32]);

/// Which stream answered which request.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    policy: CachePolicy,
    answers: Arc<Mutex<HashMap<CacheKey, (StreamId, Instant)>>>,
}

impl CacheKey {
    pub(crate) fn of(order: &Order) -> Self {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(order.owner.name().as_bytes());
        part(order.path.as_bytes());
        for (name, value) in super::telling(&order.headers) {
            part(name.as_bytes());
            part(value);
        }
        part(&order.body);
        Self(hash.finalize().into())
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheKey")
    }
}

impl Cache {
    pub(crate) fn new(policy: CachePolicy) -> Self {
        Self { policy, answers: Arc::default() }
    }

    /// The same answers under another policy.
    pub(crate) fn under(&self, policy: CachePolicy) -> Self {
        Self { policy, answers: Arc::clone(&self.answers) }
    }

    /// Remembers that this stream is a whole answer.
    pub(crate) fn remember(&self, key: CacheKey, stream: StreamId) {
        let now = Instant::now();
        let mut answers = self.answers.lock();
        if answers.len() >= self.policy.answers.0 && !answers.contains_key(&key) {
            answers.retain(|_, (_, since)| now.saturating_duration_since(*since) < self.policy.max_age);
            // More than one where the policy was changed for one that allows fewer.
            while answers.len() >= self.policy.answers.0.max(1) {
                let oldest = answers.iter().min_by_key(|(_, (_, since))| *since).map(|(key, _)| *key);
                oldest.and_then(|oldest| answers.remove(&oldest));
            }
        }
        answers.insert(key, (stream, now));
    }

    /// The answer to the same request, if the log still has it.
    pub(crate) async fn answer(&self, log: &Arc<dyn Log>, key: CacheKey) -> Option<KeptBody> {
        let (stream, since) = *self.answers.lock().get(&key)?;
        if since.elapsed() > self.policy.max_age {
            return None;
        }
        let mut reader = Reader::attach(log, stream, After::Start).await.ok()?;
        let mut frames = Vec::new();
        let (mut bytes, mut before) = (0, None::<Time>);
        while let Ok(Some(run)) = reader.next().await {
            for record in &run {
                if record.kind == Kind::Event {
                    bytes += record.payload.len();
                    let gap = before.map_or(Duration::ZERO, |before| record.time.since(before));
                    before = Some(record.time);
                    frames.push((gap.min(LONGEST_GAP), record.payload.clone()));
                }
                if bytes > self.policy.bytes.0
                    || record.outcome().is_some_and(|end| end != Outcome::Completed)
                {
                    return None;
                }
            }
        }
        Some(KeptBody::new(frames))
    }
}
