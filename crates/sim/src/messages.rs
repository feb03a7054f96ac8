//! `POST /v1/messages` and `/v1/messages/count_tokens`.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::answer::{Answer, Refused, Usage};
use crate::bench::Bench;
use crate::desk::Desk;
use crate::events;
use crate::frame::Frames;
use crate::journal::Phase;
use crate::line::Line;
use crate::mind::{Manners, digest};
use crate::orders::Orders;
use crate::pace::{Metronome, Pace};
use crate::replay::Recorded;
use crate::reply;
use crate::routes::Call;
use crate::stream::{Act, Playing, Score};

/// What a request is answered from.
enum Source {
    Answer(Box<Answer>),
    Recorded { recorded: Recorded, folded: Option<Value> },
    Bench { bench: Bench, model: String },
}

pub(crate) async fn create(
    State(desk): State<Arc<Desk>>,
    Extension(line): Extension<Arc<Line>>,
    request: Request,
) -> Response {
    let call = match Call::open(desk, line, request) {
        Ok(call) => call,
        Err(response) => return response,
    };
    respond(call).await
}

async fn respond(mut call: Call) -> Response {
    let orders = match Orders::from_headers(&call.head.headers) {
        Ok(orders) => orders,
        Err(refused) => return call.refuse(&refused),
    };
    let request = match call.read_json().await {
        Ok(request) => request,
        Err(refused) => return call.refuse(&refused),
    };
    let stream = request.get("stream").and_then(Value::as_bool).unwrap_or(false);
    call.recording.note(|entry| {
        entry.model = request.get("model").and_then(Value::as_str).map(str::to_owned);
        entry.stream = stream;
    });
    let source = match source(&call.desk, &call.head.headers, &request, &orders.manners).await {
        Ok(source) => source,
        Err(refused) => return call.refuse(&refused),
    };
    let base = match &source {
        Source::Bench { bench, .. } => bench.pace(),
        Source::Answer(_) | Source::Recorded { .. } => call.desk.pace.clone(),
    };
    let pace = base.with(&orders.pace);
    let seed = orders.seed.unwrap_or(call.desk.seed);
    if stream { streamed(call, source, pace, seed).await } else { folded(call, source, pace, seed).await }
}

async fn source(
    desk: &Desk,
    headers: &HeaderMap,
    request: &Value,
    manners: &Manners,
) -> Result<Source, Refused> {
    desk.mind.validate(request, headers)?;
    let model = request.get("model").and_then(Value::as_str).unwrap_or_default();
    if let Some(shape) = model.strip_prefix("bench:") {
        return Ok(Source::Bench { bench: Bench::parse(shape)?, model: model.to_owned() });
    }
    if let Some(name) = model.strip_prefix("replay:") {
        let Some(recordings) = desk.recordings.clone() else {
            let message =
                format!("model: {model}: this simulator has no recordings; start it with --replay DIR");
            return Err(Refused::not_found(message));
        };
        let name = name.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let recorded = recordings.load(&name)?;
            Ok(Source::Recorded { recorded, folded: recordings.message(&name) })
        });
        return read.await.unwrap_or_else(|error| Err(Refused::new(500, "api_error", error.to_string())));
    }
    let mut manners = manners.clone();
    manners.at = desk.started.elapsed();
    Ok(Source::Answer(Box::new(desk.mind.answer(request, &manners))))
}

async fn streamed(mut call: Call, source: Source, pace: Pace, seed: u64) -> Response {
    let (id, usage, frames) = play(source, &call.request_id, seed);
    let mixed = digest::of(seed, &[id.as_deref().unwrap_or_default()]);
    call.recording.note(|entry| entry.message_id = id);
    call.recording.will_bill(&usage);
    let mut metronome = Metronome::new(pace.clone(), mixed);
    tokio::time::sleep(metronome.before_headers()).await;
    call.recording.note(|entry| {
        entry.status = Some(200);
        entry.phase = entry.phase.max(Phase::BeforeContent);
    });
    let score = Score {
        acts: Box::new(frames.map(Act::Send)),
        at_bytes: VecDeque::new(),
        pace,
        metronome,
        recording: call.recording,
        line: call.line,
    };
    reply::answer("text/event-stream; charset=utf-8", Body::new(Playing::new(score)), &call.request_id)
}

fn play(source: Source, request_id: &str, seed: u64) -> (Option<String>, Usage, Frames) {
    match source {
        Source::Answer(answer) => {
            let (id, usage) = (answer.id.clone(), answer.usage.clone());
            let seed = digest::of(seed, &[&id, "events"]);
            (Some(id), usage, events::frames(*answer, seed))
        }
        Source::Recorded { recorded, .. } => {
            (recorded.message_id, recorded.usage, Box::new(recorded.frames.into_iter()))
        }
        Source::Bench { bench, model } => {
            let id = digest::id("msg_", digest::of(seed, &[request_id, &model]));
            (Some(id.clone()), bench.usage(), bench.frames(id, model, seed))
        }
    }
}

async fn folded(mut call: Call, source: Source, pace: Pace, seed: u64) -> Response {
    let (message, usage) = match source {
        Source::Answer(answer) => (events::message(&answer), answer.usage),
        Source::Recorded { folded: Some(message), recorded } => (message, recorded.usage),
        Source::Recorded { .. } | Source::Bench { .. } => {
            let message = "model: recordings and synthetic streams are answered as streams only; ask with \"stream\": true";
            return call.refuse(&Refused::invalid(message));
        }
    };
    call.recording
        .note(|entry| entry.message_id = message.get("id").and_then(Value::as_str).map(str::to_owned));
    call.recording.will_bill(&usage);
    let mut metronome = Metronome::new(pace, seed);
    tokio::time::sleep(metronome.before_headers() + metronome.before(usage.output_tokens)).await;
    call.recording.billed_whole();
    call.recording.note(|entry| entry.phase = Phase::AfterEnd);
    call.answer_json(&message)
}

pub(crate) async fn count_tokens(
    State(desk): State<Arc<Desk>>,
    Extension(line): Extension<Arc<Line>>,
    request: Request,
) -> Response {
    let mut call = match Call::open(desk, line, request) {
        Ok(call) => call,
        Err(response) => return response,
    };
    match call.read_json().await {
        Ok(request) => {
            call.recording.note(|entry| {
                entry.model = request.get("model").and_then(Value::as_str).map(str::to_owned);
            });
            let tokens = call.desk.mind.count_tokens(&request);
            call.answer_json(&json!({"input_tokens": tokens}))
        }
        Err(refused) => call.refuse(&refused),
    }
}
