//! The one task that writes rows, and looks what others wrote.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::error::Error;
use crate::shared::Shared;

/// The most rows of one transaction.
const BATCH: usize = 512;

/// The longest wait between two tries to write.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long a group of rows may take. A connection whose other end is gone without a word would take for ever.
const GROUP: Duration = Duration::from_secs(30);

/// The one task that writes: rows as they come, many at once, and a look at what others did now and then.
pub(crate) fn write(
    shared: Arc<Shared>,
    refresh: Duration,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send {
    // Here and not in the task: a task that never gets to run is dropped, too.
    let writer = LastWords(shared);
    async move { writing(&writer.0, refresh, stop).await }
}

async fn writing(shared: &Shared, refresh: Duration, mut stop: watch::Receiver<bool>) {
    let mut refreshed = tokio::time::interval(refresh.max(Duration::from_millis(10)));
    refreshed.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut wait = Duration::ZERO;
    loop {
        tokio::select! {
            () = shared.queue.work.notified(), if wait.is_zero() => {}
            () = tokio::time::sleep(wait), if !wait.is_zero() => {}
            _ = refreshed.tick() => {
                match tokio::time::timeout(GROUP, shared.refresh()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "the ledger cannot be read"),
                    Err(_) => tracing::warn!("the ledger cannot be read: the database does not answer"),
                }
            }
            () = stopped(&mut stop) => {
                write_waiting(shared).await;
                return;
            }
        }
        wait = if write_waiting(shared).await {
            Duration::ZERO
        } else {
            (wait * 2).clamp(Duration::from_millis(100), LONGEST_WAIT)
        };
    }
}

/// Writes what waits. `false` if the database would not have it.
async fn write_waiting(shared: &Shared) -> bool {
    loop {
        let rows = shared.queue.first(BATCH);
        if rows.is_empty() {
            return true;
        }
        let written = tokio::time::timeout(GROUP, shared.store.write(&rows)).await;
        match written.unwrap_or_else(|_| Err(Error::behind("the database does not answer"))) {
            Ok(written) => {
                for (row, is_new) in rows.iter().zip(written) {
                    if let Some(account) = row.key.as_deref().and_then(|key| shared.accounts.get(key)) {
                        account.lock().written(row.day(), row.charged, is_new);
                    }
                }
                shared.queue.done(rows.len());
            }
            Err(error) => {
                tracing::warn!(%error, waiting = shared.queue.len(), "rows wait to be written to the ledger");
                shared.queue.failed(&error);
                return false;
            }
        }
    }
}

/// However the writer ends, with its runtime too: what it leaves is put into words, and so is what comes later.
struct LastWords(Arc<Shared>);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.queue.close("nobody writes any more");
    }
}

/// Ready once the ledger is to close, or is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
