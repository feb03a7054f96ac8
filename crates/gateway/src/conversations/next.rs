//! What comes after an answer: a step of a tool loop, or the question that waits.

use std::sync::Arc;

use perennial_history::{Content, Conversations, NewTurn, Role, State, Turn};
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

use super::answer::{self, Job, Watched, Watcher};
use super::ask::Ask;
use super::compose::{self, Wanted};
use super::fold::Call;
use super::settings::Settings;
use super::{Rooms, tools};
use crate::record::Order;
use crate::refusal::Refusal;
use crate::service::Service;

/// How many steps an answer with tools may take. The last is asked for words, so that there is an answer.
pub(super) const MAX_STEPS: usize = 16;
/// By whom a turn of the user's is that the tools made.
pub(super) const BY_TOOLS: &str = "tools";

/// Does what comes after a turn, with the conversation held.
pub(super) async fn next(watcher: Watcher, turn: Turn, calls: Vec<Call>, guard: OwnedMutexGuard<()>) {
    let known = !calls.is_empty() && may_call(&watcher.conversations, &turn, &calls).await;
    if !known {
        let Watcher { service, rooms, conversations, .. } = &watcher;
        start_waiting(service, rooms, conversations, &turn).await;
        return watcher.over();
    }
    // Tools may take their time, and nobody else is to wait for them.
    drop(guard);
    let results = tokio::select! {
        results = tools::run(&watcher.service, &watcher.conversations, &turn, &calls) => Some(results),
        () = watcher.watched.stop.cancelled() => None,
    };
    let guard = watcher.rooms.hold(&watcher.conversation).await;
    // Whoever stops it does so with the conversation held: what is not stopped here has a step behind it that can be.
    let results = results.filter(|_| !watcher.watched.stop.is_cancelled());
    step(&watcher, &turn, &calls, results).await;
    watcher.over();
    drop(guard);
}

/// Whether all calls are of tools of this gateway that the conversation has, and there may be another step.
async fn may_call(conversations: &Conversations, turn: &Turn, calls: &[Call]) -> bool {
    let Ok(conversation) = conversations.get(&turn.conversation).await else { return false };
    let settings = Settings::of(&conversation.settings);
    let Ok(branch) = conversations.path(&turn.id).await else { return false };
    steps(&branch) < MAX_STEPS && calls.iter().all(|call| settings.tools.contains(&call.name))
}

/// Writes what the tools gave, and asks for the next step; without results it was stopped in between.
async fn step(watcher: &Watcher, turn: &Turn, calls: &[Call], results: Option<Vec<Value>>) {
    let Watcher { service, rooms, conversations, .. } = watcher;
    let is_stopped = results.is_none();
    let stopped = || calls.iter().map(|call| tools::failed(call, "This call was stopped.")).collect();
    let results = results.unwrap_or_else(stopped);
    let made = async {
        let content = Content::of(&results)?;
        let conversation = conversations.get(&turn.conversation).await?;
        let branch = conversations.path(&turn.id).await?;
        let steps = steps(&branch);
        let wanted = if steps + 1 >= MAX_STEPS { Wanted::Words } else { Wanted::Answer };
        let order = answer::order(service, &watcher.ask, &conversation, &branch, Some(&content), wanted);
        let mut given = NewTurn::user(content);
        given.by = Some(BY_TOOLS.to_owned());
        let mut answer = NewTurn::assistant(compose::model(&conversation));
        let watched = Watched::new();
        answer.stream = Some(watched.stream.to_string());
        if is_stopped {
            (answer.state, answer.stream) = (State::Cancelled, None);
        }
        let head = conversation.head.clone();
        let turns = conversations.append(&turn.conversation, Some(&turn.id), &[given, answer]).await?;
        Ok::<_, perennial_history::Error>((order, watched, turns, head))
    };
    let (order, watched, turns, head) = match made.await {
        Ok(made) => made,
        Err(error) => {
            tracing::warn!(turn = turn.id, %error, "a step of a tool loop cannot be written");
            return;
        }
    };
    let Some(made) = turns.last() else { return };
    // A question that waits for the answer waits for this part of it as well.
    if let Err(error) = put_behind(conversations, turn, made, head.as_deref()).await {
        tracing::warn!(turn = turn.id, %error, "what waits cannot be moved, or the branch that was shown is not any more");
    }
    if is_stopped {
        watcher.tell().await;
        return start_waiting(service, rooms, conversations, made).await;
    }
    begin(service, rooms, conversations, made, watcher.ask.clone(), watched, order).await;
}

/// Begins the stream of a turn.
async fn begin(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    turn: &Turn,
    ask: Ask,
    watched: Arc<Watched>,
    order: Result<Order, Refusal>,
) {
    let job = Job {
        ask,
        conversations: conversations.clone(),
        conversation: turn.conversation.clone(),
        turn: turn.id.clone(),
        order,
        watched,
    };
    Box::pin(answer::begin(service, rooms, job)).await;
}

/// How many steps a branch ends with that tools led to.
fn steps(branch: &[Turn]) -> usize {
    let users = branch.iter().rev().filter(|turn| turn.role == Role::User);
    users.take_while(|turn| turn.by.as_deref() == Some(BY_TOOLS)).count()
}

/// Hangs what waits behind `from` behind `to`; the branch that is shown stays the same one, wherever it ends.
async fn put_behind(
    conversations: &Conversations,
    from: &Turn,
    to: &Turn,
    head: Option<&str>,
) -> perennial_history::Result<()> {
    let turns = conversations.turns(&from.conversation).await?;
    if let Some((asked, _)) = waiting_behind(&turns, &from.id) {
        conversations.put_behind(&asked.id, &to.id).await?;
    }
    match head {
        Some(head) if head != from.id => conversations.set_head(&from.conversation, head).await.map(drop),
        _ => Ok(()),
    }
}

/// The question and its answer that wait behind a turn, the first of them.
pub(super) fn waiting_behind<'a>(turns: &'a [Turn], behind: &str) -> Option<(&'a Turn, &'a Turn)> {
    let waits = turns.iter().filter(|turn| turn.state == State::Queued);
    waits
        .filter(|answer| waits_for(turns, answer).is_some_and(|turn| turn.id == behind))
        .find_map(|answer| Some((parent(turns, answer)?, answer)))
}

/// The answer that one which waits is to come after: the next above it that was not taken back before it began.
pub(super) fn waits_for<'a>(turns: &'a [Turn], answer: &Turn) -> Option<&'a Turn> {
    let mut above = parent(turns, parent(turns, answer)?)?;
    while above.state == State::Cancelled && above.stream.is_none() {
        match parent(turns, above).and_then(|asked| parent(turns, asked)) {
            Some(next) if asked_by_hand(turns, above) => above = next,
            _ => break,
        }
    }
    Some(above)
}

/// Whether an answer is one to a question of the user's own. One between the steps of a loop stays where it is.
fn asked_by_hand(turns: &[Turn], answer: &Turn) -> bool {
    parent(turns, answer).is_some_and(|asked| asked.by.is_none())
}

fn parent<'a>(turns: &'a [Turn], of: &Turn) -> Option<&'a Turn> {
    let parent = of.parent.as_deref()?;
    turns.iter().find(|turn| turn.id == parent)
}

/// Begins the answer that waits for a turn that is over, if there is one. The conversation is held.
pub(super) async fn start_waiting(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    over: &Turn,
) {
    let begun = async {
        let turns = conversations.turns(&over.conversation).await?;
        let Some((asked, answer)) = waiting_behind(&turns, &over.id) else { return Ok(()) };
        start(service, rooms, conversations, asked, answer).await
    };
    if let Err(error) = begun.await
        && !error.is_not_found()
    {
        tracing::warn!(turn = over.id, %error, "the question that waits cannot be begun");
    }
}

async fn start(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    asked: &Turn,
    answer: &Turn,
) -> perennial_history::Result<()> {
    let ask = rooms.waiting.lock().remove(&answer.id);
    let ask = match ask {
        Some(ask) => ask,
        None => super::settle::ask_behind(service, conversations, asked).await,
    };
    let conversation = conversations.get(&answer.conversation).await?;
    let branch = conversations.path(&asked.id).await?;
    let watched = Watched::new();
    conversations.start(&answer.id, Some(&watched.stream.to_string())).await?;
    let order = answer::order(service, &ask, &conversation, &branch, None, Wanted::Answer);
    begin(service, rooms, conversations, answer, ask, watched, order).await;
    Ok(())
}
