//! How an answer begins: asked of the service and written down here, or asked of a gateway that keeps it.

use perennial::RequestBody;
use perennial_history::{Content, Conversation, Conversations, NewTurn, State, Turn};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Coming, Keeper, Question};
use super::book::{Book, path};
use super::session::Session;
use crate::exit::{Exit, Failure, say};
use crate::gateway::Gateway;
use crate::history::failure;
use crate::listen::Signals;
use crate::question;
use crate::record::{self, Recorder};

/// What a gateway makes of a question.
#[derive(Deserialize)]
struct Made {
    assistant: Turn,
}

/// Who is asked, and what.
enum Asked {
    /// The service; it is written down here.
    Here(Conversations, RequestBody),
    There(Gateway),
}

/// What follows an answer that wants tools.
enum Behind {
    Step(Box<Turn>),
    Nothing,
}

impl Session {
    /// Asks. What is asked stands where the conversation is kept before anything comes.
    pub(super) async fn begin(&mut self, branch: &[Turn], question: Question<'_>) -> Result<Coming, Failure> {
        let asked = match &self.book {
            Book::Here(opened) => {
                let (before, content) = said(branch, &question)?;
                let messages = record::messages(before, &content).map_err(|error| {
                    Failure::new(Exit::Other, format!("the conversation cannot be read: {error}"))
                })?;
                let request = question::request(&self.settings, messages)?;
                let body = request.body().map_err(|error| Failure::new(Exit::Usage, error))?;
                Asked::Here(opened.conversations.clone(), body)
            }
            Book::There(gateway) => Asked::There(gateway.clone()),
        };
        // Made only now: what cannot be asked leaves no empty conversation.
        let id = self.conversation().await?.id;
        match asked {
            Asked::Here(conversations, body) => {
                let keeper = Keeper::Here(self.write(conversations, &id, branch, question.turn()).await?);
                Ok(Coming { stream: self.service.client.messages().stream(body), keeper })
            }
            Asked::There(gateway) => self.coming(send(&gateway, &id, branch, question).await?),
        }
    }

    /// Writes the question down, if it is new, and the turn of its answer.
    async fn write(
        &self,
        conversations: Conversations,
        id: &str,
        branch: &[Turn],
        question: Option<NewTurn>,
    ) -> Result<Recorder, Failure> {
        let parent = branch.last().map(|turn| turn.id.as_str());
        let answer = NewTurn::assistant(&self.settings.model);
        let turn = answer.id.clone();
        let new: Vec<NewTurn> = question.into_iter().chain([answer]).collect();
        conversations.append(id, parent, &new).await.map_err(|error| failure(&error))?;
        Ok(Recorder::over(conversations, turn))
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

    /// Waits until a gateway has written the end of an answer down, which is a moment after its last word: before, nothing can be asked behind it. Where its history
    /// refuses, the turn says so, and nobody waits.
    pub(super) async fn settled(&self, answer: &str, signals: &mut Signals) -> Result<(), Failure> {
        let Some(conversation) = &self.conversation else { return Ok(()) };
        let is_open = |turn: &Turn| turn.id == answer && !turn.state.is_end() && turn.error.is_none();
        let settled = |_: &Conversation, turns: &[Turn]| (!turns.iter().any(is_open)).then_some(());
        self.book.once(&conversation.id, settled, signals).await.map(drop)
    }

    /// The answer that a gateway asks for once the tools of this one have run; `None` where none comes, or nobody waits for it.
    pub(super) async fn step_behind(
        &self,
        answer: &str,
        signals: &mut Signals,
    ) -> Result<Option<Coming>, Failure> {
        let Some(conversation) = &self.conversation else { return Ok(None) };
        let follows = |conversation: &Conversation, turns: &[Turn]| behind(conversation, turns, answer);
        match self.book.once(&conversation.id, follows, signals).await? {
            Some(Behind::Step(turn)) if turn.state == State::Cancelled && turn.stream.is_none() => {
                say("somebody stopped the answer while its tools ran");
                Ok(None)
            }
            Some(Behind::Step(turn)) => self.coming(*turn).map(Some),
            Some(Behind::Nothing) => Ok(None),
            None => {
                self.stop(answer).await?;
                Ok(None)
            }
        }
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
    let made: Made = match question {
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
    Ok(made.assistant)
}

/// What follows an answer that wants tools, as far as that is decided.
fn behind(conversation: &Conversation, turns: &[Turn], answer: &str) -> Option<Behind> {
    let follows = |id: &str| turns.iter().find(|turn| turn.parent.as_deref() == Some(id));
    match follows(answer).filter(|turn| turn.by.is_some()) {
        Some(results) => {
            let step = follows(&results.id).filter(|step| step.state != State::Queued);
            step.map(|step| Behind::Step(Box::new(step.clone())))
        }
        // It is gone, or calls what the gateway does not carry out for this conversation: nobody does.
        None => {
            let wants = turns.iter().find(|turn| turn.id == answer);
            let runs = wants.is_some_and(|turn| runs_tools(conversation, &turn.content));
            (!runs).then_some(Behind::Nothing)
        }
    }
}

/// Whether all tools that a content calls are tools of the conversation.
fn runs_tools(conversation: &Conversation, content: &Content) -> bool {
    let settings: Value = conversation.settings.read().unwrap_or_default();
    let tools = settings["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let blocks: Vec<Value> = content.as_json().read().unwrap_or_default();
    let mut calls = blocks.iter().filter(|block| block["type"] == "tool_use").peekable();
    calls.peek().is_some() && calls.all(|call| tools.contains(&call["name"]))
}
