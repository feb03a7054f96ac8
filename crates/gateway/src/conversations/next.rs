//! What comes after an answer: a step of a tool loop, or the question that waits.
//!
//! An answer that calls tools ends owing what follows (`Ended::owes`), and owes it until results and next answer are written, in one go. So whatever is killed in
//! between is found by the next process, and nothing follows twice.

use std::sync::Arc;

use perennial_history::{Content, Conversations, Ended, NewTurn, Role, State, Turn};
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

use super::answer::{self, Job, Watcher};
use super::ask::Ask;
use super::compose::{self, Wanted};
use super::fold::{Call, calls};
use super::patience::Patience;
use super::settings::Settings;
use super::{Rooms, tools};
use crate::generation::Promise;
use crate::record::Order;
use crate::refusal::Refusal;
use crate::service::Service;

/// How many steps an answer with tools may take. The last is asked for words, so that there is an answer.
pub(super) const MAX_STEPS: usize = 16;
/// By whom a turn of the user's is that the tools made.
pub(super) const BY_TOOLS: &str = "tools";

/// Does what comes after a turn, with the conversation held: `calls` are those that it owes.
pub(super) async fn next(watcher: Watcher, turn: Turn, calls: Vec<Call>, guard: OwnedMutexGuard<()>) {
    if calls.is_empty() {
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
    let step = Step { turn, calls, given: id(), answer: id() };
    let mut patience = Patience::new();
    loop {
        let guard = watcher.rooms.hold(&watcher.conversation).await;
        // Whoever stops it does so with the conversation held: what is not stopped here has a step behind it that can be.
        let results = results.clone().filter(|_| !watcher.watched.stop.is_cancelled());
        match step.write(&watcher, results).await {
            Err(error) if error.is_database() => {
                drop(guard);
                if !watcher.try_again(&mut patience, &error).await {
                    return watcher.over();
                }
            }
            written => {
                if let Err(error) = written
                    && !error.is_not_found()
                {
                    tracing::error!(turn = step.turn.id, %error, "a step of a tool loop cannot be written");
                    no_more(&watcher, &step.turn).await;
                }
                watcher.over();
                return drop(guard);
            }
        }
    }
}

/// Goes on with what a process before this one owed behind a turn. All tools only read: where it was killed while they did, they do so again.
pub(super) async fn resume(watcher: Watcher, turn: Turn) {
    let mut patience = Patience::new();
    loop {
        let guard = watcher.rooms.hold(&watcher.conversation).await;
        let calls = calls(&turn.content);
        match may_call(&watcher.conversations, &turn.conversation, &turn.id, &calls).await {
            Ok(true) => return next(watcher, turn, calls, guard).await,
            Err(error) if error.is_database() => {
                drop(guard);
                if !watcher.try_again(&mut patience, &error).await {
                    return watcher.over();
                }
            }
            // Its tools were taken from it meanwhile.
            _ => {
                no_more(&watcher, &turn).await;
                return watcher.over();
            }
        }
    }
}

/// Nothing follows by itself; the question that waits is next. The conversation is held.
async fn no_more(watcher: &Watcher, turn: &Turn) {
    let Watcher { service, rooms, conversations, .. } = watcher;
    if let Err(error) = conversations.owe_nothing(&turn.id).await {
        tracing::warn!(turn = turn.id, %error, "that nothing follows cannot be written");
    }
    watcher.tell().await;
    start_waiting(service, rooms, conversations, turn).await;
}

/// Whether all calls are of tools of this gateway that the conversation has, and there may be another step.
pub(super) async fn may_call(
    conversations: &Conversations,
    conversation: &str,
    turn: &str,
    calls: &[Call],
) -> perennial_history::Result<bool> {
    let conversation = conversations.get(conversation).await?;
    let settings = Settings::of(&conversation.settings);
    let branch = conversations.path(turn).await?;
    Ok(!calls.is_empty()
        && steps(&branch) < MAX_STEPS
        && calls.iter().all(|call| settings.tools.contains(&call.name)))
}

/// What follows a turn that called tools. The names stand from the beginning, so that a try whose outcome is not known can be repeated.
struct Step {
    turn: Turn,
    calls: Vec<Call>,
    given: String,
    answer: String,
}

impl Step {
    /// Writes what the tools gave, and asks for the next step; without results it was stopped in between. The conversation is held.
    async fn write(&self, watcher: &Watcher, results: Option<Vec<Value>>) -> perennial_history::Result<()> {
        let Self { turn, calls, .. } = self;
        let Watcher { service, rooms, conversations, .. } = watcher;
        let is_stopped = results.is_none();
        let stopped = || calls.iter().map(|call| tools::failed(call, "This call was stopped.")).collect();
        let content = Content::of(&results.unwrap_or_else(stopped))?;
        let conversation = conversations.get(&turn.conversation).await?;
        let branch = conversations.path(&turn.id).await?;
        let wanted = if steps(&branch) + 1 >= MAX_STEPS { Wanted::Words } else { Wanted::Answer };
        let order = answer::order(service, &watcher.ask, &conversation, &branch, Some(&content), wanted);
        let mut given = NewTurn::user(content);
        (given.id, given.by) = (self.given.clone(), Some(BY_TOOLS.to_owned()));
        let mut answer = NewTurn::assistant(compose::model(&conversation));
        // A name of its own for each try: the log takes fresh ones only, and the history may refuse for long.
        let promise = service.live.promise();
        (answer.id, answer.stream) = (self.answer.clone(), Some(promise.stream().to_string()));
        if is_stopped {
            (answer.state, answer.stream) = (State::Cancelled, None);
        }
        let turns = conversations.turns(&turn.conversation).await?;
        // A question that waits for the answer waits for this part of it as well.
        let waiting = waiting_behind(&turns, &turn.id).map(|(asked, _)| asked.id.as_str());
        let made = match conversations.follow(&turn.id, &[given, answer], waiting).await {
            Ok(mut made) => made.pop(),
            // By a try of which nobody could say that it was written; or by somebody else, whose step it is.
            Err(error) if error.is_conflict() => match conversations.turn(&self.answer).await {
                Ok(made) => Some(made),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        };
        let Some(mut made) = made else { return Ok(()) };
        // An earlier try may have written what is to be otherwise by now.
        if is_stopped && !made.state.is_end() {
            made = conversations.end(&made.id, &Ended::new(State::Cancelled)).await?;
        }
        if made.state.is_end() {
            watcher.tell().await;
            start_waiting(service, rooms, conversations, &made).await;
            return Ok(());
        }
        let stream = promise.stream().to_string();
        if made.stream.as_ref() != Some(&stream) {
            conversations.start(&made.id, Some(&stream)).await?;
        }
        begin(service, rooms, conversations, &made, watcher.ask.clone(), promise, order).await;
        Ok(())
    }
}

/// The name of a turn that is not written yet.
fn id() -> String {
    NewTurn::user(Content::empty()).id
}

/// Begins the stream of a turn.
async fn begin(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    turn: &Turn,
    ask: Ask,
    promise: Promise,
    order: Result<Order, Refusal>,
) {
    let job = Job {
        ask,
        conversations: conversations.clone(),
        conversation: turn.conversation.clone(),
        turn: turn.id.clone(),
        order,
        promise,
    };
    // One that may not be asked for ends with that by itself.
    let _ = Box::pin(answer::begin(service, rooms, job)).await;
}

/// How many steps a branch ends with that tools led to.
fn steps(branch: &[Turn]) -> usize {
    let users = branch.iter().rev().filter(|turn| turn.role == Role::User);
    users.take_while(|turn| turn.by.as_deref() == Some(BY_TOOLS)).count()
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

/// Begins the answer that waits for a turn that is over, if there is one; where the history does not take that, later. The conversation is held.
pub(super) async fn start_waiting(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    over: &Turn,
) {
    let Err(error) = begin_waiting(service, rooms, conversations, over).await else { return };
    if error.is_not_found() {
        return;
    }
    tracing::warn!(turn = over.id, %error, "the question that waits cannot be begun");
    if !error.is_database() {
        return;
    }
    let (service, rooms) = (Arc::clone(service), Arc::clone(rooms));
    let (conversations, over) = (conversations.clone(), over.clone());
    let tasks = rooms.tasks.clone();
    drop(tasks.spawn(async move {
        let mut patience = Patience::new();
        while patience.again(&service).await {
            let held = rooms.hold(&over.conversation).await;
            let begun = begin_waiting(&service, &rooms, &conversations, &over).await;
            drop(held);
            if !begun.is_err_and(|error| error.is_database()) {
                return;
            }
        }
    }));
}

async fn begin_waiting(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    over: &Turn,
) -> perennial_history::Result<()> {
    let turns = conversations.turns(&over.conversation).await?;
    match waiting_behind(&turns, &over.id) {
        Some((asked, answer)) => start(service, rooms, conversations, asked, answer).await,
        None => Ok(()),
    }
}

/// Begins an answer that is written and has no stream in the log. The conversation is held.
pub(super) async fn start(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    conversations: &Conversations,
    asked: &Turn,
    answer: &Turn,
) -> perennial_history::Result<()> {
    let ask = rooms.waiting.lock().get(&answer.id).cloned();
    let ask = match ask {
        Some(ask) => ask,
        None => super::settle::ask_behind(service, conversations, asked).await,
    };
    let conversation = conversations.get(&answer.conversation).await?;
    let branch = conversations.path(&asked.id).await?;
    let promise = service.live.promise();
    conversations.start(&answer.id, Some(&promise.stream().to_string())).await?;
    rooms.waiting.lock().remove(&answer.id);
    let wanted = match answer.continues {
        Some(_) => Wanted::Rest,
        None if steps(&branch) >= MAX_STEPS => Wanted::Words,
        None => Wanted::Answer,
    };
    let order = answer::order(service, &ask, &conversation, &branch, None, wanted);
    begin(service, rooms, conversations, answer, ask, promise, order).await;
    Ok(())
}
