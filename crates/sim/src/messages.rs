//! `POST /v1/messages` and `/v1/messages/count_tokens`.
//!
//! The order of things is the one of the service behind its proxies: key, body, what happens before the request is looked at (a
//! break, a wait, a status), the rules of the API, the answer.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use serde_json::{Value, json};

use crate::answer::Refused;
use crate::call::Call;
use crate::fault::{Fault, Place, Tampered, WrongBody, tamper};
use crate::frame::{Frame, Frames};
use crate::journal::{Outcome, Phase};
use crate::line::Cut;
use crate::mind::digest;
use crate::orders::{ATTEMPT_HEADER, HEADER, Orders};
use crate::pace::{Metronome, Pace};
use crate::reply;
use crate::scenario::Script;
use crate::source::Source;
use crate::stream::{Playing, Score};

const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";
/// Pings of a `ping-stall`, where the pace has fewer: a test does not wait for the half minute of the service.
const SLOWEST_PING: Duration = Duration::from_secs(1);

/// All that is ordered for one request.
struct Brief {
    orders: Orders,
    script: Option<Script>,
    /// The faults that this attempt meets.
    faults: Vec<Fault>,
    /// The seed of everything random about the response.
    seed: u64,
}

pub(crate) async fn create(mut call: Call) -> Response {
    call.line.cap_writes(0);
    let body = match call.read().await {
        Ok(body) => body,
        Err(refused) => return call.refuse(&refused),
    };
    let request: Value = match call.parse(&body) {
        Ok(request) => request,
        Err(refused) => return call.refuse(&refused),
    };
    let stream = request.get("stream").and_then(Value::as_bool).unwrap_or(false);
    call.recording.note(|entry| {
        entry.model = request.get("model").and_then(Value::as_str).map(str::to_owned);
        entry.stream = stream;
    });
    let brief = match brief(&call, &request, &body) {
        Ok(brief) => brief,
        Err(refused) => return call.refuse(&refused),
    };
    let shown: Vec<String> = brief.faults.iter().map(Fault::to_string).collect();
    call.recording.note(|entry| entry.faults = shown.join(","));
    for fault in &brief.faults {
        match fault {
            Fault::Writes(bytes) => call.line.cap_writes(*bytes),
            Fault::Stall { span, place: Place::Headers, .. } => wait(*span).await,
            Fault::Fin(Place::Headers) => return broken(call, Cut::Fin).await,
            Fault::Rst(Place::Headers) => return broken(call, Cut::Rst).await,
            Fault::Status(status) => {
                let response = reply::fault(status, &call.request_id);
                return call.finish(response, Outcome::Refused);
            }
            _ => {}
        }
    }
    let script = brief.script.as_ref();
    let found = Source::find(&call.desk, &call.head.headers, &request, &brief.orders.manners, script).await;
    let source = match found {
        Ok(source) => source,
        Err(refused) => return call.refuse(&refused),
    };
    let mut pace = source.pace(&call.desk).with(&brief.orders.pace);
    let mut wrong_body = None;
    for fault in &brief.faults {
        match fault {
            Fault::Drip(rate) => {
                pace = Pace { tokens_per_second: Some(*rate), jitter: 0.0, burst: 1, ..pace }
            }
            Fault::Body(wrong) => wrong_body = Some(*wrong),
            _ => {}
        }
    }
    match wrong_body {
        Some(WrongBody::Html) => call.finish(
            reply::answer("text/html; charset=utf-8", reply::PAGE.into(), &call.request_id),
            Outcome::Faulted,
        ),
        Some(WrongBody::Empty) => {
            call.finish(reply::answer(EVENT_STREAM, Body::empty(), &call.request_id), Outcome::Faulted)
        }
        None if stream => streamed(call, source, pace, &brief).await,
        Some(WrongBody::Json) | None => folded(call, source, pace, &brief).await,
    }
}

/// Reads all orders for the request, in the order in which they override each other.
fn brief(call: &Call, request: &Value, body: &[u8]) -> Result<Brief, Refused> {
    let script = call.desk.scenario.script(request);
    let mut lines = vec![call.desk.orders.clone()];
    lines.extend(script.as_ref().map(|script| script.orders.clone()));
    lines.extend(call.desk.take_armed());
    for value in call.head.headers.get_all(HEADER) {
        let line = value.to_str().map_err(|_| Refused::invalid(format!("{HEADER}: write it in ASCII")))?;
        lines.push(line.to_owned());
    }
    let mut orders = Orders::default();
    for line in &lines {
        orders.add(line).map_err(|error| Refused::invalid(format!("{HEADER}: {error}")))?;
    }
    let seed = orders.seed.unwrap_or(call.desk.seed);
    let key = match call.head.headers.get(ATTEMPT_HEADER) {
        Some(key) => digest::siphash(seed, 1, key.as_bytes()),
        None => digest::siphash(seed, digest::of(seed, &[&lines.join("\n")]), body),
    };
    let attempt = if orders.faults.is_empty() { 0 } else { call.desk.attempt(key) };
    let mut rng = fastrand::Rng::with_seed(digest::siphash(seed, key, &attempt.to_le_bytes()));
    let faults = orders.faults.met(attempt, &mut rng);
    Ok(Brief { orders, script, faults, seed })
}

async fn streamed(mut call: Call, source: Source, pace: Pace, brief: &Brief) -> Response {
    let (id, usage, frames) = source.play(brief.seed);
    let seed = digest::of(brief.seed, &[id.as_deref().unwrap_or_default(), "wire"]);
    call.recording.note(|entry| entry.message_id = id);
    call.recording.will_bill(&usage);
    let metronome = Metronome::new(pace.clone(), seed);
    begin(call, EVENT_STREAM, frames, pace, metronome, &brief.faults, seed).await
}

async fn folded(mut call: Call, source: Source, pace: Pace, brief: &Brief) -> Response {
    let (message, usage) = match source.fold() {
        Ok(folded) => folded,
        Err(refused) => return call.refuse(&refused),
    };
    call.recording
        .note(|entry| entry.message_id = message.get("id").and_then(Value::as_str).map(str::to_owned));
    call.recording.will_bill(&usage);
    let mut metronome = Metronome::new(pace.clone(), brief.seed);
    tokio::time::sleep(metronome.before(usage.output_tokens)).await;
    call.recording.billed_whole();
    let breaks = |fault: &&Fault| {
        matches!(
            fault,
            Fault::Fin(_) | Fault::Rst(_) | Fault::End(_) | Fault::Stall { .. } | Fault::Garbage { .. }
        )
    };
    let faults: Vec<Fault> = brief.faults.iter().filter(breaks).cloned().collect();
    if faults.iter().all(|fault| matches!(fault, Fault::Stall { place: Place::Headers, .. })) {
        call.recording.note(|entry| entry.phase = Phase::AfterEnd);
        return call.answer_json(&message);
    }
    let body: Frames = Box::new(std::iter::once(Frame::raw(message.to_string())));
    begin(call, JSON, body, Pace::instant(), metronome, &faults, brief.seed).await
}

/// Sends the headers when the pace has it; the body plays itself.
async fn begin(
    call: Call,
    content_type: &'static str,
    frames: Frames,
    pace: Pace,
    mut metronome: Metronome,
    faults: &[Fault],
    seed: u64,
) -> Response {
    let wait = metronome.before_headers();
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    call.recording.note(|entry| {
        entry.status = Some(200);
        entry.phase = entry.phase.max(Phase::BeforeContent);
    });
    let ping = pace.ping.unwrap_or(SLOWEST_PING).min(SLOWEST_PING);
    let Tampered { acts, at_bytes } = if faults.is_empty() {
        Tampered { acts: Box::new(frames.map(crate::stream::Act::Send)), at_bytes: VecDeque::new() }
    } else {
        tamper(frames, faults, ping, &call.request_id, seed)
    };
    let score = Score { acts, at_bytes, pace, metronome, recording: call.recording, line: call.line };
    reply::answer(content_type, Body::new(Playing::new(score)), &call.request_id)
}

async fn wait(span: Option<Duration>) {
    match span {
        Some(span) => tokio::time::sleep(span).await,
        None => std::future::pending().await,
    }
}

/// Tells the connection to break, and waits until it did.
async fn broken(call: Call, cut: Cut) -> Response {
    call.recording.ended(Outcome::Faulted);
    call.line.cut(cut);
    std::future::pending().await
}

pub(crate) async fn count_tokens(mut call: Call) -> Response {
    let request = call.read_json().await;
    let headers = &call.head.headers;
    match request.and_then(|request| call.desk.mind.validate_count(&request, headers).map(|()| request)) {
        Ok(request) => {
            let model = request.get("model").and_then(Value::as_str).map(str::to_owned);
            call.recording.note(|entry| entry.model = model);
            let tokens = call.desk.mind.count_tokens(&request);
            call.answer_json(&json!({"input_tokens": tokens}))
        }
        Err(refused) => call.refuse(&refused),
    }
}
