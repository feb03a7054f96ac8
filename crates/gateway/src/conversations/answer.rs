//! The answer of a turn: its stream begun, followed to its end, and folded into the turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use http::HeaderMap;
use perennial_history::{Content, Conversation, Conversations, Decimal, Ended, Json, State, Turn};
use perennial_log::{After, Reader, StreamId};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ask::Ask;
use super::compose::{Wanted, compose};
use super::fold::{Call, Folded, fold};
use super::patience::Patience;
use super::trim::{Keep, trimmed};
use super::{Rooms, next};
use crate::generation::{Live, Promise};
use crate::policy::OnDisconnect;
use crate::record::Order;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::streams;

/// An answer that comes, or whose tools run.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) stream: StreamId,
    /// The wish that it stops.
    pub(super) stop: CancellationToken,
    /// And that what it said again and again is kept once.
    trims: AtomicBool,
    /// How it ended is in the history, and what comes next is begun.
    pub(super) done: CancellationToken,
    /// It has ended, and the history does not take how.
    unwritten: AtomicBool,
}

/// An answer to be made.
pub(super) struct Job {
    pub(super) ask: Ask,
    pub(super) conversations: Conversations,
    pub(super) conversation: String,
    pub(super) turn: String,
    /// Why there is none, where the question cannot be asked.
    pub(super) order: Result<Order, Refusal>,
    /// The stream, whose name the turn has.
    pub(super) promise: Promise,
}

/// Someone who follows an answer to its end.
pub(super) struct Watcher {
    pub(super) service: Arc<Service>,
    pub(super) rooms: Arc<Rooms>,
    pub(super) conversations: Conversations,
    pub(super) conversation: String,
    pub(super) turn: String,
    pub(super) ask: Ask,
    pub(super) watched: Arc<Watched>,
}

impl Watched {
    /// One whose stream is not there, and does not come.
    pub(super) fn without() -> Arc<Self> {
        Self::of(StreamId::new())
    }

    pub(super) fn of(stream: StreamId) -> Arc<Self> {
        let (stop, done) = (CancellationToken::new(), CancellationToken::new());
        Arc::new(Self {
            stream,
            stop,
            trims: AtomicBool::new(false),
            done,
            unwritten: AtomicBool::new(false),
        })
    }

    /// It has ended, and the history does not take how, or what follows, so far.
    pub(super) fn is_unwritten(&self) -> bool {
        self.unwritten.load(Ordering::Relaxed)
    }

    /// It is to stop.
    pub(super) fn halt(&self, keep: Keep) {
        if keep == Keep::OneCopy {
            self.trims.store(true, Ordering::Release);
        }
        self.stop.cancel();
    }
}

impl Rooms {
    pub(super) fn watched(&self, turn: &str) -> Option<Arc<Watched>> {
        self.answers.lock().get(turn).cloned()
    }

    /// How many answers have ended that the history does not take so far.
    pub(crate) fn unwritten(&self) -> usize {
        self.answers.lock().values().filter(|watched| watched.is_unwritten()).count()
    }

    /// From now on the turn can be stopped.
    pub(super) fn watch(&self, turn: &str, watched: &Arc<Watched>) {
        self.answers.lock().insert(turn.to_owned(), Arc::clone(watched));
    }
}

/// The order of an answer, if it can be asked for at all.
pub(super) fn order(
    service: &Service,
    ask: &Ask,
    conversation: &Conversation,
    branch: &[Turn],
    said: Option<&Content>,
    wanted: Wanted,
) -> Result<Order, Refusal> {
    let body = compose(conversation, branch, said, wanted)?;
    let headers: &HeaderMap = &ask.headers;
    let path = "/v1/messages".to_owned();
    let order =
        streams::ordered(service, headers, ask.owner.clone(), path, body.into(), OnDisconnect::Detach)?;
    Ok(Order { in_conversation: true, ..order })
}

/// Begins the stream of a turn that runs and has the stream's name. A turn that may not be asked for fails with that; then this is what is ready once that is
/// written.
///
/// The conversation may be held meanwhile: what needs to hold it is left to the turn's own task.
pub(super) async fn begin(
    service: &Arc<Service>,
    rooms: &Arc<Rooms>,
    job: Job,
) -> Result<(), CancellationToken> {
    let Job { ask, conversations, conversation, turn, order, promise } = job;
    let watched = Watched::of(promise.stream());
    let done = watched.done.clone();
    rooms.watch(&turn, &watched);
    let begun = order
        .and_then(|order| Live::begin_as(promise, service, order, ask.credential.clone(), ask.key.as_ref()));
    let kept = match begun {
        Ok(begun) => begun.kept.wait().await,
        Err(refusal) => Err(refusal),
    };
    let watcher = Watcher {
        service: Arc::clone(service),
        rooms: Arc::clone(rooms),
        conversations,
        conversation,
        turn,
        ask,
        watched,
    };
    match kept {
        Ok(()) => {
            watcher.tell().await;
            drop(rooms.tasks.spawn(watcher.follow()));
            Ok(())
        }
        Err(refusal) => {
            drop(rooms.tasks.spawn(watcher.refused(&refusal)));
            Err(done)
        }
    }
}

impl Watcher {
    pub(super) async fn tell(&self) {
        self.rooms.changes.tell(&self.conversations, &self.conversation).await;
    }

    /// It may not even be asked for.
    fn refused(self, refusal: &Refusal) -> BoxFuture<'static, ()> {
        let mut ended = Ended::new(State::Failed);
        let mut error = json!({"type": refusal.kind(), "message": refusal.message()});
        if let Some(wait) = refusal.wait() {
            error["retry_after_ms"] = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).into();
        }
        ended.error = Json::of(&error).ok();
        Box::pin(self.end(Folded { ended, calls: Vec::new() }))
    }

    /// Follows the stream to its end, whoever makes it, and does what follows from that.
    pub(super) fn follow(self) -> BoxFuture<'static, ()> {
        Box::pin(self.followed())
    }

    async fn followed(self) {
        let stream = self.watched.stream;
        let log = Arc::clone(&self.service.log);
        let folding = async move { fold(Reader::attach(&log, stream, After::Start).await?).await };
        let mut folding = std::pin::pin!(folding);
        let folded = tokio::select! {
            folded = &mut folding => folded,
            () = self.watched.stop.cancelled() => {
                if let Err(refusal) = streams::halt(&self.service, stream).await {
                    tracing::warn!(%stream, reason = refusal.reason(), "a stream cannot be stopped");
                }
                folding.await
            }
        };
        let mut folded = match folded {
            Ok(folded) => folded,
            Err(error) => {
                tracing::warn!(%stream, %error, "an answer cannot be read to its end");
                let refusal = Refusal::of_log(&error);
                let mut ended = Ended::new(State::Interrupted);
                ended.error = Json::of(&json!({"type": refusal.kind(), "message": refusal.message()})).ok();
                Folded { ended, calls: Vec::new() }
            }
        };
        // Its place is given back after its last record, and its bill is made before that.
        if let Some(running) = self.service.live.get(stream) {
            running.ended().await;
        }
        if self.watched.trims.load(Ordering::Acquire)
            && folded.ended.state == State::Cancelled
            && let Some(kept) = folded.ended.content.as_ref().and_then(trimmed)
        {
            folded.ended.content = Some(kept);
        }
        folded.ended.cost = self.cost().await;
        self.end(folded).await;
    }

    /// What the stream's attempts came to; `None` where one has no price, or nobody counts.
    async fn cost(&self) -> Option<Decimal> {
        let ledger = self.service.ledger.as_ref()?;
        ledger.flush().await.ok()?;
        let rows = ledger.attempts(&self.watched.stream.to_string()).await.ok()?;
        if rows.is_empty() { None } else { rows.iter().map(perennial_ledger::Row::cost).sum() }
    }

    /// Writes how it ended, and begins what comes next.
    pub(super) async fn end(self, folded: Folded) {
        let Folded { mut ended, mut calls } = folded;
        let mut patience = Patience::new();
        loop {
            let guard = self.rooms.hold(&self.conversation).await;
            match self.written(&mut ended, &calls).await {
                Ok(turn) => {
                    self.watched.unwritten.store(false, Ordering::Relaxed);
                    self.tell().await;
                    if !ended.owes {
                        calls.clear();
                    }
                    return next::next(self, turn, calls, guard).await;
                }
                Err(error) if error.is_not_found() => {
                    self.tell().await;
                    break;
                }
                Err(error) if error.is_database() => {
                    drop(guard);
                    if !self.try_again(&mut patience, &error).await {
                        break;
                    }
                }
                // What no history keeps is said in a few words, which it does keep.
                Err(error) if ended.content.is_some() || ended.owes => {
                    tracing::error!(turn = self.turn, %error, "an answer cannot be kept in the history");
                    ended = Ended::new(State::Failed);
                    ended.error = Json::of(&json!({"type": "api_error", "message": error.to_string()})).ok();
                    calls.clear();
                }
                Err(error) => {
                    tracing::error!(turn = self.turn, %error, "the end of an answer cannot be written");
                    break;
                }
            }
        }
        self.over();
    }

    async fn written(&self, ended: &mut Ended, calls: &[Call]) -> perennial_history::Result<Turn> {
        ended.owes = !calls.is_empty()
            && next::may_call(&self.conversations, &self.conversation, &self.turn, calls).await?;
        self.conversations.end(&self.turn, ended).await
    }

    /// The history does not take what is to be written: waits until it is worth another try, and lets readers know. False where it is left to the next process.
    pub(super) async fn try_again(&self, patience: &mut Patience, error: &perennial_history::Error) -> bool {
        if !self.watched.unwritten.swap(true, Ordering::Relaxed) {
            tracing::warn!(turn = self.turn, %error, "what an answer came to cannot be written; it is in the log, and tried again");
            self.tell().await;
        }
        let again = patience.again(&self.service).await;
        if !again {
            tracing::error!(turn = self.turn, %error, "what an answer came to cannot be written; it is folded again at the next start");
        }
        again
    }

    /// Nothing more comes of it.
    pub(super) fn over(self) {
        self.rooms.answers.lock().remove(&self.turn);
        self.watched.done.cancel();
    }
}
