//! `POST /v1/conversations/{id}/turns/{turn}/retry` and `/continue`: another answer to the same question, and the rest of one that was cut.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use perennial_history::{Conversations, NewTurn, Role, State as TurnState, Turn};
use perennial_protocol::ErrorKind;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer;
use super::ask::Ask;
use super::compose::{self, Wanted};
use super::turns::{begun, branch, busy, found, key, name, runs};
use super::{Rooms, Visit, answered, refused, shown};
use crate::refusal::Refusal;
use crate::service::Service;
use crate::streams::json;

/// Stop reasons of an answer that is not whole.
const CUT_BY: [&str; 3] = ["max_tokens", "model_context_window_exceeded", "pause_turn"];

/// What is asked for once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// Another answer, beside the one that there is.
    Retry,
    /// The rest of it, behind it.
    GoOn,
}

#[derive(Serialize)]
struct Shown {
    assistant: Box<RawValue>,
}

pub(crate) async fn retry(
    State(service): State<Arc<Service>>,
    Path((id, turn)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    answered(asked(service, id, turn, headers, Again::Retry)).await
}

pub(crate) async fn go_on(
    State(service): State<Arc<Service>>,
    Path((id, turn)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    answered(asked(service, id, turn, headers, Again::GoOn)).await
}

async fn asked(
    service: Arc<Service>,
    id: String,
    turn: String,
    headers: HeaderMap,
    again: Again,
) -> Result<Response, Refusal> {
    let Visit { rooms, caller, conversations } = Visit::of(&service, &headers)?;
    let ask = Ask::of(&service, &caller, &headers);
    let key = key(&headers)?;
    let for_rooms = Arc::clone(&rooms);
    let made = rooms.to_the_end(async move {
        make(&service, &for_rooms, conversations, &id, &turn, ask, key, again).await
    });
    let (turn, is_repeated) = made.await?;
    let status = if is_repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json(status, &Shown { assistant: shown::turn(&turn) }))
}

#[expect(clippy::too_many_arguments, reason = "each is a part of one request")]
async fn make(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: Conversations,
    id: &str,
    turn: &str,
    ask: Ask,
    key: Option<String>,
    again: Again,
) -> Result<(Turn, bool), Refusal> {
    let held = rooms.hold(id).await;
    let (conversation, turn) = found(&conversations, id, turn).await?;
    if turn.role != Role::Assistant {
        return Err(Refusal::invalid(
            "only an answer can be asked for again: name a turn of the assistant's",
        ));
    }
    let mut new = NewTurn::assistant(compose::model(&conversation));
    if let Some(key) = key {
        new.id = name(&conversations, &turn.id, &key, if again == Again::Retry { 0 } else { 1 });
        match conversations.turn(&new.id).await {
            Ok(made) => return Ok((made, true)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(refused(&error)),
        }
    }
    let (parent, wanted) = match again {
        Again::Retry => {
            new.continues = turn.continues.clone();
            (turn.parent.clone(), if turn.continues.is_some() { Wanted::Rest } else { Wanted::Answer })
        }
        Again::GoOn => {
            may_go_on(&turn)?;
            new.continues = Some(turn.id.clone());
            (Some(turn.id.clone()), Wanted::Rest)
        }
    };
    let branch = branch(&conversations, id, parent.as_deref()).await?;
    if runs(rooms, &branch) {
        return Err(busy("an answer is running on this branch: wait for it, or stop it"));
    }
    let order = answer::order(service, &ask, &conversation, &branch, None, wanted)?;
    let promise = service.live.promise();
    new.stream = Some(promise.stream().to_string());
    let turns = conversations.append(id, parent.as_deref(), &[new]).await.map_err(|error| refused(&error))?;
    let made = turns.into_iter().next();
    let made = made.ok_or_else(|| Refusal::new(500, ErrorKind::Api, "the turn is not there"))?;
    begun(service, rooms, conversations, made, ask, order, promise, held).await.map(|turn| (turn, false))
}

fn may_go_on(turn: &Turn) -> Result<(), Refusal> {
    if !turn.state.is_end() {
        return Err(busy("the answer still comes: wait for it, or stop it"));
    }
    let is_cut = turn.stop_reason.as_deref().is_some_and(|reason| CUT_BY.contains(&reason));
    if turn.state == TurnState::Completed && !is_cut {
        return Err(busy("the answer is whole: there is nothing to go on with"));
    }
    Ok(())
}
