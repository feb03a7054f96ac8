//! The ledger: the one handle.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rust_decimal::Decimal;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::admission::{Ask, Moment};
use crate::denied::Denied;
use crate::error::{Error, Result};
use crate::keys::{Keys, NewKey, Shown, VirtualKey};
use crate::money;
use crate::prices::Prices;
use crate::queue::MaxUnwritten;
use crate::reservation::Reservation;
use crate::row::Row;
use crate::shared::Shared;
use crate::store::Store;
use crate::usage::{UsageQuery, UsageSum};
use crate::writer::write;

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
        let store = Store::open(url).await?;
        let shared = Arc::new(Shared::load(store, options.prices, options.max_unwritten).await?);
        let (stop, stopped) = watch::channel(false);
        let writer = tokio::spawn(write(Arc::clone(&shared), options.refresh, stopped));
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
        self.shared.set_prices(prices);
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
