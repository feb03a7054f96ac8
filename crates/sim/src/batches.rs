//! `/v1/messages/batches`: created, polled, listed, cancelled, read, deleted.
//!
//! The answers are made when a batch is created and become visible when the pace would have had them ready.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query};
use axum::response::Response;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::answer::Refused;
use crate::call::Call;
use crate::desk::Desk;
use crate::events;
use crate::journal::Outcome;
use crate::mind::{Manners, digest};
use crate::models::Page;
use crate::reply;

/// Requests in one batch.
const MOST_REQUESTS: usize = 10_000;
/// Batches kept; beyond, the oldest are forgotten.
const MOST_BATCHES: usize = 200;
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// All batches, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    kept: Mutex<Vec<Batch>>,
}

#[derive(Clone, Debug)]
struct Batch {
    id: String,
    created: Timestamp,
    started: Instant,
    /// When it was cancelled, after its start.
    cancelled: Option<Duration>,
    items: Vec<Item>,
}

#[derive(Clone, Debug)]
struct Item {
    custom_id: String,
    result: Value,
    /// After the start of the batch.
    ready: Duration,
}

impl Batch {
    /// The time up to which items got ready: all of it, or up to the cancel.
    fn horizon(&self) -> Duration {
        let elapsed = self.started.elapsed();
        self.cancelled.map_or(elapsed, |cancelled| cancelled.min(elapsed))
    }

    fn ended(&self) -> bool {
        let horizon = self.horizon();
        self.cancelled.is_some() || self.items.iter().all(|item| item.ready <= horizon)
    }

    fn to_json(&self) -> Value {
        let (horizon, ended) = (self.horizon(), self.ended());
        let ready = |kind: &str| {
            let of_kind = |item: &&Item| item.ready <= horizon && item.result["type"] == kind;
            self.items.iter().filter(of_kind).count()
        };
        let (succeeded, errored) = (ready("succeeded"), ready("errored"));
        let rest = self.items.len() - succeeded - errored;
        let after =
            |span: Duration| SignedDuration::try_from(span).map_or(self.created, |span| self.created + span);
        let last = self.items.iter().map(|item| item.ready).max().unwrap_or_default();
        json!({
            "id": self.id,
            "type": "message_batch",
            "processing_status": if ended { "ended" } else { "in_progress" },
            "request_counts": {
                "processing": if ended { 0 } else { rest },
                "succeeded": succeeded,
                "errored": errored,
                "canceled": if ended { rest } else { 0 },
                "expired": 0,
            },
            "ended_at": ended.then(|| after(self.cancelled.unwrap_or(last)).to_string()),
            "created_at": self.created.to_string(),
            "expires_at": (self.created + LIFETIME).to_string(),
            "archived_at": null,
            "cancel_initiated_at": self.cancelled.map(|span| after(span).to_string()),
            "results_url": ended.then(|| format!("/v1/messages/batches/{}/results", self.id)),
        })
    }

    fn results(&self) -> String {
        let horizon = self.horizon();
        let mut lines = String::new();
        for item in &self.items {
            let result =
                if item.ready <= horizon { item.result.clone() } else { json!({"type": "canceled"}) };
            lines.push_str(&json!({"custom_id": item.custom_id, "result": result}).to_string());
            lines.push('\n');
        }
        lines
    }
}

impl Batches {
    fn find<T>(&self, id: &str, then: impl FnOnce(&mut Batch) -> T) -> Result<T, Refused> {
        let mut kept = self.kept.lock();
        let batch = kept.iter_mut().find(|batch| batch.id == id);
        batch.map(then).ok_or_else(|| Refused::not_found(format!("Message Batch {id} not found")))
    }
}

/// The requests of a batch that the mind found valid.
fn requests(body: &Value) -> Result<Vec<(String, Value)>, Refused> {
    let requests = body.get("requests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if requests.len() > MOST_REQUESTS {
        let message = format!(
            "requests: the simulator takes at most {MOST_REQUESTS} in a batch, not {}",
            requests.len()
        );
        return Err(Refused::invalid(message));
    }
    let read = |request: &Value| {
        let id = request.get("custom_id").and_then(Value::as_str).unwrap_or_default();
        (id.to_owned(), request.get("params").cloned().unwrap_or_default())
    };
    Ok(requests.iter().map(read).collect())
}

/// Answers all requests of a batch; takes its time.
fn work(desk: &Desk, headers: &HeaderMap, requests: Vec<(String, Value)>) -> Vec<Item> {
    let answer = |(custom_id, params): (String, Value)| {
        let (result, tokens) = match desk.mind.validate(&params, headers) {
            Ok(()) => {
                let manners = Manners { at: desk.started.elapsed(), ..Manners::default() };
                let answer = desk.mind.answer(&params, &manners);
                let mut message = events::message(&answer);
                message["usage"]["service_tier"] = json!("batch");
                (json!({"type": "succeeded", "message": message}), answer.usage.output_tokens)
            }
            Err(refused) => {
                let error = json!({"type": refused.error_type, "message": refused.message});
                (
                    json!({"type": "errored", "error": {"type": "error", "error": error, "request_id": null}}),
                    0,
                )
            }
        };
        let wait = if desk.pace.tokens_per_second.is_some() { desk.pace.ttft } else { Duration::ZERO };
        Item { custom_id, result, ready: wait + desk.pace.time_for(tokens) }
    };
    requests.into_iter().map(answer).collect()
}

pub(crate) async fn create(mut call: Call) -> Response {
    let body = call.read_json().await;
    let headers = &call.head.headers;
    let valid = body.and_then(|body| call.desk.mind.validate_batch(&body, headers).map(|()| body));
    let requests = match valid.and_then(|body| requests(&body)) {
        Ok(requests) => requests,
        Err(refused) => return call.refuse(&refused),
    };
    let (desk, headers) = (Arc::clone(&call.desk), call.head.headers.clone());
    let Ok(items) = tokio::task::spawn_blocking(move || work(&desk, &headers, requests)).await else {
        return call.refuse(&Refused::new(500, "api_error", "Internal server error"));
    };
    let id = digest::id("msgbatch_", digest::of(call.desk.seed, &[&call.request_id]));
    let batch = Batch { id, created: Timestamp::now(), started: Instant::now(), cancelled: None, items };
    let shown = batch.to_json();
    let mut kept = call.desk.batches.kept.lock();
    if kept.len() >= MOST_BATCHES {
        kept.remove(0);
    }
    kept.push(batch);
    drop(kept);
    call.answer_json(&shown)
}

pub(crate) async fn list(Query(page): Query<Page>, call: Call) -> Response {
    answered(call, |desk| {
        let newest_first: Vec<Value> = desk.batches.kept.lock().iter().rev().map(Batch::to_json).collect();
        page.of(&newest_first)
    })
}

pub(crate) async fn get(Path(id): Path<String>, call: Call) -> Response {
    answered(call, |desk| desk.batches.find(&id, |batch| batch.to_json()))
}

pub(crate) async fn cancel(Path(id): Path<String>, call: Call) -> Response {
    answered(call, |desk| {
        desk.batches.find(&id, |batch| {
            if batch.ended() {
                return batch.to_json();
            }
            batch.cancelled = Some(batch.started.elapsed());
            let mut shown = batch.to_json();
            // The service finishes what it cannot stop; its answer to the call itself says so.
            shown["processing_status"] = json!("canceling");
            shown["ended_at"] = Value::Null;
            shown["results_url"] = Value::Null;
            shown
        })
    })
}

pub(crate) async fn delete(Path(id): Path<String>, call: Call) -> Response {
    answered(call, |desk| {
        if !desk.batches.find(&id, |batch| batch.ended())? {
            return Err(Refused::invalid(format!(
                "Message Batch {id} is still being processed; cancel it first"
            )));
        }
        desk.batches.kept.lock().retain(|batch| batch.id != id);
        Ok(json!({"id": id, "type": "message_batch_deleted"}))
    })
}

pub(crate) async fn results(Path(id): Path<String>, call: Call) -> Response {
    let found = call.desk.batches.find(&id, |batch| batch.ended().then(|| batch.results()));
    match found {
        Ok(Some(lines)) => {
            call.recording.note(|entry| entry.bytes = lines.len() as u64);
            call.finish(
                reply::answer("application/x-jsonl", lines.into(), &call.request_id),
                Outcome::Completed,
            )
        }
        Ok(None) => {
            let message = format!("Message Batch {id} has no available results: it is still being processed");
            call.refuse(&Refused::not_found(message))
        }
        Err(refused) => call.refuse(&refused),
    }
}

fn answered(call: Call, body: impl FnOnce(&Desk) -> Result<Value, Refused>) -> Response {
    match body(&call.desk) {
        Ok(body) => call.answer_json(&body),
        Err(refused) => call.refuse(&refused),
    }
}
