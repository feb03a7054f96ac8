//! `POST /v1/conversations/{id}/turns/{turn}/stop`: in any state, before the first token, while it waits, and between two steps of a tool loop.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use perennial_history::{Conversations, Ended, Holder, State as TurnState, Turn};
use serde::Serialize;
use serde_json::value::RawValue;

use super::next::{BY_TOOLS, start_waiting};
use super::turns::found;
use super::{Rooms, Visit, answered, refused, settle, shown};
use crate::refusal::Refusal;
use crate::service::Service;
use crate::streams::json;

/// How long it waits until an answer's end is written; where the log or the history hangs, the wish stands all the same.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Serialize)]
struct Shown {
    turn: Box<RawValue>,
}

pub(crate) async fn stop(
    State(service): State<Arc<Service>>,
    Path((id, turn)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    answered(async {
        let Visit { rooms, conversations, .. } = Visit::of(&service, &headers)?;
        let (_, turn) = found(&conversations, &id, &turn).await?;
        let for_rooms = Arc::clone(&rooms);
        let stopped = rooms
            .to_the_end(async move {
                halt(&service, &for_rooms, &conversations, &turn).await?;
                conversations.turn(&turn.id).await.map_err(|error| refused(&error))
            })
            .await?;
        Ok(json(StatusCode::OK, &Shown { turn: shown::turn(&stopped, false) }))
    })
    .await
}

/// Stops a turn, and what its tools led to; ready when that is written. What has ended stays as it is.
pub(super) async fn halt(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    turn: &Turn,
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
                watched.stop.cancel();
                drop(held);
                let _ = tokio::time::timeout(PATIENCE, watched.done.cancelled()).await;
                return Ok(());
            }
            (TurnState::Running, None) => {
                drop(held);
                // Left by a process before this one: known soon.
                if !service.settled.is_cancelled() {
                    service.settled.cancelled().await;
                    continue;
                }
                return abandoned(service, rooms, conversations, &now).await;
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
) -> Result<(), Refusal> {
    let held = rooms.hold(&turn.conversation).await;
    let followed = match rooms.watched(&turn.id) {
        Some(watched) => Some(watched),
        None => settle::follow(service, rooms, conversations.clone(), turn.clone(), Holder::Unknown).await,
    };
    if let Some(watched) = followed {
        watched.stop.cancel();
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
