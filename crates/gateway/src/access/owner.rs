//! To whom a stream belongs.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Key;

/// To whom a stream belongs: a virtual key, by its id; a client key, by a hash that tells nothing about it; or this machine where there are no
/// keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Owner(Box<str>);

impl Owner {
    /// Whoever may ask a gateway without client keys.
    pub(crate) fn local() -> Self {
        Self("local".into())
    }

    pub(crate) fn of(key: &Key) -> Self {
        let hash = Sha256::digest(key.0.as_bytes());
        let hex: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("key_{hex}").into())
    }

    /// Of a virtual key. It stays the same when the key's secret is rotated, and is what the ledger calls it.
    pub(super) fn of_virtual(id: &str) -> Self {
        Self(id.into())
    }

    /// As it calls itself elsewhere.
    pub(crate) fn named(name: &str) -> Self {
        Self(name.into())
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}
