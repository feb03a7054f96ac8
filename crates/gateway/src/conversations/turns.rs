//! `POST /v1/conversations/{id}/turns`: a question, and the answer that begins to come.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use perennial_history::{Content, Conversation, Conversations, NewTurn, Role, State as TurnState, Turn};
use perennial_protocol::ErrorKind;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::answer::{self, Job};
use super::ask::Ask;
use super::compose::{self, Wanted};
use super::{Rooms, Visit, answered, read, refused, shown};
use crate::generation::Promise;
use crate::refusal::Refusal;
use crate::request;
use crate::service::Service;
use crate::streams::json;

/// How long who asks waits until a failure is written; where the history hangs, it is told what stands there.
const PATIENCE: Duration = Duration::from_secs(15);

/// A question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Behind which turn: `null` for a first one, absent for the end of the branch that is shown.
    #[serde(default, deserialize_with = "there")]
    parent: Option<Option<String>>,
    content: Box<RawValue>,
    /// It waits where an answer runs.
    #[serde(default)]
    queue: bool,
}

fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A question as it is asked, whoever read it.
pub(super) struct Question {
    pub(super) parent: Option<Option<String>>,
    pub(super) content: Content,
    pub(super) queue: bool,
    /// Under which it may be repeated.
    pub(super) key: Option<String>,
}

/// A question and its answer.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) user: Turn,
    pub(super) assistant: Turn,
    /// It was asked before, under the same key.
    pub(super) is_repeated: bool,
}

#[derive(Serialize)]
struct Shown {
    user: Box<RawValue>,
    assistant: Box<RawValue>,
}

pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answered(async {
        let (head, body) = request.into_parts();
        let Visit { rooms, caller, conversations } = Visit::of(&service, &head.headers)?;
        let body = request::read(body, service.limits.body, &service.clocks).await?;
        let question = question(&body, &head.headers)?;
        let ask = Ask::of(&service, &caller, &head.headers);
        let made = asked(&service, &rooms, conversations, id, ask, question).await?;
        let status = if made.is_repeated { StatusCode::OK } else { StatusCode::CREATED };
        let shown = Shown { user: shown::turn(&made.user), assistant: shown::turn(&made.assistant) };
        Ok(json(status, &shown))
    })
    .await
}

fn question(body: &Bytes, headers: &HeaderMap) -> Result<Question, Refusal> {
    let asked: Asked = read(body)?;
    let content = match serde_json::from_str::<String>(asked.content.get()) {
        Ok(text) => Content::text(&text),
        Err(_) => Content::from_json(asked.content.get()).map_err(|error| refused(&error))?,
    };
    let blocks: Vec<Block> =
        content.as_json().read().map_err(|_| Refusal::invalid("content: each block has a `type`"))?;
    let says = |block: &Block| {
        block.kind != "text" || block.text.as_deref().is_some_and(|text| !text.trim().is_empty())
    };
    if !blocks.iter().any(says) {
        return Err(Refusal::invalid("content: a text, or content blocks; there is nothing to ask"));
    }
    Ok(Question { parent: asked.parent, content, queue: asked.queue, key: key(headers)? })
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

/// The key under which a request may be repeated.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
    key.map(|key| Some(key.to_owned()))
        .ok_or_else(|| Refusal::invalid("Idempotency-Key: 1 to 255 visible characters"))
}

/// The name of a turn that a request with this key makes: the same for the same, so that it cannot be made twice.
///
/// Of two that it makes the one with the greater number is sorted behind the other.
pub(super) fn name(conversations: &Conversations, of: &str, key: &str, number: u8) -> String {
    let mut hash = Sha256::new();
    for part in [conversations.owner(), of, key] {
        hash.update(part.as_bytes());
        hash.update(b"\0");
    }
    let mut id = [0; 16];
    id.iter_mut().zip(hash.finalize()).for_each(|(byte, hashed)| *byte = hashed);
    id[15] = number;
    format!("turn_{}", uuid::Builder::from_random_bytes(id).into_uuid().simple())
}

/// Asks a question in a conversation, to the end of its beginning, whoever leaves meanwhile.
pub(super) async fn asked(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: Conversations,
    id: String,
    ask: Ask,
    question: Question,
) -> Result<Made, Refusal> {
    let (service, for_rooms) = (Arc::clone(service), Arc::clone(rooms));
    rooms.to_the_end(async move { make(&service, &for_rooms, conversations, &id, ask, question).await }).await
}

async fn make(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: Conversations,
    id: &str,
    ask: Ask,
    question: Question,
) -> Result<Made, Refusal> {
    let held = rooms.hold(id).await;
    let conversation = conversations.get(id).await.map_err(|error| refused(&error))?;
    let Question { parent, content, queue, key } = question;
    let mut user = NewTurn::user(content);
    let mut assistant = NewTurn::assistant(compose::model(&conversation));
    if let Some(key) = &key {
        user.id = name(&conversations, id, key, 0);
        assistant.id = name(&conversations, id, key, 1);
        if let Some(made) = repeated(&conversations, &user, &assistant.id).await? {
            return Ok(made);
        }
    }
    let parent = parent.unwrap_or_else(|| conversation.head.clone());
    let branch = branch(&conversations, id, parent.as_deref()).await?;
    let waits = runs(rooms, &branch);
    if waits && !queue {
        return Err(busy("an answer is running on this branch: wait for it, stop it, or send `queue`: true"));
    }
    if waits && branch.last().is_none_or(|last| last.role != Role::Assistant) {
        return Err(busy(
            "a question that waits goes behind the answer that it waits for: give that as `parent`",
        ));
    }
    let promise = service.live.promise();
    let order = if waits {
        assistant.state = TurnState::Queued;
        None
    } else {
        assistant.stream = Some(promise.stream().to_string());
        Some(answer::order(service, &ask, &conversation, &branch, Some(&user.content), Wanted::Answer)?)
    };
    let turns = conversations.append(id, parent.as_deref(), &[user, assistant]).await;
    let mut turns = turns.map_err(|error| refused(&error))?.into_iter();
    let (Some(user), Some(assistant)) = (turns.next(), turns.next()) else {
        return Err(Refusal::new(500, ErrorKind::Api, "the turns are not there"));
    };
    let Some(order) = order else {
        rooms.waiting.lock().insert(assistant.id.clone(), ask);
        rooms.changes.tell(&conversations, id).await;
        return Ok(Made { user, assistant, is_repeated: false });
    };
    let assistant = begun(service, rooms, conversations, assistant, ask, order, promise, held).await?;
    Ok(Made { user, assistant, is_repeated: false })
}

/// Begins the answer of a turn that was appended; gives it as it stands then.
#[expect(clippy::too_many_arguments, reason = "each is a part of one answer that begins")]
pub(super) async fn begun(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: Conversations,
    turn: Turn,
    ask: Ask,
    order: crate::record::Order,
    promise: Promise,
    held: tokio::sync::OwnedMutexGuard<()>,
) -> Result<Turn, Refusal> {
    let job = Job {
        ask,
        conversations: conversations.clone(),
        conversation: turn.conversation.clone(),
        turn: turn.id.clone(),
        order: Ok(order),
        promise,
    };
    let begun = answer::begin(service, rooms, job).await;
    drop(held);
    let Err(done) = begun else { return Ok(turn) };
    // It has failed, and why stands in it, or will once the history takes it.
    let _ = tokio::time::timeout(PATIENCE, done.cancelled()).await;
    conversations.turn(&turn.id).await.map_err(|error| refused(&error))
}

/// What the same request made before.
async fn repeated(
    conversations: &Conversations,
    user: &NewTurn,
    assistant: &str,
) -> Result<Option<Made>, Refusal> {
    let made = match conversations.turn(&user.id).await {
        Ok(made) => made,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(refused(&error)),
    };
    if made.content != user.content {
        return Err(busy("this Idempotency-Key was used for another question: use a new key for a new one"));
    }
    let assistant = conversations.turn(assistant).await.map_err(|error| refused(&error))?;
    Ok(Some(Made { user: made, assistant, is_repeated: true }))
}

/// The turns from the root to one of this conversation.
pub(super) async fn branch(
    conversations: &Conversations,
    conversation: &str,
    turn: Option<&str>,
) -> Result<Vec<Turn>, Refusal> {
    let Some(turn) = turn else { return Ok(Vec::new()) };
    let branch = conversations.path(turn).await.map_err(|error| refused(&error))?;
    if branch.last().is_none_or(|last| last.conversation != conversation) {
        let message = format!("the conversation has no turn `{turn:.60}`");
        return Err(Refusal::new(404, ErrorKind::NotFound, message));
    }
    Ok(branch)
}

/// Whether an answer is running on a branch, or its tools are.
pub(super) fn runs(rooms: &Rooms, branch: &[Turn]) -> bool {
    branch.iter().any(|turn| !turn.state.is_end())
        || branch.last().is_some_and(|last| rooms.watched(&last.id).is_some())
}

pub(super) fn busy(message: &'static str) -> Refusal {
    Refusal::new(409, ErrorKind::Conflict, message)
}

/// The conversation and the turn of a path, and what leads to the turn.
pub(super) async fn found(
    conversations: &Conversations,
    conversation: &str,
    turn: &str,
) -> Result<(Conversation, Turn), Refusal> {
    let found = conversations.get(conversation).await.map_err(|error| refused(&error))?;
    let turn = conversations.turn(turn).await.map_err(|error| refused(&error))?;
    if turn.conversation != found.id {
        return Err(Refusal::new(404, ErrorKind::NotFound, "the conversation has no such turn"));
    }
    Ok((found, turn))
}
