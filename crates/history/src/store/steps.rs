//! Steps: what follows by itself behind a turn that ended and owes it, such as the results of tools and the next answer.

use super::conversations::{no_conversation, no_turn, set};
use super::{maybe_text, text, unreadable, unwritable};
use crate::error::{Error, Result};
use crate::history::Conversations;
use crate::turn::{NewTurn, Turn};

impl Conversations {
    /// What follows by itself behind a turn, in one go: the turns are appended behind it, and it owes nothing any more. `waiting`, a turn that waits behind it, waits
    /// behind the last of them instead, with all that hangs on it. The branch that is shown stays the same one; it grows where it ended here.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found): the turn, or the one that waits in its conversation. [`is_conflict`](Error::is_conflict): it owes nothing, since what
    /// was to follow is there, or is not wanted any more.
    pub async fn follow(&self, turn: &str, new: &[NewTurn], waiting: Option<&str>) -> Result<Vec<Turn>> {
        let Some(last) = new.last() else { return Ok(Vec::new()) };
        let mut transaction = self.store.write().await?;
        self.touch_of(&mut transaction, turn, true).await?;
        let paid = sqlx::query("UPDATE turns SET owes = NULL, holder = NULL WHERE id = $1 AND owes = 1");
        if paid.bind(turn).execute(&mut *transaction).await.map_err(unwritable)?.rows_affected() == 0 {
            return Err(Error::conflict(format!("nothing is to follow behind the turn `{turn}`")));
        }
        let row =
            "SELECT c.id, c.head FROM turns t JOIN conversations c ON c.id = t.conversation WHERE t.id = $1";
        let row = sqlx::query(row).bind(turn).fetch_optional(&mut *transaction).await.map_err(unreadable)?;
        let row = row.ok_or_else(|| no_conversation(turn))?;
        let (conversation, head) = (text(&row, "id")?, maybe_text(&row, "head")?);
        let made = self.appended(&mut transaction, &conversation, Some(turn), new).await?;
        if let Some(waiting) = waiting {
            let update = "UPDATE turns SET parent = $1 WHERE id = $2 AND id <> $1 AND conversation = $3";
            let update = sqlx::query(update).bind(&last.id).bind(waiting).bind(&conversation);
            if update.execute(&mut *transaction).await.map_err(unwritable)?.rows_affected() == 0 {
                return Err(no_turn(waiting));
            }
        }
        if head.as_deref() != Some(turn) {
            set(&mut transaction, &conversation, "head", head.as_deref()).await?;
        }
        transaction.commit().await.map_err(unwritable)?;
        Ok(made)
    }

    /// Nothing is to follow behind a turn any more. Of one that owes nothing nothing is changed.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found).
    pub async fn owe_nothing(&self, turn: &str) -> Result<()> {
        let mut transaction = self.store.write().await?;
        self.touch_of(&mut transaction, turn, false).await?;
        let update = sqlx::query("UPDATE turns SET owes = NULL, holder = NULL WHERE id = $1 AND owes = 1");
        let update = update.bind(turn).execute(&mut *transaction).await.map_err(unwritable)?;
        if update.rows_affected() == 1 {
            transaction.commit().await.map_err(unwritable)?;
        }
        Ok(())
    }
}
