//! Who may begin what: reserved before, settled after, released in any case.

mod account;
mod ask;
mod bucket;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::civil::Date;
use parking_lot::Mutex;

pub(crate) use self::account::{Account, Hold, Moment, Most};
pub use self::ask::{Ask, MAX_OUTPUT_TOKENS, UNLIMITED_SEARCHES};
use crate::money::Pico;

/// The accounts of the keys, by id.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    accounts: Mutex<HashMap<String, Arc<Mutex<Account>>>>,
}

impl Accounts {
    /// The account of a key, made if there is none.
    pub(crate) fn of(&self, key: &str) -> Arc<Mutex<Account>> {
        let mut accounts = self.accounts.lock();
        if let Some(account) = accounts.get(key) {
            return Arc::clone(account);
        }
        Arc::clone(accounts.entry(key.to_owned()).or_default())
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<Mutex<Account>>> {
        self.accounts.lock().get(key).cloned()
    }

    /// Takes over what the database has for each key.
    pub(crate) fn refresh(&self, mut spending: HashMap<String, BTreeMap<Date, Pico>>) {
        let accounts: Vec<_> =
            self.accounts.lock().iter().map(|(key, account)| (key.clone(), Arc::clone(account))).collect();
        for (key, account) in accounts {
            account.lock().refresh(spending.remove(&key).unwrap_or_default());
        }
        for (key, written) in spending {
            self.of(&key).lock().refresh(written);
        }
    }
}
