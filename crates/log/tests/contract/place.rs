//! Where a store is opened, again and again, and by which clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use perennial_log::{
    Clock, DiskLog, DiskOptions, Entry, Error, Kind, Log, MemoryLog, MemoryOptions, Outcome, Reader, Record,
    ReserveBytes, Retention, RingBytes, StreamId, Time, Writer,
};
use tempfile::TempDir;

/// The retention of all logs here.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct Place {
    directory: Option<TempDir>,
    always: bool,
    now: Arc<AtomicU64>,
}

impl Place {
    pub(crate) fn memory() -> Self {
        Self { directory: None, always: false, now: Arc::new(AtomicU64::new(1_760_000_000_000_000)) }
    }

    pub(crate) fn disk(always: bool) -> Self {
        Self { directory: Some(tempfile::tempdir().unwrap()), always, ..Self::memory() }
    }

    /// Does a log here survive its process?
    pub(crate) fn is_durable(&self) -> bool {
        self.directory.is_some()
    }

    pub(crate) async fn open(&self) -> Arc<dyn Log> {
        let (clock, ring, retention) = (self.clock(), RingBytes::new(4096), Retention::new(KEPT));
        match &self.directory {
            None => {
                Arc::new(MemoryLog::new(MemoryOptions { ring, retention, clock, ..MemoryOptions::default() }))
            }
            Some(directory) => {
                let options =
                    DiskOptions::new().clock(clock).ring(ring).retention(retention).always_sync(self.always);
                Arc::new(
                    DiskLog::open(directory.path(), options.reserve(ReserveBytes::new(0))).await.unwrap(),
                )
            }
        }
    }

    pub(crate) async fn reopen(&self, log: Arc<dyn Log>) -> Arc<dyn Log> {
        log.close().await.unwrap();
        self.open().await
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_micros(self.now.load(Ordering::SeqCst))
    }

    /// Sets the clock, forwards or back.
    pub(crate) fn set(&self, now: Time) {
        self.now.store(now.as_micros(), Ordering::SeqCst);
    }

    /// A fresh name.
    pub(crate) fn name(&self) -> StreamId {
        StreamId::at(self.now())
    }

    /// A writer of a new stream that has its request.
    pub(crate) async fn writer(&self, log: &Arc<dyn Log>) -> Writer {
        Writer::create(log, self.name(), None, &[request()]).await.unwrap()
    }

    fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Clock::new(move || Time::from_micros(now.load(Ordering::SeqCst)))
    }
}

pub(crate) fn request() -> Entry {
    Entry::new(Kind::Request, "{\"model\":\"claude\"}")
}

/// An event with a payload that tells it from others.
pub(crate) fn event(number: usize) -> Entry {
    Entry::event(format!("event: content_block_delta\ndata: {{\"number\":{number}}}\n\n"))
}

pub(crate) fn end() -> Entry {
    Entry::terminal(Outcome::Completed, "{}")
}

/// All records of an ended stream, or what is there of one that goes on.
pub(crate) async fn records(log: &Arc<dyn Log>, stream: StreamId, after: &str) -> Result<Vec<Record>, Error> {
    let head = log.head(stream).await?;
    let mut reader = Reader::attach(log, stream, after.parse().unwrap()).await?;
    let mut records = Vec::new();
    while reader.position() <= head.last
        && let Some(run) = reader.next().await?
    {
        records.extend_from_slice(&run);
    }
    Ok(records)
}
