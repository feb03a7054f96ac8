//! Turns: appended, written while they run, ended, and the way from one back to the root.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Transaction};

use super::conversations::{check_texts, index, no_turn, set};
use super::{Store, maybe_text, maybe_time, text, time, unreadable, unwritable, wrong};
use crate::conversation::title_of;
use crate::error::{Error, Result};
use crate::history::{Conversations, Running};
use crate::holder::Holder;
use crate::json::{Content, Json};
use crate::turn::{Ended, NewTurn, Role, Turn};

/// The columns of a turn `t`.
pub(super) const COLUMNS: &str = "t.id, t.conversation, t.parent, t.role, t.content, t.state, t.stream, t.stop_reason, \
    t.usage_json, t.cost, t.error_json, t.model, t.made_by, t.continues, t.created_us, t.ended_us, \
    t.timing_json";

impl Conversations {
    /// Appends turns, all or none: the first behind `parent` (`None` makes a root), each other behind the one before it. The last becomes
    /// the head. Where there is no title yet, the first text of the user makes one.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found): the conversation, the parent in it, or the turn to go on with.
    /// [`is_conflict`](Error::is_conflict): a turn of that id is there.
    pub async fn append(
        &self,
        conversation: &str,
        parent: Option<&str>,
        new: &[NewTurn],
    ) -> Result<Vec<Turn>> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let mut transaction = self.store.write().await?;
        let made = self.appended(&mut transaction, conversation, parent, new).await?;
        transaction.commit().await.map_err(unwritable)?;
        Ok(made)
    }

    /// Appends within a transaction.
    pub(super) async fn appended(
        &self,
        transaction: &mut Transaction<'_, Any>,
        conversation: &str,
        parent: Option<&str>,
        new: &[NewTurn],
    ) -> Result<Vec<Turn>> {
        for turn in new {
            check_texts([turn.stream.as_ref(), turn.model.as_ref(), turn.by.as_ref()])?;
        }
        self.touch(transaction, conversation, true).await?;
        let named = new.iter().filter_map(|turn| turn.continues.as_deref()).chain(parent);
        for id in named {
            let there = sqlx::query("SELECT id FROM turns WHERE id = $1 AND conversation = $2");
            let there = there.bind(id).bind(conversation).fetch_optional(&mut **transaction).await;
            there.map_err(unreadable)?.ok_or_else(|| no_turn(id))?;
        }
        let mut made = Vec::with_capacity(new.len());
        let mut parent = parent.map(str::to_owned);
        for new in new {
            let turn = Turn::begin(conversation, parent, new);
            parent = Some(turn.id.clone());
            let holder = if new.state.is_end() { None } else { self.store.holder()? };
            insert(transaction, &turn, holder.as_deref()).await?;
            made.push(turn);
        }
        if let Some(last) = new.last() {
            set(transaction, conversation, "head", Some(&last.id)).await?;
        }
        let said = made.iter().find(|turn| turn.role == Role::User && turn.by.is_none());
        if let Some(title) =
            said.map(|turn| title_of(&turn.content.visible_text())).filter(|title| !title.is_empty())
        {
            let update = sqlx::query("UPDATE conversations SET title = $1 WHERE id = $2 AND title = ''");
            let update = update.bind(&title).bind(conversation).execute(&mut **transaction).await;
            if update.map_err(unwritable)?.rows_affected() == 1 {
                index(transaction, conversation, None, &title).await?;
            }
        }
        Ok(made)
    }

    /// Writes what has come of an answer so far, in place of what was written before. It is searched in once the turn has ended.
    ///
    /// All of it is written each time: do it a few times in a second at most, not for each event.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found); [`is_conflict`](Error::is_conflict): the turn has ended.
    pub async fn update(&self, turn: &str, content: &Content) -> Result<()> {
        let mut transaction = self.store.write().await?;
        self.touch_of(&mut transaction, turn, false).await?;
        let update = sqlx::query("UPDATE turns SET content = $1 WHERE id = $2 AND ended_us IS NULL");
        let update = update.bind(content.as_str()).bind(turn).execute(&mut *transaction).await;
        if update.map_err(unwritable)?.rows_affected() == 0 {
            return Err(has_ended(turn));
        }
        transaction.commit().await.map_err(unwritable)
    }

    /// A queued turn begins, or one that runs has got its stream.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn start(&self, turn: &str, stream: Option<&str>) -> Result<()> {
        let mut transaction = self.store.write().await?;
        self.touch_of(&mut transaction, turn, true).await?;
        let update = sqlx::query(
            "UPDATE turns SET state = 'running', stream = $1, holder = $2 WHERE id = $3 AND ended_us IS NULL",
        );
        let update = update.bind(stream).bind(self.store.holder()?).bind(turn);
        if update.execute(&mut *transaction).await.map_err(unwritable)?.rows_affected() == 0 {
            return Err(has_ended(turn));
        }
        transaction.commit().await.map_err(unwritable)
    }

    /// A turn is over. The first end counts: of one that has ended already nothing is changed, and it is given as it stands.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found); [`is_invalid`](Error::is_invalid): a state that is no end.
    pub async fn end(&self, turn: &str, ended: &Ended) -> Result<Turn> {
        if !ended.state.is_end() {
            return Err(Error::invalid(format!("`{}` is no end of a turn", ended.state)));
        }
        check_texts([ended.stop_reason.as_ref(), ended.model.as_ref()])?;
        let holder = if ended.owes { self.store.holder()? } else { None };
        let mut transaction = self.store.write().await?;
        self.touch_of(&mut transaction, turn, true).await?;
        let update = sqlx::query(
            "UPDATE turns SET state = $1, content = COALESCE($2, content), stop_reason = $3, usage_json = $4, \
             cost = $5, error_json = $6, model = COALESCE($7, model), timing_json = $8, ended_us = $9, owes = $10, \
             holder = $11 WHERE id = $12 AND ended_us IS NULL",
        )
        .bind(ended.state.as_str())
        .bind(ended.content.as_ref().map(Content::as_str))
        .bind(ended.stop_reason.as_deref())
        .bind(ended.usage.as_ref().map(Json::as_str))
        .bind(ended.cost.map(|cost| cost.to_string()))
        .bind(ended.error.as_ref().map(Json::as_str))
        .bind(ended.model.as_deref())
        .bind(ended.timing.as_ref().map(Json::as_str))
        .bind(Timestamp::now().as_microsecond())
        .bind(ended.owes.then_some(1_i64))
        .bind(holder)
        .bind(turn);
        let was_open = update.execute(&mut *transaction).await.map_err(unwritable)?.rows_affected() == 1;
        let stands = by_id(&mut transaction, turn).await?;
        if was_open {
            index(&mut transaction, &stands.conversation, Some(turn), &stands.content.visible_text()).await?;
            transaction.commit().await.map_err(unwritable)?;
        }
        Ok(stands)
    }

    /// One turn.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found).
    pub async fn turn(&self, id: &str) -> Result<Turn> {
        let select = format!(
            "SELECT {COLUMNS} FROM turns t JOIN conversations c ON c.id = t.conversation WHERE t.id = $1 AND c.owner = $2"
        );
        let row = sqlx::query(AssertSqlSafe(select)).bind(id).bind(&*self.owner);
        let row = row.fetch_optional(&self.store.pool).await.map_err(unreadable)?;
        read(&row.ok_or_else(|| no_turn(id))?)
    }

    /// The turns of a branch, from the root to this one: the messages of a request, in their order.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found).
    pub async fn path(&self, turn: &str) -> Result<Vec<Turn>> {
        let select = format!(
            "WITH RECURSIVE path (id, parent, depth) AS ( \
                 SELECT t.id, t.parent, 0 FROM turns t JOIN conversations c ON c.id = t.conversation \
                 WHERE t.id = $1 AND c.owner = $2 \
                 UNION ALL SELECT t.id, t.parent, path.depth + 1 FROM path JOIN turns t ON t.id = path.parent \
             ) SELECT {COLUMNS} FROM path JOIN turns t ON t.id = path.id ORDER BY path.depth DESC"
        );
        let rows = sqlx::query(AssertSqlSafe(select)).bind(turn).bind(&*self.owner);
        let rows = rows.fetch_all(&self.store.pool).await.map_err(unreadable)?;
        if rows.is_empty() {
            return Err(no_turn(turn));
        }
        rows.iter().map(read).collect()
    }

    /// All turns of a conversation, of all its branches, the oldest first.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found).
    pub async fn turns(&self, conversation: &str) -> Result<Vec<Turn>> {
        self.get(conversation).await?;
        all(&self.store, conversation).await
    }

    /// As [`touch`](Self::touch), by one of the conversation's turns.
    pub(super) async fn touch_of(
        &self,
        transaction: &mut Transaction<'_, Any>,
        turn: &str,
        is_listed: bool,
    ) -> Result<()> {
        let row = sqlx::query("SELECT conversation FROM turns WHERE id = $1").bind(turn);
        let row = row.fetch_optional(&mut **transaction).await.map_err(unreadable)?;
        let conversation = text(&row.ok_or_else(|| no_turn(turn))?, "conversation")?;
        let touched = self.touch(transaction, &conversation, is_listed).await;
        touched.map_err(|error| if error.is_not_found() { no_turn(turn) } else { error })
    }
}

impl Store {
    /// The name under which this process writes turns.
    fn holder(&self) -> Result<Option<String>> {
        self.holders.name().map_err(|error| {
            Error::database("a lock beside the history cannot be made", sqlx::Error::Io(error))
        })
    }

    pub(crate) async fn running(&self) -> Result<Vec<Running>> {
        let select = format!(
            "SELECT c.owner, t.holder, {COLUMNS} FROM turns t JOIN conversations c ON c.id = t.conversation \
             WHERE t.ended_us IS NULL OR t.owes = 1 ORDER BY t.created_us, t.id"
        );
        let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(&self.pool).await.map_err(unreadable)?;
        let running = rows.iter().map(|row| {
            let holder = maybe_text(row, "holder")?.map_or(Holder::Unknown, |name| self.holders.look(&name));
            Ok(Running { owner: text(row, "owner")?, turn: read(row)?, holder })
        });
        running.collect()
    }
}

impl Turn {
    fn begin(conversation: &str, parent: Option<String>, new: &NewTurn) -> Self {
        // What the databases keep: microseconds.
        let now = Timestamp::now();
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        Self {
            id: new.id.clone(),
            conversation: conversation.to_owned(),
            parent,
            role: new.role,
            content: new.content.clone(),
            state: new.state,
            stream: new.stream.clone(),
            stop_reason: None,
            usage: None,
            cost: None,
            error: None,
            timing: None,
            model: new.model.clone(),
            by: new.by.clone(),
            continues: new.continues.clone(),
            created: now,
            ended: new.state.is_end().then_some(now),
        }
    }
}

pub(super) async fn all(store: &Store, conversation: &str) -> Result<Vec<Turn>> {
    let select =
        format!("SELECT {COLUMNS} FROM turns t WHERE t.conversation = $1 ORDER BY t.created_us, t.id");
    let rows = sqlx::query(AssertSqlSafe(select)).bind(conversation).fetch_all(&store.pool).await;
    rows.map_err(unreadable)?.iter().map(read).collect()
}

async fn by_id(transaction: &mut Transaction<'_, Any>, turn: &str) -> Result<Turn> {
    let select = format!("SELECT {COLUMNS} FROM turns t WHERE t.id = $1");
    let row = sqlx::query(AssertSqlSafe(select)).bind(turn).fetch_optional(&mut **transaction).await;
    read(&row.map_err(unreadable)?.ok_or_else(|| no_turn(turn))?)
}

pub(super) async fn insert(
    transaction: &mut Transaction<'_, Any>,
    turn: &Turn,
    holder: Option<&str>,
) -> Result<()> {
    let insert = format!(
        "INSERT INTO turns ({}, holder) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
        $14, $15, $16, $17, $18) ON CONFLICT (id) DO NOTHING",
        COLUMNS.replace("t.", "")
    );
    let inserted = sqlx::query(AssertSqlSafe(insert))
        .bind(&turn.id)
        .bind(&turn.conversation)
        .bind(turn.parent.as_deref())
        .bind(turn.role.as_str())
        .bind(turn.content.as_str())
        .bind(turn.state.as_str())
        .bind(turn.stream.as_deref())
        .bind(turn.stop_reason.as_deref())
        .bind(turn.usage.as_ref().map(Json::as_str))
        .bind(turn.cost.map(|cost| cost.to_string()))
        .bind(turn.error.as_ref().map(Json::as_str))
        .bind(turn.model.as_deref())
        .bind(turn.by.as_deref())
        .bind(turn.continues.as_deref())
        .bind(turn.created.as_microsecond())
        .bind(turn.ended.map(Timestamp::as_microsecond))
        .bind(turn.timing.as_ref().map(Json::as_str))
        .bind(holder)
        .execute(&mut **transaction)
        .await
        .map_err(unwritable)?;
    if inserted.rows_affected() == 0 {
        return Err(Error::conflict(format!("there is a turn `{}` already", turn.id)));
    }
    if turn.state.is_end() {
        index(transaction, &turn.conversation, Some(&turn.id), &turn.content.visible_text()).await?;
    }
    Ok(())
}

fn read(row: &AnyRow) -> Result<Turn> {
    let json = |column: &str| -> Result<Option<Json>> {
        maybe_text(row, column)?.map(Json::from_json).transpose().map_err(|_| wrong(column))
    };
    Ok(Turn {
        id: text(row, "id")?,
        conversation: text(row, "conversation")?,
        parent: maybe_text(row, "parent")?,
        role: text(row, "role")?.parse().map_err(|_| wrong("role"))?,
        content: Content::from_json(text(row, "content")?).map_err(|_| wrong("content"))?,
        state: text(row, "state")?.parse().map_err(|_| wrong("state"))?,
        stream: maybe_text(row, "stream")?,
        stop_reason: maybe_text(row, "stop_reason")?,
        usage: json("usage_json")?,
        cost: maybe_text(row, "cost")?.map(|cost| cost.parse()).transpose().map_err(|_| wrong("cost"))?,
        error: json("error_json")?,
        timing: json("timing_json")?,
        model: maybe_text(row, "model")?,
        by: maybe_text(row, "made_by")?,
        continues: maybe_text(row, "continues")?,
        created: time(row, "created_us")?,
        ended: maybe_time(row, "ended_us")?,
    })
}

fn has_ended(turn: &str) -> Error {
    Error::conflict(format!("the turn `{turn}` has ended"))
}
