//! `GET /v1/conversations/{id}`: a conversation with all its turns; or, for who takes only text, the answer that comes, as it comes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::{ACCEPT, CONTENT_TYPE, TRAILER};
use http::{HeaderMap, HeaderValue, StatusCode};
use perennial_history::{Conversation, Conversations, Json, Role, Turn};
use perennial_log::{After, StreamId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::{Visit, answered, beside, refused, shown};
use crate::face::{self, Cursor, Face, FaceBody};
use crate::headers;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::streams::{self, Attach, Attached, Query, attach};

/// What is said of an answer that is in the log and not in the history.
const UNWRITTEN: &str = "the answer has ended, and the gateway's history does not take it at present: it is whole in its stream, and is written when that is possible";

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    format: Option<String>,
}

#[derive(Serialize)]
struct Turns {
    turns: Vec<Box<RawValue>>,
}

pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    answered(async {
        let Visit { rooms, conversations, .. } = Visit::of(&service, &headers)?;
        let tape = match asked.format.as_deref() {
            None | Some("json") => false,
            Some("tape") => true,
            Some("text") => return text(&service, &conversations, &id).await,
            Some(_) => return Err(Refusal::invalid("format: `tape` or `text`, or nothing for JSON")),
        };
        if wants_text(&headers) {
            return text(&service, &conversations, &id).await;
        }
        let (conversation, mut turns) = whole(&conversations, &id).await?;
        for turn in &mut turns {
            if rooms.watched(&turn.id).is_some_and(|watched| watched.is_unwritten()) {
                turn.error = Json::of(&json!({"type": "api_error", "message": UNWRITTEN})).ok();
            }
        }
        let turns = match tape {
            true => beside(move || turns.iter().map(shown::taped).collect()).await?,
            false => turns.iter().map(shown::turn).collect(),
        };
        let turns = Turns { turns };
        let mut body = serde_json::to_string(&conversation).unwrap_or_default();
        // Both are objects, and the first has members.
        body.truncate(body.len().saturating_sub(1));
        body.push(',');
        body.push_str(serde_json::to_string(&turns).unwrap_or_default().trim_start_matches('{'));
        let body = RawValue::from_string(body).unwrap_or_default();
        Ok(streams::json(StatusCode::OK, &body))
    })
    .await
}

/// Whether who asks takes text, and does not take JSON before it.
fn wants_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let mut media = accept.split(',').map(|media| media.split(';').next().unwrap_or_default().trim());
    media.find(|media| matches!(*media, "application/json" | "text/plain" | "*/*")) == Some("text/plain")
}

/// A conversation and all its turns.
pub(super) async fn whole(
    conversations: &Conversations,
    id: &str,
) -> Result<(Conversation, Vec<Turn>), Refusal> {
    let conversation = conversations.get(id).await.map_err(|error| refused(&error))?;
    let turns = conversations.turns(id).await.map_err(|error| refused(&error))?;
    Ok((conversation, turns))
}

/// The answer that comes, else the last of the branch that is shown.
pub(super) async fn text(
    service: &Service,
    conversations: &Conversations,
    id: &str,
) -> Result<Response, Refusal> {
    let (conversation, turns) = whole(conversations, id).await?;
    let live = conversation.live.as_deref().and_then(|stream| stream.parse::<StreamId>().ok());
    let attached = match live {
        Some(stream) => match attach(service, stream, After::Start).await {
            // Another gateway's, or nobody's any more: there is nothing of it here.
            Err(Attach::Log(error)) if error.is_not_found() || error.is_gone() => None,
            attached => Some((stream, attached.map_err(|refused| refused.refusal())?)),
        },
        None => None,
    };
    if let Some((stream, Attached { reader, shelf, presence })) = attached {
        let body = FaceBody::new(Cursor::new(reader, None), Face::Text, shelf, service.clocks.ping, presence);
        let mut response = Response::new(Body::new(body));
        *response.headers_mut() = face::growing(Face::Text);
        let trailers = HeaderValue::from_static("perennial-position, perennial-stop-reason");
        response.headers_mut().insert(TRAILER, trailers);
        if let Ok(name) = HeaderValue::try_from(stream.to_string()) {
            response.headers_mut().insert(headers::STREAM, name);
        }
        return Ok(response);
    }
    let branch = shown_branch(&turns, conversation.head.as_deref());
    let answer = branch.iter().rev().find(|turn| turn.role == Role::Assistant);
    let mut text = answer.map(|turn| turn.content.visible_text()).unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

/// The turns of a branch from its root on.
pub(super) fn shown_branch<'a>(turns: &'a [Turn], head: Option<&str>) -> Vec<&'a Turn> {
    let mut branch = Vec::new();
    let mut next = head;
    while let Some(turn) = next.and_then(|id| turns.iter().find(|turn| turn.id == id)) {
        branch.push(turn);
        next = turn.parent.as_deref();
        // A tree has no rings; whoever wrote one is not followed for ever.
        if branch.len() > turns.len() {
            break;
        }
    }
    branch.reverse();
    branch
}
