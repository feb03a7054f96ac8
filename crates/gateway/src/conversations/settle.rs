//! What a process before this one left: turns whose answers have ended in the log, or are gone on with, and questions that wait.

use std::sync::Arc;

use perennial_history::{Conversations, Ended, Holder, Json, State, Turn};
use perennial_log::StreamId;
use serde_json::json;

use super::Rooms;
use super::answer::{Watched, Watcher};
use super::ask::Ask;
use super::next::{start_waiting, waits_for};
use crate::access::Owner;
use crate::service::Service;
use crate::streams::order_of;

/// Follows the answers that were left, to their ends; the log knows each. Streams are settled before this.
pub(crate) async fn settle(service: &Arc<Service>) {
    let Some(rooms) = &service.rooms else { return };
    let left = match rooms.history.running().await {
        Ok(left) => left,
        Err(error) => {
            tracing::error!(%error, "answers that an earlier process left cannot be found");
            return;
        }
    };
    let (waiting, running): (Vec<_>, Vec<_>) =
        left.into_iter().partition(|left| left.turn.state == State::Queued);
    for left in running {
        // One of this process is watched, or will be in a moment.
        if !matches!(left.holder, Holder::Other | Holder::This) && rooms.watched(&left.turn.id).is_none() {
            follow(service, rooms, rooms.history.of(&left.owner), left.turn, left.holder).await;
        }
    }
    for left in waiting {
        if matches!(left.holder, Holder::Other | Holder::This) {
            continue;
        }
        let conversations = rooms.history.of(&left.owner);
        if let Err(error) = begin(service, rooms, &conversations, &left.turn, left.holder).await {
            tracing::error!(turn = left.turn.id, %error, "a question that waits cannot be begun");
        }
    }
}

/// Follows the stream of a turn. Without one in the log the turn is interrupted.
pub(super) async fn follow(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: Conversations,
    turn: Turn,
    holder: Holder,
) -> Option<Arc<Watched>> {
    let stream = turn.stream.as_deref().and_then(|stream| stream.parse::<StreamId>().ok());
    let known = match stream {
        Some(stream) => service.log.head(stream).await.ok().map(|_| stream),
        None => None,
    };
    if let Some(stream) = known {
        let ask = ask_of(service, &conversations, Some(stream)).await;
        let watched = Watched::of(stream);
        rooms.watch(&turn.id, &watched);
        let watcher = Watcher {
            service: Arc::clone(service),
            rooms: Arc::clone(rooms),
            conversations,
            conversation: turn.conversation,
            turn: turn.id,
            ask,
            watched: Arc::clone(&watched),
        };
        drop(rooms.tasks.spawn(watcher.follow()));
        return Some(watched);
    }
    // In a database that several gateways share it may be another's.
    if holder == Holder::Unknown {
        return None;
    }
    let mut ended = Ended::new(State::Interrupted);
    let message = "the gateway was ended before the answer began, or its log has nothing of it any more";
    ended.error = Json::of(&json!({"type": "api_error", "message": message})).ok();
    if let Err(error) = conversations.end(&turn.id, &ended).await {
        tracing::error!(turn = turn.id, %error, "a turn that an earlier process left cannot be ended");
        return None;
    }
    rooms.changes.tell(&conversations, &turn.conversation).await;
    None
}

/// Begins what waits for nothing that still runs.
async fn begin(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    turn: &Turn,
    holder: Holder,
) -> perennial_history::Result<()> {
    let held = rooms.hold(&turn.conversation).await;
    let turns = conversations.turns(&turn.conversation).await?;
    let Some(before) = waits_for(&turns, turn) else { return Ok(()) };
    let is_ours = match before.stream.as_deref().and_then(|stream| stream.parse::<StreamId>().ok()) {
        Some(stream) => service.log.head(stream).await.is_ok(),
        None => false,
    };
    if before.state.is_end() && rooms.watched(&before.id).is_none() && (holder == Holder::Gone || is_ours) {
        start_waiting(service, rooms, conversations, before).await;
    }
    drop(held);
    Ok(())
}

/// With what the answer to a question that waited is asked: as the answer before it was.
pub(super) async fn ask_behind(service: &Service, conversations: &Conversations, asked: &Turn) -> Ask {
    let stream = match &asked.parent {
        Some(before) => conversations.turn(before).await.ok().and_then(|turn| turn.stream?.parse().ok()),
        None => None,
    };
    ask_of(service, conversations, stream).await
}

async fn ask_of(service: &Service, conversations: &Conversations, stream: Option<StreamId>) -> Ask {
    let order = match stream {
        Some(stream) => order_of(service, stream).await.ok().flatten(),
        None => None,
    };
    match order {
        Some(order) => Ask::of_order(service, &order),
        None => Ask::of_owner(service, Owner::named(conversations.owner())),
    }
}
