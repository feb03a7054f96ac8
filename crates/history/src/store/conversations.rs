//! Conversations: made, shown, listed, changed, deleted.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Transaction};

use super::{Kind, Store, maybe_text, number, text, time, unreadable, unwritable, wrong};
use crate::conversation::{Conversation, MAX_PAGE, NewConversation, Page, Patch, Query};
use crate::error::{Error, Result};
use crate::history::Conversations;
use crate::id;
use crate::json::Json;

/// The columns of a conversation `c`.
pub(super) const COLUMNS: &str = "c.id, c.title, c.model, c.system, c.settings, c.head, c.version, c.created_us, \
    c.updated_us, (SELECT t.stream FROM turns t WHERE t.conversation = c.id AND t.ended_us IS NULL \
    AND t.state = 'running' AND t.stream IS NOT NULL ORDER BY t.created_us DESC, t.id DESC LIMIT 1) AS live";

impl Conversations {
    /// Makes a conversation.
    ///
    /// # Errors
    /// [`is_invalid`](Error::is_invalid): the settings are no object, or a text has a NUL character.
    pub async fn create(&self, new: &NewConversation) -> Result<Conversation> {
        check_settings(&new.settings)?;
        check_texts([Some(&new.title), Some(&new.model), new.system.as_ref()])?;
        let now = Timestamp::now();
        let conversation = Conversation {
            id: id::conversation(),
            title: new.title.clone(),
            model: new.model.clone(),
            system: new.system.clone(),
            settings: new.settings.clone(),
            created: now,
            updated: now,
            head: None,
            live: None,
            version: 1,
        };
        let mut transaction = self.store.write().await?;
        insert(&mut transaction, &self.owner, &conversation).await?;
        transaction.commit().await.map_err(unwritable)?;
        // As it will be read.
        self.get(&conversation.id).await
    }

    /// A conversation, without its turns.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found).
    pub async fn get(&self, id: &str) -> Result<Conversation> {
        let select = format!("SELECT {COLUMNS} FROM conversations c WHERE c.id = $1 AND c.owner = $2");
        let row = sqlx::query(AssertSqlSafe(select)).bind(id).bind(&*self.owner);
        let row = row.fetch_optional(&self.store.pool).await.map_err(unreadable)?;
        read(&row.ok_or_else(|| no_conversation(id))?)
    }

    /// The one conversation whose id begins so, with or without `conv_`; or, where none does, the one of a turn of that name.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found): there is none. [`is_conflict`](Error::is_conflict): several begin so.
    pub async fn find(&self, beginning: &str) -> Result<Conversation> {
        if let Some(digits) = beginning.strip_prefix("turn_") {
            let turn = self.turn(&format!("turn_{digits}")).await?;
            return self.get(&turn.conversation).await;
        }
        let digits = beginning.strip_prefix("conv_").unwrap_or(beginning);
        if digits.is_empty() || !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(no_conversation(beginning));
        }
        // `g` stands behind all digits.
        let (from, to) = (format!("conv_{digits}"), format!("conv_{digits}g"));
        let select = format!(
            "SELECT {COLUMNS} FROM conversations c WHERE c.owner = $1 AND c.id >= $2 AND c.id < $3 ORDER BY c.id LIMIT 2"
        );
        let rows = sqlx::query(AssertSqlSafe(select)).bind(&*self.owner).bind(from).bind(to);
        let rows = rows.fetch_all(&self.store.pool).await.map_err(unreadable)?;
        match rows.as_slice() {
            [] => Err(no_conversation(beginning)),
            [row] => read(row),
            _ => Err(Error::conflict(format!(
                "several conversations begin with `{beginning}`: say more of it"
            ))),
        }
    }

    /// Conversations, those changed last first.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found): the one that the page is to begin behind.
    pub async fn list(&self, query: &Query) -> Result<Page<Conversation>> {
        let (updated, after) = self.position(query).await?;
        let limit = query.limit.min(MAX_PAGE);
        let select = format!(
            "SELECT {COLUMNS} FROM conversations c WHERE c.owner = $1 AND (c.updated_us, c.id) < ($2, $3) \
             ORDER BY c.updated_us DESC, c.id DESC LIMIT $4"
        );
        let rows = sqlx::query(AssertSqlSafe(select)).bind(&*self.owner).bind(updated).bind(after);
        let rows = rows.bind(one_more(limit)).fetch_all(&self.store.pool).await.map_err(unreadable)?;
        let data = rows.iter().take(limit).map(read).collect::<Result<_>>()?;
        Ok(Page { data, has_more: rows.len() > limit })
    }

    /// Where a page begins.
    pub(super) async fn position(&self, query: &Query) -> Result<(i64, String)> {
        match &query.after {
            Some(id) => Ok((self.get(id).await?.updated.as_microsecond(), id.clone())),
            None => Ok((i64::MAX, String::new())),
        }
    }

    /// Changes what the patch has, all or nothing.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found): the conversation, or the new head in it. [`is_invalid`](Error::is_invalid): settings that are
    /// no object, or a text with a NUL character.
    pub async fn patch(&self, id: &str, patch: &Patch) -> Result<Conversation> {
        let system = patch.system.as_ref().and_then(Option::as_ref);
        check_texts([patch.title.as_ref(), patch.model.as_ref(), system])?;
        if let Some(settings) = &patch.settings {
            check_settings(settings)?;
        }
        let mut transaction = self.store.write().await?;
        self.touch(&mut transaction, id, true).await?;
        if let Some(title) = &patch.title {
            set(&mut transaction, id, "title", Some(title)).await?;
            index(&mut transaction, id, None, title).await?;
        }
        if let Some(model) = &patch.model {
            set(&mut transaction, id, "model", Some(model)).await?;
        }
        if let Some(system) = &patch.system {
            set(&mut transaction, id, "system", system.as_deref()).await?;
        }
        if let Some(settings) = &patch.settings {
            set(&mut transaction, id, "settings", Some(settings.as_str())).await?;
        }
        if let Some(head) = &patch.head {
            if let Some(turn) = head {
                let there = sqlx::query("SELECT id FROM turns WHERE id = $1 AND conversation = $2");
                let there = there.bind(turn).bind(id).fetch_optional(&mut *transaction).await;
                there.map_err(unreadable)?.ok_or_else(|| no_turn(turn))?;
            }
            set(&mut transaction, id, "head", head.as_deref()).await?;
        }
        transaction.commit().await.map_err(unwritable)?;
        self.get(id).await
    }

    /// Gives a conversation another title.
    ///
    /// # Errors
    /// As [`patch`](Self::patch).
    pub async fn rename(&self, id: &str, title: &str) -> Result<Conversation> {
        self.patch(id, &Patch::title(title)).await
    }

    /// Shows another branch: the one that ends at this turn.
    ///
    /// # Errors
    /// As [`patch`](Self::patch).
    pub async fn set_head(&self, id: &str, turn: &str) -> Result<Conversation> {
        self.patch(id, &Patch::head(turn)).await
    }

    /// Deletes a conversation with all its turns. What still writes to one of them finds none.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found).
    pub async fn delete(&self, id: &str) -> Result<()> {
        let mut transaction = self.store.write().await?;
        let deleted =
            sqlx::query("DELETE FROM conversations WHERE id = $1 AND owner = $2").bind(id).bind(&*self.owner);
        if deleted.execute(&mut *transaction).await.map_err(unwritable)?.rows_affected() == 0 {
            return Err(no_conversation(id));
        }
        for rest in ["DELETE FROM turns WHERE conversation = $1", "DELETE FROM texts WHERE conversation = $1"]
        {
            sqlx::query(rest).bind(id).execute(&mut *transaction).await.map_err(unwritable)?;
        }
        transaction.commit().await.map_err(unwritable)
    }

    /// One more change. It is the first statement of each transaction that changes a conversation, so that two of them wait for each other.
    pub(super) async fn touch(
        &self,
        transaction: &mut Transaction<'_, Any>,
        id: &str,
        is_listed: bool,
    ) -> Result<()> {
        let now = Timestamp::now().as_microsecond();
        // A clock that was set back does not move a conversation down the list.
        let update = "UPDATE conversations SET version = version + 1, \
            updated_us = CASE WHEN updated_us < $1 THEN $1 ELSE updated_us END WHERE id = $2 AND owner = $3";
        let now = if is_listed { now } else { i64::MIN };
        let touched = sqlx::query(update).bind(now).bind(id).bind(&*self.owner);
        let touched = touched.execute(&mut **transaction).await.map_err(unwritable)?;
        if touched.rows_affected() == 0 { Err(no_conversation(id)) } else { Ok(()) }
    }
}

pub(super) async fn insert(
    transaction: &mut Transaction<'_, Any>,
    owner: &str,
    conversation: &Conversation,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO conversations (id, owner, title, model, system, settings, head, version, created_us, updated_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&conversation.id)
    .bind(owner)
    .bind(&conversation.title)
    .bind(&conversation.model)
    .bind(conversation.system.as_deref())
    .bind(conversation.settings.as_str())
    .bind(conversation.head.as_deref())
    .bind(i64::try_from(conversation.version).unwrap_or(i64::MAX))
    .bind(conversation.created.as_microsecond())
    .bind(conversation.updated.as_microsecond())
    .execute(&mut **transaction)
    .await
    .map_err(unwritable)?;
    index(transaction, &conversation.id, None, &conversation.title).await
}

/// Writes one column; its name is one of ours.
pub(super) async fn set(
    transaction: &mut Transaction<'_, Any>,
    id: &str,
    column: &'static str,
    value: Option<&str>,
) -> Result<()> {
    let update = format!("UPDATE conversations SET {column} = $1 WHERE id = $2");
    let done = sqlx::query(AssertSqlSafe(update)).bind(value).bind(id).execute(&mut **transaction).await;
    done.map(|_| ()).map_err(unwritable)
}

/// Writes what a title or a turn is found by.
pub(super) async fn index(
    transaction: &mut Transaction<'_, Any>,
    conversation: &str,
    turn: Option<&str>,
    body: &str,
) -> Result<()> {
    let body = super::search::searched(body);
    sqlx::query(
        "INSERT INTO texts (place, conversation, turn, body) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (place) DO UPDATE SET body = excluded.body",
    )
    .bind(turn.unwrap_or(conversation))
    .bind(conversation)
    .bind(turn)
    .bind(body)
    .execute(&mut **transaction)
    .await
    .map(|_| ())
    .map_err(unwritable)
}

pub(super) fn read(row: &AnyRow) -> Result<Conversation> {
    Ok(Conversation {
        id: text(row, "id")?,
        title: text(row, "title")?,
        model: text(row, "model")?,
        system: maybe_text(row, "system")?,
        settings: Json::from_json(text(row, "settings")?).map_err(|_| wrong("settings"))?,
        created: time(row, "created_us")?,
        updated: time(row, "updated_us")?,
        head: maybe_text(row, "head")?,
        live: maybe_text(row, "live")?,
        version: u64::try_from(number(row, "version")?).unwrap_or(0),
    })
}

pub(super) fn no_conversation(id: &str) -> Error {
    Error::not_found(format!("there is no conversation `{id}`"))
}

pub(super) fn no_turn(id: &str) -> Error {
    Error::not_found(format!("there is no turn `{id}`"))
}

pub(super) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

pub(super) fn check_settings(settings: &Json) -> Result<()> {
    if settings.as_str().starts_with('{') {
        return Ok(());
    }
    Err(Error::invalid("the settings of a conversation are a JSON object"))
}

/// PostgreSQL keeps no NUL in a text; what one database cannot keep, none does.
pub(super) fn check_texts<'a>(texts: impl IntoIterator<Item = Option<&'a String>>) -> Result<()> {
    if texts.into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(Error::invalid(
            "a text has a NUL character, which no database of ours keeps: leave it out",
        ));
    }
    Ok(())
}

impl Store {
    pub(super) fn is_postgres(&self) -> bool {
        self.kind == Kind::Postgres
    }
}
