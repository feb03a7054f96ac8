//! The way of rows to the database: never waited for, never lost without a word.
//!
//! A row is put into memory and written with those beside it, many in one transaction. While the database does not answer, rows wait; when
//! too many wait, no new stream begins ([`Queue::admits`]), which bounds the memory by what already runs. Nothing is thrown away: a row that
//! cannot be written before the end is written to the log, in full.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::denied::{Denied, Why};
use crate::error::{Error, Result};
use crate::row::Row;

/// How many rows may wait for the database before no new stream begins. 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxUnwritten(pub usize);

impl Default for MaxUnwritten {
    fn default() -> Self {
        Self(10_000)
    }
}

/// When a client may ask again that found the ledger behind.
const BEHIND: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    max: MaxUnwritten,
    /// A row came, or somebody waits for those that are there.
    pub(crate) work: Notify,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Default)]
struct Waiting {
    rows: VecDeque<Row>,
    /// How many ever came.
    came: u64,
    /// Nobody writes any more.
    is_closed: bool,
}

#[derive(Clone, Debug, Default)]
struct Progress {
    written: u64,
    failures: u64,
    last_failure: String,
}

impl Queue {
    pub(crate) fn new(max: MaxUnwritten) -> Self {
        let (progress, _) = watch::channel(Progress::default());
        Self { waiting: Mutex::default(), max, work: Notify::new(), progress }
    }

    /// Whether a new stream may begin.
    pub(crate) fn admits(&self) -> Result<(), Denied> {
        if self.waiting.lock().rows.len() < self.max.0 {
            return Ok(());
        }
        let message = "the gateway's ledger is behind: what is spent cannot be written down; try again soon";
        Err(Denied::for_now(Why::Behind, message, BEHIND))
    }

    pub(crate) fn push(&self, row: Row) {
        let mut waiting = self.waiting.lock();
        if waiting.is_closed {
            drop(waiting);
            in_words(&row, "the ledger is closed");
            return;
        }
        waiting.came += 1;
        waiting.rows.push_back(row);
        drop(waiting);
        self.work.notify_one();
    }

    /// Up to so many rows, which stay in the queue until they are [done](Self::done).
    pub(crate) fn first(&self, most: usize) -> Vec<Row> {
        self.waiting.lock().rows.iter().take(most).cloned().collect()
    }

    pub(crate) fn done(&self, count: usize) {
        self.waiting.lock().rows.drain(..count);
        self.progress.send_modify(|progress| progress.written += count as u64);
    }

    pub(crate) fn failed(&self, error: &Error) {
        self.progress.send_modify(|progress| {
            progress.failures += 1;
            progress.last_failure = error.to_string();
        });
    }

    /// How many rows wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().rows.len()
    }

    /// Ready when all that had come when this was called is in the database.
    pub(crate) async fn flushed(&self) -> Result<()> {
        let mut progress = self.progress.subscribe();
        let came = self.waiting.lock().came;
        let failures = progress.borrow().failures;
        self.work.notify_one();
        let reached = |progress: &Progress| progress.written >= came || progress.failures > failures;
        let reached = progress.wait_for(reached).await;
        match reached {
            Ok(progress) if progress.written >= came => Ok(()),
            Ok(progress) => Err(Error::behind(&progress.last_failure)),
            Err(_) => Err(Error::behind("nobody writes")),
        }
    }

    /// No row is taken any more; what could not be written is put into words.
    pub(crate) fn close(&self, why: &str) {
        let rows = {
            let mut waiting = self.waiting.lock();
            waiting.is_closed = true;
            std::mem::take(&mut waiting.rows)
        };
        for row in &rows {
            in_words(row, why);
        }
    }
}

/// The row in the log, whole: whoever reads it can put it into the database by hand.
fn in_words(row: &Row, why: &str) {
    let row = serde_json::to_string(row).unwrap_or_default();
    tracing::error!(%row, why, "a row could not be written to the ledger");
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;
    use crate::ledger::Ledger;

    /// What is logged while it is the thread's default.
    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Said {
        fn listen(&self) -> tracing::subscriber::DefaultGuard {
            let said = self.clone();
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || said.clone());
            tracing::subscriber::set_default(subscriber.finish())
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).unwrap()
        }
    }

    #[test]
    fn what_cannot_be_written_is_put_into_words() {
        let said = Said::default();
        let _listening = said.listen();
        let queue = Queue::new(MaxUnwritten(1));
        queue.push(Row::new("strm_waiting", 1, "m", "u"));
        assert_eq!(queue.admits().unwrap_err().status(), 503);
        queue.close("a test");
        queue.push(Row::new("strm_late", 1, "m", "u"));
        let text = said.text();
        for stream in ["strm_waiting", "strm_late"] {
            assert!(text.contains(&format!(r#""stream":"{stream}""#)) && text.contains("a test"), "{text}");
        }
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_ledger_whose_runtime_ends_says_what_it_leaves() {
        let said = Said::default();
        let _listening = said.listen();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ledger = runtime.block_on(Ledger::open("sqlite::memory:")).unwrap();
        ledger.record(Row::new("strm_waiting", 1, "m", "u"));
        drop(runtime);
        ledger.record(Row::new("strm_late", 1, "m", "u"));
        for stream in ["strm_waiting", "strm_late"] {
            assert!(said.text().contains(stream), "{}", said.text());
        }
    }
}
