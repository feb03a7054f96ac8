//! Idempotency keys: which request of which caller made which stream.
//!
//! The log is the truth: the key stands, hashed, in the stream's first record, and is there exactly if the stream is. What is here is an index over it,
//! made anew when the first key is asked for.

use std::collections::HashMap;

use bytes::Bytes;
use http::HeaderValue;
use perennial_log::{Head, StreamId, Time};
use perennial_protocol::ErrorKind;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, MutexGuard};

use super::lookup;
use crate::access::Owner;
use crate::record::Idempotency;
use crate::refusal::Refusal;
use crate::service::Service;

const PAGE: usize = 256;
/// The index is swept of what has expired when it has doubled since the last time, but not before it has so many entries.
const SWEPT_FROM: usize = 1024;

/// The index.
#[derive(Debug, Default)]
pub(crate) struct IdempotencyKeys {
    index: Mutex<Option<Index>>,
}

#[derive(Debug, Default)]
struct Index {
    made: HashMap<String, Made>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Made {
    request: String,
    stream: StreamId,
    expires: Time,
}

/// The index, held.
pub(crate) struct Keys<'a>(MutexGuard<'a, Option<Index>>);

/// A request that may have been made before.
#[derive(Debug)]
pub(crate) struct Repeated {
    key: String,
    request: String,
    /// The stream that it made then.
    pub(crate) stream: Option<StreamId>,
}

impl IdempotencyKeys {
    pub(crate) async fn lock(&self, service: &Service) -> Result<Keys<'_>, Refusal> {
        let mut index = self.index.lock().await;
        if index.is_none() {
            *index = Some(Index::read(service).await.map_err(|error| Refusal::of_log(&error))?);
        }
        Ok(Keys(index))
    }
}

impl Index {
    /// All keys that are in the log.
    async fn read(service: &Service) -> Result<Self, perennial_log::Error> {
        let mut index = Self { sweep_at: SWEPT_FROM, ..Self::default() };
        let mut before = None;
        loop {
            let page = service.log.list(before, PAGE).await?;
            for head in &page.heads {
                if let Some(order) = lookup::order(service, head.stream).await?
                    && let Some(Idempotency { key, request }) = order.idempotency
                {
                    index.add(key, request, head);
                }
            }
            before = page.next;
            if before.is_none() {
                return Ok(index);
            }
        }
    }

    fn add(&mut self, key: String, request: String, head: &Head) {
        self.made.insert(key, Made { request, stream: head.stream, expires: head.expires });
    }
}

impl Keys<'_> {
    /// What `key` of `owner` made, if it made something and that still is.
    ///
    /// Errors: the key is none; it was used for another request.
    pub(crate) fn look(
        &mut self,
        owner: &Owner,
        key: &HeaderValue,
        body: &Bytes,
    ) -> Result<Repeated, Refusal> {
        let text = key.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
        let text = text.ok_or_else(|| Refusal::invalid("Idempotency-Key: 1 to 255 visible characters"))?;
        let key = hash(&[owner.name().as_bytes(), b"\0", text.as_bytes()]);
        let request = hash(&[body]);
        let index = self.0.get_or_insert_default();
        let made = index.made.get(&key).filter(|made| made.expires > Time::now());
        if made.is_some_and(|made| made.request != request) {
            let message = "this Idempotency-Key was used for another body: use a new key for a new request";
            return Err(Refusal::new(409, ErrorKind::Conflict, message));
        }
        let stream = made.map(|made| made.stream);
        Ok(Repeated { key, request, stream })
    }

    pub(crate) fn remember(&mut self, repeated: Repeated, head: &Head) {
        let index = self.0.get_or_insert_default();
        if index.made.len() >= index.sweep_at.max(SWEPT_FROM) {
            let now = Time::now();
            index.made.retain(|_, made| made.expires > now);
            index.sweep_at = 2 * index.made.len();
        }
        index.add(repeated.key, repeated.request, head);
    }
}

impl IdempotencyKeys {
    /// A stream was deleted: its key may be used again.
    pub(crate) async fn forget(&self, stream: StreamId) {
        if let Some(index) = self.index.lock().await.as_mut() {
            index.made.retain(|_, made| made.stream != stream);
        }
    }
}

impl Repeated {
    pub(crate) fn as_order(&self) -> Idempotency {
        Idempotency { key: self.key.clone(), request: self.request.clone() }
    }
}

fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
