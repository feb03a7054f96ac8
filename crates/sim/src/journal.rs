//! What the simulator was asked, what it sent, what that would have been billed, and when the client left.
//!
//! The oracle of tests: it sees the connection from the side that gets paid. Bounded in entries and in bytes of content; the
//! oldest entries go first. It never holds an API key, only a fingerprint that tells keys apart.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::frame::{Frame, Piece};
use crate::mind::digest;

/// How much a journal keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// Requests.
    pub entries: usize,
    /// Bytes of content kept of one answer; what was sent beyond is counted but not kept.
    pub content_bytes: usize,
}

impl Default for JournalLimits {
    /// A thousand requests, 512 KiB of content each.
    fn default() -> Self {
        Self { entries: 1_000, content_bytes: 512 * 1024 }
    }
}

/// The journal of one simulator. Clones show the same entries.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    limits: JournalLimits,
    entries: Mutex<VecDeque<Arc<Mutex<Entry>>>>,
    next: AtomicU64,
    changed: Notify,
}

/// One request and what became of it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// 1, 2, 3, ... in the order of arrival.
    pub number: u64,
    /// When the request's head had arrived.
    pub at: Timestamp,
    /// `POST`
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case, in the order received. Credentials are fingerprints.
    pub headers: Vec<(String, String)>,
    /// Fingerprint of the API key; `None` where there was none.
    pub key: Option<String>,
    /// Size of the request's body as received.
    pub request_bytes: u64,
    /// Fingerprint of the request's body: equal bodies have equal ones.
    pub request_digest: Option<String>,
    /// `model` of the request.
    pub model: Option<String>,
    /// Whether the request asked for a stream.
    pub stream: bool,
    /// The `request-id` that the response carried.
    pub request_id: String,
    /// The id of the message that was answered.
    pub message_id: Option<String>,
    /// The HTTP status, once the response was ready.
    pub status: Option<u16>,
    /// The faults that were in force, in the words of their grammar; empty for none.
    pub faults: String,
    /// How far it is, or was when it ended.
    pub phase: Phase,
    /// How it ended.
    pub outcome: Outcome,
    /// Events handed to the connection, pings included.
    pub events: u64,
    /// Pings among them that were sent in silence, which the answer itself does not have.
    pub silent_pings: u64,
    /// Bytes of the body handed to the connection.
    pub bytes: u64,
    /// What these bytes said, block by block.
    pub content: Vec<Written>,
    /// Whether [`JournalLimits::content_bytes`] cut `content`.
    pub content_cut: bool,
    /// What the real service would bill.
    pub billed: Billed,
    /// From the request to the first byte of the body, in milliseconds.
    pub first_byte_ms: Option<f64>,
    /// From the request to the end, in milliseconds.
    pub ended_ms: Option<f64>,
}

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// The body of the request is being read.
    Request,
    /// The request is read, the response has not begun.
    BeforeHeaders,
    /// The response has begun, no content yet.
    BeforeContent,
    /// Content is being sent.
    Content,
    /// Everything was sent, `message_stop` included.
    AfterEnd,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Not yet.
    Running,
    /// Answered to the end.
    Completed,
    /// Answered with an error status.
    Refused,
    /// Ended early, by a fault that was asked for.
    Faulted,
    /// The client left early.
    ClientLeft,
    /// The simulator was stopped.
    Stopped,
}

/// The content that was sent of one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Written {
    /// Index of the block.
    pub index: u64,
    /// `text`, `thinking` or `input`.
    pub kind: &'static str,
    /// The deltas, joined.
    pub text: String,
}

/// Tokens, by price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Billed {
    /// Neither read from nor written to the cache.
    pub input_tokens: u64,
    /// Written to the cache for five minutes.
    pub cache_creation_5m: u64,
    /// Written to the cache for an hour.
    pub cache_creation_1h: u64,
    /// Read from the cache.
    pub cache_read: u64,
    /// Generated so far: of an answer that was cut, those up to the cut.
    pub output_tokens: u64,
}

impl Journal {
    /// An empty journal.
    #[must_use]
    pub fn new(limits: JournalLimits) -> Self {
        Self { shared: Arc::new(Shared { limits, ..Shared::default() }) }
    }

    /// The entries, oldest first, as they are now.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let entries: Vec<_> = self.shared.entries.lock().iter().cloned().collect();
        entries.iter().map(|entry| entry.lock().clone()).collect()
    }

    /// The entry with this number, where it is still kept.
    #[must_use]
    pub fn entry(&self, number: u64) -> Option<Entry> {
        let entries = self.shared.entries.lock();
        entries
            .iter()
            .map(|entry| entry.lock())
            .find(|entry| entry.number == number)
            .map(|entry| entry.clone())
    }

    /// Forgets all entries; numbers go on. Requests that are being answered stay away too.
    pub fn clear(&self) {
        self.shared.entries.lock().clear();
        self.shared.changed.notify_waiters();
    }

    /// Waits until an entry is as wanted, and gives it. Without an end of its own: put a `timeout` around it.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&Entry) -> bool) -> Entry {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            // Registered before looking, so that a change between the look and the wait is not missed.
            changed.as_mut().enable();
            if let Some(entry) = self.find(&mut wanted) {
                return entry;
            }
            changed.await;
        }
    }

    /// Ends all entries that are not over: the simulator stops.
    pub(crate) fn stop(&self) {
        for entry in self.shared.entries.lock().iter() {
            let mut entry = entry.lock();
            if entry.outcome == Outcome::Running {
                entry.outcome = Outcome::Stopped;
            }
        }
        self.shared.changed.notify_waiters();
    }

    fn find(&self, wanted: &mut impl FnMut(&Entry) -> bool) -> Option<Entry> {
        let entries = self.shared.entries.lock();
        entries.iter().map(|entry| entry.lock()).find(|entry| wanted(entry)).map(|entry| entry.clone())
    }

    /// Opens an entry; `fill` says what is known of the request.
    pub(crate) fn open(&self, method: &str, path: &str, request_id: String) -> Recording {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed) + 1;
        let entry = Entry {
            number,
            at: Timestamp::now(),
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            key: None,
            request_bytes: 0,
            request_digest: None,
            model: None,
            stream: false,
            request_id,
            message_id: None,
            status: None,
            faults: String::new(),
            phase: Phase::Request,
            outcome: Outcome::Running,
            events: 0,
            silent_pings: 0,
            bytes: 0,
            content: Vec::new(),
            content_cut: false,
            billed: Billed::default(),
            first_byte_ms: None,
            ended_ms: None,
        };
        let entry = Arc::new(Mutex::new(entry));
        let mut entries = self.shared.entries.lock();
        while entries.len() >= self.shared.limits.entries.max(1) {
            entries.pop_front();
        }
        entries.push_back(Arc::clone(&entry));
        drop(entries);
        let recording = Recording {
            entry,
            shared: Arc::clone(&self.shared),
            started: Instant::now(),
            content_left: self.shared.limits.content_bytes,
            output_total: None,
        };
        self.shared.changed.notify_waiters();
        recording
    }
}

/// The open end of an entry. Dropped before it was told an outcome, it records that the client left: the server drops the
/// response of a connection the moment it sees the connection close, in whatever phase.
#[derive(Debug)]
pub(crate) struct Recording {
    entry: Arc<Mutex<Entry>>,
    shared: Arc<Shared>,
    started: Instant,
    content_left: usize,
    /// What the answer costs at its end.
    output_total: Option<u64>,
}

impl Recording {
    pub(crate) fn note(&self, change: impl FnOnce(&mut Entry)) {
        change(&mut self.entry.lock());
        self.shared.changed.notify_waiters();
    }

    /// What the answer will cost. The input is billed at once, the output as it is generated.
    pub(crate) fn will_bill(&mut self, usage: &crate::answer::Usage) {
        self.output_total = Some(usage.output_tokens);
        self.note(|entry| {
            entry.billed = Billed {
                input_tokens: usage.final_input_tokens.unwrap_or(usage.input_tokens),
                cache_creation_5m: usage.cache_creation_5m,
                cache_creation_1h: usage.cache_creation_1h,
                cache_read: usage.cache_read,
                output_tokens: 0,
            };
        });
    }

    /// The whole output was generated, in one piece.
    pub(crate) fn billed_whole(&self) {
        self.note(|entry| {
            entry.billed.output_tokens = self.output_total.unwrap_or(entry.billed.output_tokens);
        });
    }

    /// `frame` was generated: it is billed from here on, whether or not it still gets out.
    pub(crate) fn generated(&self, frame: &Frame) {
        let mut entry = self.entry.lock();
        entry.billed.output_tokens = frame.total.unwrap_or(entry.billed.output_tokens + frame.tokens);
    }

    /// `frame` was handed to the connection.
    pub(crate) fn sent(&mut self, frame: &Frame) {
        let elapsed = self.elapsed_ms();
        let mut entry = self.entry.lock();
        entry.events += u64::from(!frame.name.is_empty());
        entry.bytes += frame.bytes.len() as u64;
        entry.first_byte_ms.get_or_insert(elapsed);
        let phase = match &*frame.name {
            "message_stop" => Phase::AfterEnd,
            "content_block_start" | "content_block_delta" => Phase::Content,
            _ => Phase::BeforeContent,
        };
        entry.phase = entry.phase.max(phase);
        if let Some(piece) = &frame.piece {
            keep(&mut entry, piece, &mut self.content_left);
        }
        drop(entry);
        self.shared.changed.notify_waiters();
    }

    /// The end; the first one told counts.
    pub(crate) fn ended(&self, outcome: Outcome) {
        let elapsed = self.elapsed_ms();
        self.note(|entry| {
            if entry.outcome == Outcome::Running {
                entry.outcome = outcome;
                entry.ended_ms = Some(elapsed);
            }
        });
    }

    fn elapsed_ms(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * Duration::from_secs(1).as_millis() as f64
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let done = self.entry.lock().phase == Phase::AfterEnd;
        self.ended(if done { Outcome::Completed } else { Outcome::ClientLeft });
    }
}

/// A short text that is equal for equal bytes and tells nothing about them.
pub(crate) fn fingerprint(seed: u64, bytes: &[u8]) -> String {
    format!("{:016x}", digest::siphash(seed, 0x6a6f_7572_6e61_6c00, bytes))
}

fn keep(entry: &mut Entry, piece: &Piece, left: &mut usize) {
    if piece.text.len() > *left {
        *left = 0;
        entry.content_cut = true;
        return;
    }
    *left -= piece.text.len();
    match entry.content.last_mut() {
        Some(last) if (last.index, last.kind) == (piece.index, piece.kind) => last.text.push_str(&piece.text),
        _ => entry.content.push(Written { index: piece.index, kind: piece.kind, text: piece.text.clone() }),
    }
}

impl Entry {
    /// The text that was sent, of all text blocks.
    #[must_use]
    pub fn text(&self) -> String {
        self.content
            .iter()
            .filter(|written| written.kind == "text")
            .map(|written| written.text.as_str())
            .collect()
    }

    /// Whether it is over, one way or the other.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.outcome != Outcome::Running
    }
}
