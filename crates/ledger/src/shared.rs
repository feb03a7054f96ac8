//! What the ledger, its reservations and its writer share.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;

use crate::admission::Accounts;
use crate::error::Result;
use crate::keys::Keys;
use crate::prices::Prices;
use crate::queue::{MaxUnwritten, Queue};
use crate::store::Store;

/// All of a ledger but its handle.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    prices: RwLock<Arc<Prices>>,
    pub(crate) keys: Keys,
    pub(crate) accounts: Accounts,
    pub(crate) queue: Queue,
}

impl Shared {
    /// With what the database has.
    pub(crate) async fn load(store: Store, prices: Prices, max_unwritten: MaxUnwritten) -> Result<Self> {
        let shared = Self {
            store,
            prices: RwLock::new(Arc::new(prices)),
            keys: Keys::default(),
            accounts: Accounts::default(),
            queue: Queue::new(max_unwritten),
        };
        shared.load_keys().await?;
        shared.load_spending().await?;
        Ok(shared)
    }

    pub(crate) fn prices(&self) -> Arc<Prices> {
        Arc::clone(&self.prices.read())
    }

    pub(crate) fn set_prices(&self, prices: Prices) {
        *self.prices.write() = Arc::new(prices);
    }

    pub(crate) async fn load_keys(&self) -> Result<()> {
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

    /// Looks what others did. It runs between two writes, never beside one, so that what is read and what is in memory fit together.
    pub(crate) async fn refresh(&self) -> Result<()> {
        if self.store.keys_version().await? != self.keys.version() {
            self.load_keys().await?;
        }
        self.load_spending().await
    }
}
