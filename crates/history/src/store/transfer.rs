//! Export and import.

use std::collections::HashMap;

use sqlx::{Any, AssertSqlSafe, Transaction};

use super::conversations::{check_settings, check_texts, insert};
use super::{turns, unreadable, unwritable};
use crate::conversation::Conversation;
use crate::document::{Document, Exported, Imported};
use crate::error::Result;
use crate::history::Conversations;
use crate::id;
use crate::turn::{State, Turn};

impl Conversations {
    /// Everything of one conversation.
    ///
    /// # Errors
    /// [`is_not_found`](crate::Error::is_not_found).
    pub async fn export(&self, id: &str) -> Result<Document> {
        Ok(Document::new(vec![self.exported(id).await?]))
    }

    /// Everything of one conversation, as it stands in a document of several.
    ///
    /// # Errors
    /// [`is_not_found`](crate::Error::is_not_found).
    pub async fn exported(&self, id: &str) -> Result<Exported> {
        let conversation = self.get(id).await?;
        let turns = self.turns(id).await?;
        Ok(Exported { conversation, turns })
    }

    /// Takes the conversations of a document in, all or none. Their ids, and those of their turns, are kept if they are free; others get
    /// new ones, everywhere. A turn that had not ended is interrupted: what wrote it is not here.
    ///
    /// # Errors
    /// [`is_invalid`](crate::Error::is_invalid): the turns of one are no trees, or its head is none of them.
    pub async fn import(&self, document: &Document) -> Result<Vec<Imported>> {
        let mut imported = Vec::with_capacity(document.conversations.len());
        let mut transaction = self.store.write().await?;
        for exported in &document.conversations {
            let id = self.import_one(&mut transaction, exported).await?;
            imported.push(Imported { was: exported.conversation.id.clone(), id });
        }
        transaction.commit().await.map_err(unwritable)?;
        Ok(imported)
    }

    async fn import_one(
        &self,
        transaction: &mut Transaction<'_, Any>,
        exported: &Exported,
    ) -> Result<String> {
        let from = &exported.conversation;
        check_settings(&from.settings)?;
        check_texts([Some(&from.title), Some(&from.model), from.system.as_ref()])?;
        let ordered = exported.in_order()?;
        let id = free(transaction, "conversations", &from.id, "conv_", id::conversation).await?;
        let mut names = HashMap::with_capacity(ordered.len());
        for turn in &ordered {
            let name = free(transaction, "turns", &turn.id, "turn_", id::turn).await?;
            names.insert(turn.id.as_str(), name);
        }
        let renamed = |name: &Option<String>| name.as_deref().and_then(|name| names.get(name)).cloned();
        let conversation =
            Conversation { id: id.clone(), head: renamed(&from.head), live: None, ..from.clone() };
        insert(transaction, &self.owner, &conversation).await?;
        for turn in ordered {
            check_texts([
                turn.stream.as_ref(),
                turn.stop_reason.as_ref(),
                turn.model.as_ref(),
                turn.by.as_ref(),
            ])?;
            let has_ended = turn.state.is_end();
            let turn = Turn {
                id: names.get(turn.id.as_str()).cloned().unwrap_or_default(),
                conversation: id.clone(),
                parent: renamed(&turn.parent),
                continues: renamed(&turn.continues),
                state: if has_ended { turn.state } else { State::Interrupted },
                ended: turn.ended.or(Some(turn.created)),
                ..turn.clone()
            };
            turns::insert(transaction, &turn, None).await?;
        }
        Ok(id)
    }
}

/// The name, if it is one of ours and nobody has it; else a new one.
async fn free(
    transaction: &mut Transaction<'_, Any>,
    table: &'static str,
    name: &str,
    word: &str,
    new: fn() -> String,
) -> Result<String> {
    if !id::is_one(name, word) {
        return Ok(new());
    }
    let taken = sqlx::query(AssertSqlSafe(format!("SELECT id FROM {table} WHERE id = $1"))).bind(name);
    let taken = taken.fetch_optional(&mut **transaction).await.map_err(unreadable)?;
    Ok(if taken.is_some() { new() } else { name.to_owned() })
}
