//! `POST /v1/conversations/{id}/turns/{turn}/stop`: in any state, before the first token, while it waits, and between two steps of a tool loop.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use perennial_history::{Conversations, Ended, Holder, State as TurnState, Turn};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::next::{BY_TOOLS, start_waiting};
use super::trim::Keep;
use super::turns::found;
use super::{Rooms, Visit, answered, read, refused, settle, shown};
use crate::refusal::Refusal;
use crate::request;
use crate::service::Service;
use crate::streams::json;

/// How long it waits until an answer's end is written; where the log or the history hangs, the wish stands all the same.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// What the answer says again and again at its end is kept once.
    #[serde(default)]
    trim: bool,
}

#[derive(Serialize)]
struct Shown {
    turn: Box<RawValue>,
}

pub(crate) async fn stop(
    State(service): State<Arc<Service>>,
    Path((id, turn)): Path<(String, String)>,
    request: Request,
) -> Response {
    answered(async {
        let (head, body) = request.into_parts();
        let Visit { rooms, conversations, .. } = Visit::of(&service, &head.headers)?;
        let body = request::read(body, service.limits.body, &service.clocks).await?;
        let Asked { trim } = read(&body)?;
        let keep = if trim { Keep::OneCopy } else { Keep::Everything };
        let (_, turn) = found(&conversations, &id, &turn).await?;
        let for_rooms = Arc::clone(&rooms);
        let stopped = rooms
            .to_the_end(async move {
                halt(&service, &for_rooms, &conversations, &turn, keep).await?;
                conversations.turn(&turn.id).await.map_err(|error| refused(&error))
            })
            .await?;
        Ok(json(StatusCode::OK, &Shown { turn: shown::turn(&stopped) }))
    })
    .await
}

/// Stops a turn, and what its tools led to; ready when that is written. What has ended stays as it is.
pub(super) async fn halt(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    turn: &Turn,
    keep: Keep,
) -> Result<(), Refusal> {
    let mut id = turn.id.clone();
    loop {
        let held = rooms.hold(&turn.conversation).await;
        // An answer that begins or ends is seen before or after that.
        let now = conversations.turn(&id).await.map_err(|error| refused(&error))?;
        let watched = rooms.watched(&id);
        match (now.state, watched) {
            (TurnState::Queued, _) => {
                end(rooms, conversations, &now, TurnState::Cancelled).await?;
                return Ok(());
            }
            (_, Some(watched)) => {
                // While the conversation is held: no step begins in between that would not know of it.
                watched.halt(keep);
                drop(held);
                let _ = tokio::time::timeout(PATIENCE, watched.done.cancelled()).await;
                return Ok(());
            }
            // Left by a process before this one, or its loop may be: known soon.
            (_, None) if !service.settled.is_cancelled() => {
                drop(held);
                service.settled.cancelled().await;
            }
            (TurnState::Running, None) => {
                drop(held);
                return abandoned(service, rooms, conversations, &now, keep).await;
            }
            (_, None) => {
                // Its loop may have gone on.
                let turns = conversations.turns(&turn.conversation).await.map_err(|error| refused(&error))?;
                match step_behind(&turns, &now) {
                    Some(step) => id = step.id.clone(),
                    None => {
                        start_waiting(service, rooms, conversations, &now).await;
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// The answer that the results of an answer's calls led to.
fn step_behind<'a>(turns: &'a [Turn], turn: &Turn) -> Option<&'a Turn> {
    let behind =
        |id: &str| turns.iter().filter(move |turn| turn.parent.as_deref() == Some(id)).collect::<Vec<_>>();
    let given = behind(&turn.id).into_iter().find(|turn| turn.by.as_deref() == Some(BY_TOOLS))?;
    behind(&given.id).into_iter().next()
}

/// A turn of which no process here knows anything: another one makes it, or none does any more.
async fn abandoned(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    turn: &Turn,
    keep: Keep,
) -> Result<(), Refusal> {
    let held = rooms.hold(&turn.conversation).await;
    let followed = match rooms.watched(&turn.id) {
        Some(watched) => Some(watched),
        None => settle::follow(service, rooms, conversations.clone(), turn.clone(), Holder::Unknown).await,
    };
    if let Some(watched) = followed {
        watched.halt(keep);
        drop(held);
        let _ = tokio::time::timeout(PATIENCE, watched.done.cancelled()).await;
        return Ok(());
    }
    // Another gateway's, or nobody's.
    end(rooms, conversations, turn, TurnState::Cancelled).await
}

async fn end(
    rooms: &Rooms,
    conversations: &Conversations,
    turn: &Turn,
    state: TurnState,
) -> Result<(), Refusal> {
    rooms.waiting.lock().remove(&turn.id);
    conversations.end(&turn.id, &Ended::new(state)).await.map_err(|error| refused(&error))?;
    rooms.changes.tell(conversations, &turn.conversation).await;
    Ok(())
}
