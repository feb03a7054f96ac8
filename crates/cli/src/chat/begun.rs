//! How an answer begins: asked of the service and written down here, or asked of a gateway that keeps it.

use std::time::Duration;

use perennial_history::{NewTurn, State, Turn};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Coming, Keeper, Question};
use super::book::{Book, path};
use super::session::Session;
use crate::exit::{Exit, Failure};
use crate::gateway::Gateway;
use crate::history::{Opened, failure};
use crate::listen::Signals;
use crate::question;
use crate::record::{self, Recorder};

/// Between two looks at what becomes of an answer's tools.
const PERIOD: Duration = Duration::from_millis(250);

/// Before the first look at whether the end of an answer is written, and before the last.
const SOON: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(3);

/// So many looks: longer than any tool of a gateway may take.
const LOOKS: usize = 120;

/// What a gateway makes of a question.
#[derive(Deserialize)]
struct Asked {
    assistant: Turn,
}

impl Session {
    /// Asks. What is asked stands where the conversation is kept before anything comes.
    pub(super) async fn begin(&mut self, branch: &[Turn], question: Question<'_>) -> Result<Coming, Failure> {
        let body = match &self.book {
            Book::Here(_) => {
                let (before, content) = said(branch, &question)?;
                let messages = record::messages(before, &content).map_err(|error| {
                    Failure::new(Exit::Other, format!("the conversation cannot be read: {error}"))
                })?;
                let request = question::request(&self.settings, messages)?;
                Some(request.body().map_err(|error| Failure::new(Exit::Usage, error))?)
            }
            Book::There(_) => None,
        };
        let id = self.conversation().await?.id;
        match (&self.book, body) {
            (Book::Here(opened), Some(body)) => {
                let keeper = Keeper::Here(self.write(opened, &id, branch, question.turn()).await?);
                Ok(Coming { stream: self.service.client.messages().stream(body), keeper })
            }
            (Book::There(gateway), _) => self.coming(send(gateway, &id, branch, question).await?),
            (Book::Here(_), None) => Err(Failure::new(Exit::Other, "there is no request")),
        }
    }

    /// Writes the question down, if it is new, and the turn of its answer.
    async fn write(
        &self,
        opened: &Opened,
        id: &str,
        branch: &[Turn],
        question: Option<NewTurn>,
    ) -> Result<Recorder, Failure> {
        let of = &opened.conversations;
        let parent = branch.last().map(|turn| turn.id.as_str());
        let answer = NewTurn::assistant(&self.settings.model);
        let turn = answer.id.clone();
        let new: Vec<NewTurn> = question.into_iter().chain([answer]).collect();
        of.append(id, parent, &new).await.map_err(|error| failure(&error))?;
        Ok(Recorder::over(of.clone(), turn))
    }

    /// The answer of a turn that a gateway has.
    pub(super) fn coming(&self, turn: Turn) -> Result<Coming, Failure> {
        match turn.stream {
            // It may not even have been asked for.
            Some(stream) if !(turn.state == State::Failed && turn.content.visible_text().is_empty()) => {
                let stream = self.service.client.streams().attach(&stream);
                Ok(Coming { stream, keeper: Keeper::There(turn.id) })
            }
            _ => {
                let error: Value = turn.error.and_then(|error| error.read().ok()).unwrap_or_default();
                let message = error["message"].as_str().unwrap_or("the gateway has no answer");
                Err(Failure::new(Exit::Other, message))
            }
        }
    }

    /// Waits until a gateway has written the end of an answer down, which is a moment after its last word: before, nothing can be asked behind it.
    pub(super) async fn settled(&self, answer: &str, signals: &mut Signals) -> Result<(), Failure> {
        let Some(conversation) = &self.conversation else { return Ok(()) };
        let mut wait = SOON;
        while wait < PATIENCE {
            let turns = self.book.turns(&conversation.id).await?;
            if turns.iter().all(|turn| turn.id != answer || turn.state.is_end()) {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => wait *= 2,
                () = signals.next() => break,
            }
        }
        Ok(())
    }

    /// The answer that a gateway asks for once the tools of this one have run; `None` where none comes, or nobody waits for it.
    pub(super) async fn step_behind(
        &self,
        answer: &str,
        signals: &mut Signals,
    ) -> Result<Option<Coming>, Failure> {
        let Some(conversation) = &self.conversation else { return Ok(None) };
        for _ in 0..LOOKS {
            let turns = self.book.turns(&conversation.id).await?;
            let behind = |id: &str| turns.iter().find(|turn| turn.parent.as_deref() == Some(id));
            match behind(answer).filter(|turn| turn.by.is_some()).map(|results| behind(&results.id)) {
                Some(Some(next)) if next.state != State::Queued => {
                    return self.coming(next.clone()).map(Some);
                }
                Some(_) => {}
                // Its calls are of tools that the gateway does not have.
                None if !has_tools(&conversation.settings) => return Ok(None),
                None => {}
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = signals.next() => {
                    self.stop(answer).await?;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Stops an answer that a gateway keeps, and what its tools led to.
    pub(super) async fn stop(&self, turn: &str) -> Result<(), Failure> {
        let (Some(conversation), Book::There(gateway)) = (&self.conversation, &self.book) else {
            return Ok(());
        };
        let path = format!("{}/turns/{turn}/stop", path(&conversation.id));
        gateway.send::<Value>(Method::POST, &path, &json!({})).await.map(drop)
    }
}

/// What stands before the question, and what it says.
fn said<'a>(branch: &'a [Turn], question: &Question<'_>) -> Result<(&'a [Turn], Value), Failure> {
    match (question, branch) {
        (Question::New(words), _) => Ok((branch, json!(words))),
        (Question::Again(_), [before @ .., last]) => {
            let content = last.content.as_json().read().map_err(|error| {
                Failure::new(Exit::Other, format!("the question cannot be read: {error}"))
            })?;
            Ok((before, content))
        }
        (Question::Again(_), []) => Err(Failure::new(Exit::Usage, "nothing was asked yet")),
    }
}

/// Asks a gateway.
async fn send(gateway: &Gateway, id: &str, branch: &[Turn], question: Question<'_>) -> Result<Turn, Failure> {
    let turns = format!("{}/turns", path(id));
    let asked: Asked = match question {
        Question::New(words) => {
            let parent = branch.last().map(|turn| turn.id.as_str());
            gateway.send(Method::POST, &turns, &json!({"content": words, "parent": parent})).await?
        }
        Question::Again(Some(answer)) => {
            gateway.send(Method::POST, &format!("{turns}/{answer}/retry"), &json!({})).await?
        }
        Question::Again(None) => {
            return Err(Failure::new(Exit::Usage, "the last question has no answer yet"));
        }
    };
    Ok(asked.assistant)
}

fn has_tools(settings: &perennial_history::Json) -> bool {
    let settings: Value = settings.read().unwrap_or_default();
    settings["tools"].as_array().is_some_and(|tools| !tools.is_empty())
}
