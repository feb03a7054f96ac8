//! What a process before this one left: turns whose answers have ended in the log, or are gone on with, tools that ran, and questions that wait.

use std::sync::Arc;
use std::time::Duration;

use perennial_history::{Conversations, Ended, Holder, Json, Running, State, Turn};
use perennial_log::{Durability, StreamId};
use serde_json::json;

use super::answer::{Watched, Watcher};
use super::ask::Ask;
use super::fold::Folded;
use super::next::{BY_TOOLS, start_waiting, waits_for};
use super::patience::Patience;
use super::{Rooms, next};
use crate::access::Owner;
use crate::service::Service;
use crate::streams::order_of;

/// A stream that the log does not know was never begun, if it is younger than this; an older one may have expired there.
const YOUNG: Duration = Duration::from_secs(3600);

/// Follows the answers that were left, to their ends; the log knows each. Streams are settled before this.
pub(crate) async fn settle(service: &Arc<Service>) {
    let Some(rooms) = &service.rooms else { return };
    match rooms.history.running().await {
        Ok(left) => settle_left(service, rooms, left).await,
        Err(error) => {
            tracing::error!(%error, "answers that an earlier process left cannot be found; it is tried again");
            let (service, for_rooms) = (Arc::clone(service), Arc::clone(rooms));
            drop(rooms.tasks.spawn(async move {
                let mut patience = Patience::new();
                while patience.again(&service).await {
                    if let Ok(left) = for_rooms.history.running().await {
                        return settle_left(&service, &for_rooms, left).await;
                    }
                }
            }));
        }
    }
}

async fn settle_left(service: &Arc<Service>, rooms: &Arc<Rooms>, left: Vec<Running>) {
    let (waiting, running): (Vec<_>, Vec<_>) =
        left.into_iter().partition(|left| left.turn.state == State::Queued);
    for left in running {
        // One of this process is watched, or will be in a moment.
        if matches!(left.holder, Holder::Other | Holder::This) || rooms.watched(&left.turn.id).is_some() {
            continue;
        }
        let conversations = rooms.history.of(&left.owner);
        if left.turn.state.is_end() {
            resume(service, rooms, conversations, left.turn, left.holder).await;
            continue;
        }
        let holder = if is_step_of_ours(service, &conversations, &left.turn).await {
            Holder::Before
        } else {
            left.holder
        };
        if holder != Holder::Before || !begun_again(service, rooms, &conversations, &left.turn).await {
            follow(service, rooms, conversations, left.turn, holder).await;
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

/// The stream of a turn, if this gateway's log has it: then the turn is this gateway's.
async fn stream_of(service: &Service, turn: &Turn) -> Option<StreamId> {
    let stream = turn.stream.as_deref()?.parse().ok()?;
    service.log.head(stream).await.ok().map(|_| stream)
}

/// Follows the stream of a turn. Without one in the log the turn is interrupted.
pub(super) async fn follow(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: Conversations,
    turn: Turn,
    holder: Holder,
) -> Option<Arc<Watched>> {
    if let Some(stream) = stream_of(service, &turn).await {
        let watcher = watcher(service, rooms, conversations, &turn, Some(stream)).await;
        let watched = Arc::clone(&watcher.watched);
        drop(rooms.tasks.spawn(watcher.follow()));
        return Some(watched);
    }
    // In a database that several gateways share it may be another's.
    if holder == Holder::Unknown {
        return None;
    }
    let mut ended = Ended::new(State::Interrupted);
    let message =
        "the gateway was ended before the answer began, or its log has nothing of it any more: ask again";
    ended.error = Json::of(&json!({"type": "api_error", "message": message})).ok();
    let watcher = watcher(service, rooms, conversations, &turn, None).await;
    let watched = Arc::clone(&watcher.watched);
    drop(rooms.tasks.spawn(async move { watcher.end(Folded { ended, calls: Vec::new() }).await }));
    Some(watched)
}

/// Goes on where a process was killed while the tools of an answer ran, or before the next step was written.
async fn resume(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: Conversations,
    turn: Turn,
    holder: Holder,
) {
    let stream = stream_of(service, &turn).await;
    if !holder.is_gone() && stream.is_none() {
        return;
    }
    let watcher = watcher(service, rooms, conversations, &turn, stream).await;
    tracing::info!(turn = turn.id, "a tool loop that an earlier process left is gone on with");
    drop(rooms.tasks.spawn(next::resume(watcher, turn)));
}

/// Begins an answer of this gateway's that was written, and whose process was killed before its stream was: what is asked stands, and nobody was asked. Where only
/// the client had a credential, nobody can be.
async fn begun_again(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    turn: &Turn,
) -> bool {
    if !service.fleet.has_credential() || !was_never_begun(service, turn).await {
        return false;
    }
    let Some(asked) = &turn.parent else { return false };
    let held = rooms.hold(&turn.conversation).await;
    let begun = async {
        let asked = conversations.turn(asked).await?;
        next::start(service, rooms, conversations, &asked, turn).await
    };
    let begun: perennial_history::Result<()> = begun.await;
    drop(held);
    if let Err(error) = &begun {
        tracing::warn!(turn = turn.id, %error, "an answer that was not begun cannot be begun now");
    }
    begun.is_ok()
}

/// Whether nothing of a turn's stream was ever written. A log that forgets everything with its process does not know.
async fn was_never_begun(service: &Service, turn: &Turn) -> bool {
    let age = jiff::Timestamp::now().duration_since(turn.created);
    if service.log.durability() == Durability::Memory || !Duration::try_from(age).is_ok_and(|age| age < YOUNG)
    {
        return false;
    }
    let Some(Ok(stream)) = turn.stream.as_deref().map(str::parse) else { return false };
    service.log.head(stream).await.is_err_and(|error| error.is_not_found())
}

/// Whether a turn answers the results of tools, and this gateway's log has the answer that called for them.
async fn is_step_of_ours(service: &Service, conversations: &Conversations, turn: &Turn) -> bool {
    let called = async {
        let asked = conversations.turn(turn.parent.as_deref()?).await.ok()?;
        let called = asked.parent.filter(|_| asked.by.as_deref() == Some(BY_TOOLS))?;
        conversations.turn(&called).await.ok()
    };
    match called.await {
        Some(called) => stream_of(service, &called).await.is_some(),
        None => false,
    }
}

/// Someone who watches a turn from now on.
async fn watcher(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: Conversations,
    turn: &Turn,
    stream: Option<StreamId>,
) -> Watcher {
    let ask = ask_of(service, &conversations, stream).await;
    let watched = stream.map_or_else(Watched::without, Watched::of);
    rooms.watch(&turn.id, &watched);
    Watcher {
        service: Arc::clone(service),
        rooms: Arc::clone(rooms),
        conversations,
        conversation: turn.conversation.clone(),
        turn: turn.id.clone(),
        ask,
        watched,
    }
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
    let is_ours = stream_of(service, before).await.is_some();
    if before.state.is_end() && rooms.watched(&before.id).is_none() && (holder.is_gone() || is_ours) {
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
