//! Virtual keys: in the database, and in memory where requests are admitted.

mod key;
mod secret;
mod table;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;

pub use self::key::{Rules, SecretInfo, Shown, VirtualKey};
pub(crate) use self::secret::SecretHash;
pub use self::table::NewKey;
use crate::denied::{Denied, Why};

/// The keys as this process knows them. A change by another process is known after [`Options::refresh`](crate::Options::refresh) at most,
/// one by this process at once.
#[derive(Debug, Default)]
pub struct Keys {
    known: RwLock<Known>,
}

/// What the database says.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) version: i64,
    pub(crate) keys: HashMap<String, Arc<VirtualKey>>,
    pub(crate) secrets: HashMap<SecretHash, KnownSecret>,
}

#[derive(Debug)]
pub(crate) struct KnownSecret {
    pub(crate) key: String,
    pub(crate) expires: Option<Timestamp>,
}

impl Keys {
    /// The key whose secret a client shows, from memory; `None` for what is no secret of any.
    ///
    /// # Errors
    /// The secret is of a key that has expired or was revoked, or was itself replaced by a newer one.
    pub fn find(&self, shown: &[u8]) -> Result<Option<Arc<VirtualKey>>, Denied> {
        self.find_at(shown, Timestamp::now())
    }

    pub(crate) fn find_at(&self, shown: &[u8], now: Timestamp) -> Result<Option<Arc<VirtualKey>>, Denied> {
        let Some(hash) = SecretHash::of_shown(shown) else { return Ok(None) };
        let known = self.known.read();
        let Some(secret) = known.secrets.get(&hash) else { return Ok(None) };
        let Some(key) = known.keys.get(&secret.key) else { return Ok(None) };
        usable(key, now)?;
        if secret.expires.is_some_and(|expires| now >= expires) {
            return Err(Denied::new(Why::Key, "this secret was replaced by a newer one; use that"));
        }
        Ok(Some(Arc::clone(key)))
    }

    /// The key of an id, whatever its state.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<VirtualKey>> {
        self.known.read().keys.get(id).cloned()
    }

    /// All keys, the oldest first, expired and revoked ones too.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<VirtualKey>> {
        let mut keys: Vec<_> = self.known.read().keys.values().cloned().collect();
        keys.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        keys
    }

    /// Whether there is any key at all: a gateway that has one asks for keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.read().keys.is_empty()
    }

    pub(crate) fn version(&self) -> i64 {
        self.known.read().version
    }

    pub(crate) fn replace(&self, known: Known) {
        *self.known.write() = known;
    }
}

/// Whether a key may be used.
pub(crate) fn usable(key: &VirtualKey, now: Timestamp) -> Result<(), Denied> {
    if key.revoked.is_some() {
        return Err(Denied::new(Why::Key, "this key was revoked"));
    }
    if !key.is_usable(now) {
        return Err(Denied::new(Why::Key, "this key has expired"));
    }
    Ok(())
}
