//! The task that writes: the question, what comes, the end.

use perennial_history::{Content, Conversations, Ended, Json, NewConversation, NewTurn};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::history::{Opened, Place};

/// The most characters of a title.
const TITLE: usize = 60;

/// What is asked, and where it belongs.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) place: Place,
    /// Where it is open already.
    pub(crate) opened: Option<Opened>,
    /// The conversation that goes on, and the turn behind which it does.
    pub(crate) behind: Option<(String, Option<String>)>,
    pub(crate) model: String,
    pub(crate) system: Option<String>,
    /// What else was set, for the questions that follow.
    pub(crate) settings: Value,
    /// The words of the instruction.
    pub(crate) words: String,
    /// What is sent: a text, or blocks.
    pub(crate) content: Value,
}

/// What the reading has told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) content: Option<Content>,
    pub(super) ended: Option<Ended>,
}

/// Writes until the end was told, or until nobody can tell any more. Gives the conversation's id.
pub(super) async fn write(question: Question, told: watch::Receiver<Told>) -> Result<String, String> {
    let Question { place, opened, behind, model, system, settings, words, content } = question;
    let opened = match opened {
        Some(opened) => opened,
        None => place.open().await.map_err(|failure| failure.line().to_owned())?,
    };
    let said = |error: perennial_history::Error| error.to_string();
    let of = &opened.conversations;
    let (conversation, parent) = match behind {
        Some(behind) => behind,
        None => {
            let mut new = NewConversation::with_model(&model);
            new.system = system;
            new.title = title(&words);
            new.settings = Json::of(&settings).map_err(said)?;
            (of.create(&new).await.map_err(said)?.id, None)
        }
    };
    let question = NewTurn::user(as_blocks(&content).map_err(said)?);
    let answer = NewTurn::assistant(&model);
    let turn = answer.id.clone();
    of.append(&conversation, parent.as_deref(), &[question, answer]).await.map_err(said)?;

    follow(of, &turn, told).await?;
    opened.close().await;
    Ok(conversation)
}

/// Writes what comes of a turn, until its end was told or nobody can tell any more.
pub(super) async fn follow(
    of: &Conversations,
    turn: &str,
    mut told: watch::Receiver<Told>,
) -> Result<(), String> {
    let said = |error: perennial_history::Error| error.to_string();
    loop {
        let (content, ended) = {
            let told = told.borrow_and_update();
            (told.content.clone(), told.ended.clone())
        };
        if let Some(ended) = ended {
            of.end(turn, &ended).await.map_err(said)?;
            return Ok(());
        }
        if let Some(content) = content {
            of.update(turn, &content).await.map_err(said)?;
        }
        if told.changed().await.is_err() && told.borrow().ended.is_none() {
            return Ok(());
        }
    }
}

fn as_blocks(content: &Value) -> perennial_history::Result<Content> {
    match content {
        Value::String(text) => Ok(Content::text(text)),
        blocks @ Value::Array(_) => Content::of(blocks),
        other => Content::of(&json!([other])),
    }
}

/// The first line of the instruction; empty where there is none, and the history makes one.
fn title(words: &str) -> String {
    let line = words.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    match line.char_indices().nth(TITLE) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line,
    }
}
