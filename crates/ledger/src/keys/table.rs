//! Keys in the database: made, rotated, taken back, read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use uuid::Uuid;

use super::key::{Rules, SecretInfo, Shown, VirtualKey};
use super::secret::{self, SecretHash};
use super::{Known, KnownSecret};
use crate::error::{Error, Result};
use crate::store::{Store, maybe_text, maybe_time, text, time, unreadable};

/// What a key is to be.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NewKey {
    /// What people call it; need not be unique.
    pub name: String,
    /// Whose it is, in words.
    pub owner: Option<String>,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
    /// What it may.
    pub rules: Rules,
}

impl NewKey {
    /// A key without limits.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl Store {
    /// Makes a key. Gives its id and, this once, its secret.
    pub(crate) async fn create_key(&self, new: &NewKey, now: Timestamp) -> Result<(String, Shown)> {
        let failed = |error| Error::database("the key cannot be made", error);
        if new.name.trim().is_empty() {
            return Err(Error::invalid("a key needs a name"));
        }
        if new.expires.is_some_and(|expires| expires <= now) {
            return Err(Error::invalid("a key cannot expire before it is made"));
        }
        new.rules.check()?;
        let rules = serde_json::to_string(&new.rules).map_err(|error| Error::invalid(error.to_string()))?;
        let id = format!("key_{}", Uuid::now_v7().simple());
        let (shown, hash, prefix) = secret::new()?;
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        changed(&mut transaction).await.map_err(failed)?;
        sqlx::query(
            "INSERT INTO virtual_keys (id, name, owner, rules, created_us, expires_us) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&id)
        .bind(&new.name)
        .bind(new.owner.as_deref())
        .bind(rules)
        .bind(now.as_microsecond())
        .bind(new.expires.map(Timestamp::as_microsecond))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        add_secret(&mut transaction, &id, hash, &prefix, now, None).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok((id, shown))
    }

    /// Takes a key back. Whoever shows it from now on is refused.
    pub(crate) async fn revoke_key(&self, id: &str, now: Timestamp) -> Result<()> {
        let failed = |error| Error::database("the key cannot be revoked", error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        changed(&mut transaction).await.map_err(failed)?;
        // The first time counts.
        let revoked =
            sqlx::query("UPDATE virtual_keys SET revoked_us = COALESCE(revoked_us, $1) WHERE id = $2")
                .bind(now.as_microsecond())
                .bind(id)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        if revoked.rows_affected() == 0 {
            return Err(no_such_key(id));
        }
        transaction.commit().await.map_err(failed)
    }

    /// Gives a key a new secret. Those that it had are taken for `overlap` more at most.
    pub(crate) async fn rotate_key(&self, id: &str, overlap: Duration, now: Timestamp) -> Result<Shown> {
        let failed = |error| Error::database("the key cannot be rotated", error);
        let until = now
            .checked_add(overlap)
            .map_err(|_| Error::invalid("the overlap of a rotation ends after the end of time"))?;
        let (shown, hash, prefix) = secret::new()?;
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        changed(&mut transaction).await.map_err(failed)?;
        let key = sqlx::query("SELECT revoked_us FROM virtual_keys WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?
            .ok_or_else(|| no_such_key(id))?;
        if maybe_time(&key, "revoked_us")?.is_some() {
            return Err(Error::invalid("a key that was revoked gets no new secret; make another key"));
        }
        let newest =
            sqlx::query("SELECT prefix FROM secrets WHERE key_id = $1 ORDER BY created_us DESC LIMIT 1")
                .bind(id)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(failed)?;
        let before = newest.map(|newest| text(&newest, "prefix")).transpose()?;
        sqlx::query(
            "UPDATE secrets SET expires_us = $1 WHERE key_id = $2 AND (expires_us IS NULL OR expires_us > $1)",
        )
        .bind(until.as_microsecond())
        .bind(id)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        add_secret(&mut transaction, id, hash, &prefix, now, before.as_deref()).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(shown)
    }

    pub(crate) async fn keys_version(&self) -> Result<i64> {
        let row = sqlx::query("SELECT version FROM versions WHERE name = 'keys'").fetch_one(&self.pool).await;
        row.and_then(|row| row.try_get("version"))
            .map_err(|error| Error::database("the keys cannot be read", error))
    }

    /// All keys with their secrets' hashes.
    pub(crate) async fn known_keys(&self, now: Timestamp) -> Result<Known> {
        let failed = |error| Error::database("the keys cannot be read", error);
        // Read first: what changes meanwhile is read again, never missed.
        let version = self.keys_version().await?;
        let keys = sqlx::query(
            "SELECT id, name, owner, rules, created_us, expires_us, revoked_us FROM virtual_keys",
        );
        let keys = keys.fetch_all(&self.pool).await.map_err(failed)?;
        let secrets = sqlx::query(
            "SELECT hash, key_id, prefix, created_us, expires_us, rotated_from FROM secrets ORDER BY created_us DESC",
        );
        let secrets = secrets.fetch_all(&self.pool).await.map_err(failed)?;
        let mut known = Known { version, ..Known::default() };
        let mut infos: HashMap<String, Vec<SecretInfo>> = HashMap::new();
        for row in &secrets {
            let key = text(row, "key_id")?;
            let expires = maybe_time(row, "expires_us")?;
            let hash = SecretHash::from_hex(&text(row, "hash")?)
                .ok_or_else(|| Error::invalid("the ledger has a secret's hash that is none"))?;
            if expires.is_none_or(|expires| now < expires) {
                infos.entry(key.clone()).or_default().push(SecretInfo {
                    prefix: text(row, "prefix")?,
                    created: time(row, "created_us")?,
                    expires,
                    rotated_from: maybe_text(row, "rotated_from")?,
                });
            }
            known.secrets.insert(hash, KnownSecret { key, expires });
        }
        for row in &keys {
            match read(row, &mut infos) {
                Ok(key) => drop(known.keys.insert(key.id.clone(), Arc::new(key))),
                // Its secrets lead to no key and are refused: a rule that is not understood is not a rule that is not there.
                Err(error) => {
                    tracing::error!(%error, key = %row.try_get::<String, _>("id").map_err(unreadable)?, "a key is refused");
                }
            }
        }
        Ok(known)
    }
}

fn read(row: &AnyRow, infos: &mut HashMap<String, Vec<SecretInfo>>) -> Result<VirtualKey> {
    let id = text(row, "id")?;
    let rules: Rules = serde_json::from_str(&text(row, "rules")?)
        .map_err(|error| Error::invalid(format!("its rules cannot be read: {error}")))?;
    Ok(VirtualKey {
        name: text(row, "name")?,
        owner: maybe_text(row, "owner")?,
        created: time(row, "created_us")?,
        expires: maybe_time(row, "expires_us")?,
        revoked: maybe_time(row, "revoked_us")?,
        secrets: infos.remove(&id).unwrap_or_default(),
        rules,
        id,
    })
}

/// Other processes see by this that keys have changed. First in each transaction, so that it waits for the others here and nowhere else.
async fn changed(connection: &mut AnyConnection) -> sqlx::Result<()> {
    let bump = sqlx::query("UPDATE versions SET version = version + 1 WHERE name = 'keys'");
    bump.execute(connection).await.map(|_| ())
}

async fn add_secret(
    connection: &mut AnyConnection,
    key: &str,
    hash: SecretHash,
    prefix: &str,
    now: Timestamp,
    rotated_from: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO secrets (hash, key_id, prefix, created_us, rotated_from) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(hash.hex())
    .bind(key)
    .bind(prefix)
    .bind(now.as_microsecond())
    .bind(rotated_from)
    .execute(connection)
    .await
    .map(|_| ())
}

fn no_such_key(id: &str) -> Error {
    Error::not_found(format!("there is no key `{id}`"))
}
