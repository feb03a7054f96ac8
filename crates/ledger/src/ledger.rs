//! The ledger: the one handle, and the one task that writes.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use rust_decimal::Decimal;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::admission::{Accounts, Ask, Denied, Moment, Reservation};
use crate::error::{Error, Result};
use crate::keys::{Keys, NewKey, Shown, VirtualKey};
use crate::money;
use crate::prices::Prices;
use crate::queue::{MaxUnwritten, Queue};
use crate::row::Row;
use crate::store::Store;
use crate::usage::{UsageQuery, UsageSum};

/// The most rows of one transaction.
const BATCH: usize = 512;

/// The longest wait between two tries to write.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long a group of rows may take. A connection whose other end is gone without a word would take for ever.
const GROUP: Duration = Duration::from_secs(30);

/// How long [`Ledger::close`] tries to write what waits.
const LAST_TRY: Duration = Duration::from_secs(10);

/// What a ledger is to be like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What tokens cost. The table that comes with this version.
    pub prices: Prices,
    /// How often it is looked whether another process changed keys or spent. 3 s.
    pub refresh: Duration,
    /// See [`MaxUnwritten`].
    pub max_unwritten: MaxUnwritten,
}

/// Where every attempt is written down, and who may spend. See the [crate documentation](crate).
///
/// It is shared as an `Arc`. All that a request needs is in memory; only what is named `async` waits for the database.
#[derive(Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What reservations and the writer share with the ledger.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    prices: RwLock<Arc<Prices>>,
    pub(crate) keys: Keys,
    pub(crate) accounts: Accounts,
    pub(crate) queue: Queue,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prices: Prices::embedded(),
            refresh: Duration::from_secs(3),
            max_unwritten: MaxUnwritten::default(),
        }
    }
}

impl Ledger {
    /// Opens `sqlite:FILE` (made if it is not there), `sqlite::memory:` or `postgres://USER:PASSWORD@HOST/DATABASE`, with default options.
    ///
    /// A runtime must be there; the one task that writes runs on it.
    ///
    /// # Errors
    /// [`is_invalid`](crate::Error::is_invalid): the address is none. [`is_database`](crate::Error::is_database): the database cannot be
    /// reached, or its tables cannot be made.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, Options::default()).await
    }

    /// As [`open`](Self::open), with options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(url: &str, options: Options) -> Result<Self> {
        let shared = Shared {
            store: Store::open(url).await?,
            prices: RwLock::new(Arc::new(options.prices)),
            keys: Keys::default(),
            accounts: Accounts::default(),
            queue: Queue::new(options.max_unwritten),
        };
        shared.load_keys().await?;
        shared.load_spending().await?;
        let shared = Arc::new(shared);
        let (stop, stopped) = watch::channel(false);
        let writer = tokio::spawn(write(LastWords(Arc::clone(&shared)), options.refresh, stopped));
        Ok(Self { shared, stop, writer: Mutex::new(Some(writer)) })
    }

    /// The keys, from memory.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// What tokens cost.
    #[must_use]
    pub fn prices(&self) -> Arc<Prices> {
        self.shared.prices()
    }

    /// Prices for what ends from now on; rows that are written keep theirs.
    pub fn set_prices(&self, prices: Prices) {
        *self.shared.prices.write() = Arc::new(prices);
    }

    /// Reserves for a request what it could use at most, with the key that it came with, if any. Does not wait.
    ///
    /// Without a key nothing is held and nothing is limited, but the ledger must be able to write.
    ///
    /// # Errors
    /// [`Denied`] says why not, with which status, and when to come back.
    pub fn reserve(&self, key: Option<&Arc<VirtualKey>>, ask: &Ask) -> Result<Reservation, Denied> {
        let now = Moment { wall: Timestamp::now(), clock: Instant::now() };
        Reservation::begin(&self.shared, key, ask, now)
    }

    /// Records the row of an attempt for which nothing is held: without a key, or after a crash. Does not wait and does not fail; the row is
    /// priced here, and written with others soon.
    ///
    /// A row that cannot be written before the ledger is closed is written to the log, in full.
    pub fn record(&self, mut row: Row) {
        self.shared.prices().put_on(&mut row);
        row.charged = row.cost.unwrap_or(0);
        let account = row.key.as_deref().filter(|key| self.shared.keys.get(key).is_some());
        if let Some(account) = account.map(|key| self.shared.accounts.of(key)) {
            account.lock().spend(row.day(), row.charged);
        }
        self.shared.queue.push(row);
    }

    /// Ready when all that was recorded before is in the database.
    ///
    /// # Errors
    /// [`is_database`](crate::Error::is_database): a try to write failed meanwhile. The rows wait on, and are tried again.
    pub async fn flush(&self) -> Result<()> {
        self.shared.queue.flushed().await
    }

    /// How many rows wait to be written.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        self.shared.queue.len()
    }

    /// What a key spent in the present UTC day and month, and what is held for its streams, in US dollars.
    #[must_use]
    pub fn spending(&self, key: &str) -> Spending {
        let today = crate::day_of(Timestamp::now());
        let Some(account) = self.shared.accounts.get(key) else { return Spending::default() };
        let account = account.lock();
        Spending {
            day: money::to_usd(account.spent_on(today)),
            month: money::to_usd(account.spent_in_month(today)),
            held: money::to_usd(account.held()),
            streams: account.streams(),
        }
    }

    /// Makes a key; gives it and, this once, its secret.
    ///
    /// # Errors
    /// [`is_invalid`](crate::Error::is_invalid): no name, an end in the past, or rules that make no sense.
    pub async fn create_key(&self, new: &NewKey) -> Result<(Arc<VirtualKey>, Shown)> {
        let (id, shown) = self.shared.store.create_key(new, Timestamp::now()).await?;
        Ok((self.reloaded(&id).await?, shown))
    }

    /// Takes a key back. Streams that run go on; new ones are refused, here at once.
    ///
    /// # Errors
    /// [`is_not_found`](crate::Error::is_not_found).
    pub async fn revoke_key(&self, id: &str) -> Result<Arc<VirtualKey>> {
        self.shared.store.revoke_key(id, Timestamp::now()).await?;
        self.reloaded(id).await
    }

    /// Gives a key a new secret, shown this once. Its older ones are taken for `overlap` more.
    ///
    /// The key stays the same one: its spending, its limits, its streams.
    ///
    /// # Errors
    /// [`is_not_found`](crate::Error::is_not_found); [`is_invalid`](crate::Error::is_invalid) for a key that was revoked.
    pub async fn rotate_key(&self, id: &str, overlap: Duration) -> Result<(Arc<VirtualKey>, Shown)> {
        let shown = self.shared.store.rotate_key(id, overlap, Timestamp::now()).await?;
        Ok((self.reloaded(id).await?, shown))
    }

    /// Sums of what was used, from the database. [`flush`](Self::flush) first for what was recorded just now.
    ///
    /// # Errors
    /// [`is_database`](crate::Error::is_database).
    pub async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageSum>> {
        self.shared.store.usage(query).await
    }

    /// The rows of one stream, in the order of its attempts.
    ///
    /// # Errors
    /// [`is_database`](crate::Error::is_database).
    pub async fn attempts(&self, stream: &str) -> Result<Vec<Row>> {
        self.shared.store.attempts(stream).await
    }

    /// Writes what waits, for ten seconds at most, and closes the database. Rows that come later are written to the log.
    ///
    /// # Errors
    /// [`is_database`](crate::Error::is_database): rows could not be written; they are in the log.
    pub async fn close(&self) -> Result<()> {
        let flushed = tokio::time::timeout(LAST_TRY, self.flush()).await;
        let writer = self.writer.lock().take();
        self.stop.send_replace(true);
        if let Some(writer) = writer {
            // It may be in the middle of a statement that does not end.
            drop(tokio::time::timeout(LAST_TRY, writer).await);
        }
        self.shared.queue.close("the ledger closes");
        self.shared.store.close().await;
        flushed.unwrap_or_else(|_| Err(Error::behind("the database does not answer")))
    }

    async fn reloaded(&self, id: &str) -> Result<Arc<VirtualKey>> {
        self.shared.load_keys().await?;
        self.keys().get(id).ok_or_else(|| Error::not_found(format!("there is no key `{id}` any more")))
    }
}

/// What a key spent and what is held for it, in US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spending {
    /// In the present UTC day.
    pub day: Decimal,
    /// In the present month.
    pub month: Decimal,
    /// Held for streams that run.
    pub held: Decimal,
    /// How many run.
    pub streams: u64,
}

impl Shared {
    pub(crate) fn prices(&self) -> Arc<Prices> {
        Arc::clone(&self.prices.read())
    }

    async fn load_keys(&self) -> Result<()> {
        let known = self.store.known_keys(Timestamp::now()).await?;
        self.keys.replace(known);
        Ok(())
    }

    async fn load_spending(&self) -> Result<()> {
        let month = crate::day_of(Timestamp::now()).first_of_month();
        // A day before, so that what is settled around midnight is there for both.
        let from = month.yesterday().unwrap_or(month);
        self.accounts.refresh(self.store.spending(from).await?);
        Ok(())
    }

    /// Writes what waits. `false` if the database would not have it.
    async fn write_waiting(&self) -> bool {
        loop {
            let rows = self.queue.first(BATCH);
            if rows.is_empty() {
                return true;
            }
            let written = tokio::time::timeout(GROUP, self.store.write(&rows)).await;
            match written.unwrap_or_else(|_| Err(Error::behind("the database does not answer"))) {
                Ok(written) => {
                    for (row, is_new) in rows.iter().zip(written) {
                        if let Some(account) = row.key.as_deref().and_then(|key| self.accounts.get(key)) {
                            account.lock().written(row.day(), row.charged, is_new);
                        }
                    }
                    self.queue.done(rows.len());
                }
                Err(error) => {
                    tracing::warn!(%error, waiting = self.queue.len(), "rows wait to be written to the ledger");
                    self.queue.failed(&error);
                    return false;
                }
            }
        }
    }

    /// Looks what others did. It runs between two writes, never beside one, so that what is read and what is in memory fit together.
    async fn refresh(&self) -> Result<()> {
        if self.store.keys_version().await? != self.keys.version() {
            self.load_keys().await?;
        }
        self.load_spending().await
    }
}

/// The one task that writes: rows as they come, many at once, and a look at what others did now and then.
async fn write(writer: LastWords, refresh: Duration, mut stop: watch::Receiver<bool>) {
    let shared = &writer.0;
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
                shared.write_waiting().await;
                return;
            }
        }
        wait = if shared.write_waiting().await {
            Duration::ZERO
        } else {
            (wait * 2).clamp(Duration::from_millis(100), LONGEST_WAIT)
        };
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
