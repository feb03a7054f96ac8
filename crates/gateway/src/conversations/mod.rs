//! Conversations: trees of turns in the history, whose answers are streams of the gateway's own.
//!
//! The log is the truth about an answer while it comes, and the history once it has ended: one task for each answer folds its stream into its turn, and starts what
//! comes next, a step of a tool loop or the question that waits. Nothing here asks an upstream; an answer is ordered as by `POST /v1/streams`, with the owner, the
//! limits and the budget of whoever asks.

mod again;
mod answer;
mod ask;
mod change;
mod changes;
mod compose;
mod create;
mod fold;
mod growing;
mod list;
mod next;
mod page;
mod patience;
mod session;
mod settings;
mod settle;
mod show;
mod shown;
mod stop;
mod tools;
mod transfer;
mod trim;
mod turns;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Weak};

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use perennial_history::{Conversations, History};
use perennial_protocol::ErrorKind;
use serde::de::DeserializeOwned;
use tokio_util::task::TaskTracker;

pub(crate) use self::again::{go_on, retry};
pub(crate) use self::change::{change, delete};
pub(crate) use self::changes::events;
pub(crate) use self::create::create;
pub(crate) use self::list::list;
pub(crate) use self::page::{ask as ask_form, conversation as page, front};
pub(crate) use self::session::session;
pub(crate) use self::settle::settle;
pub(crate) use self::show::show;
pub(crate) use self::stop::stop;
pub use self::tools::FetchPolicy;
pub(crate) use self::transfer::{export, import};
pub(crate) use self::turns::create as create_turns;

use self::answer::Watched;
use self::ask::Ask;
use self::changes::Changes;
use crate::access::Caller;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::service::Service;

/// What all conversations of a gateway share.
#[derive(Debug)]
pub(crate) struct Rooms {
    pub(crate) history: History,
    changes: Changes,
    /// The answers that come, or whose tools run, by the names of their turns.
    answers: Mutex<HashMap<String, Arc<Watched>>>,
    /// With what those that wait are asked.
    waiting: Mutex<HashMap<String, Ask>>,
    locks: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
    /// Their tasks, for those who wait until the last has ended.
    tasks: TaskTracker,
}

impl Rooms {
    pub(crate) fn new(history: History) -> Self {
        Self {
            history,
            changes: Changes::default(),
            answers: Mutex::default(),
            waiting: Mutex::default(),
            locks: Mutex::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Ready when no answer is folded any more. Nothing may begin afterwards.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// One conversation, held: what is read of it stays true until what follows from that is written.
    async fn hold(&self, conversation: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock();
            match locks.get(conversation).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    locks.retain(|_, lock| lock.strong_count() > 0);
                    let lock = Arc::new(tokio::sync::Mutex::new(()));
                    locks.insert(conversation.to_owned(), Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }

    /// Does something to its end, though whoever asked for it may leave in between.
    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let done = self.tasks.spawn(work).await;
        done.unwrap_or_else(|_| Err(Refusal::new(500, ErrorKind::Api, "this could not be done to its end")))
    }
}

/// What takes a processor for long is done beside the lanes, whose streams would wait for it.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| {
        Refusal::new(500, ErrorKind::Api, "this could not be made, which is a fault of the gateway's")
    })
}

/// Who asks, and what is theirs.
struct Visit {
    rooms: Arc<Rooms>,
    caller: Caller,
    conversations: Conversations,
}

impl Visit {
    fn of(service: &Service, headers: &HeaderMap) -> Result<Self, Refusal> {
        let caller = service.access.admit(headers)?;
        let rooms = service.rooms.clone().ok_or_else(|| {
            Refusal::new(
                404,
                ErrorKind::NotFound,
                "this gateway keeps no conversations: it was started without a history",
            )
        })?;
        let conversations = rooms.history.of(caller.owner.name());
        Ok(Self { rooms, caller, conversations })
    }
}

/// What the history says of a conversation, or of itself.
fn refused(error: &perennial_history::Error) -> Refusal {
    if error.is_not_found() {
        Refusal::new(404, ErrorKind::NotFound, error.to_string())
    } else if error.is_invalid() {
        Refusal::invalid(error.to_string())
    } else if error.is_conflict() {
        Refusal::new(409, ErrorKind::Conflict, error.to_string())
    } else {
        tracing::warn!(%error, "the history does not answer");
        Refusal::new(503, ErrorKind::Overloaded, "the gateway's history does not answer; try again later")
    }
}

/// The body of a request as JSON; nothing is an empty object.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    let body = if body.iter().all(u8::is_ascii_whitespace) { &b"{}"[..] } else { &body[..] };
    serde_json::from_slice(body)
        .map_err(|error| Refusal::invalid(format!("the body of the request: {error}")))
}

async fn answered(response: impl Future<Output = Result<Response, Refusal>>) -> Response {
    response.await.unwrap_or_else(|refusal| refusal.response(&RequestId::new()))
}
