//! `GET /v1/streams/{id}/timeline`: what happened to a stream, when. A projection of its log, like a face, and as true after a restart as before.
//!
//! It tells of attempts, waits, clocks, breakers, seams and figures, and never of content.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use perennial_log::{After, Error, Kind, Reader, Record, StreamId, Time};
use perennial_protocol::sse::Decoder;
use perennial_protocol::{Event, Received};
use serde::Serialize;
use serde_json::{Value, json};

use super::lookup;
use super::object::{Object, Right, json as answer, written};
use super::query::Query;
use crate::access::Scope;
use crate::face::LogEvent;
use crate::record::AttemptNote;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::service::Service;

/// A gap between two events that is worth an entry.
const LONG_GAP: Duration = Duration::from_secs(5);
/// The most entries; a stream that has more says so.
const MOST_ENTRIES: usize = 1_000;

/// What happened to a stream.
#[derive(Debug, Serialize)]
struct Timeline {
    stream: Object,
    /// In the order of the log.
    entries: Vec<Value>,
    entries_left_out: usize,
    figures: Figures,
}

/// The stream in numbers. Times are from its first record.
#[derive(Debug, Default, Serialize)]
struct Figures {
    attempts: u32,
    events: u64,
    /// Frames of attempts that readers were not given.
    withheld: u64,
    pings: u64,
    bytes: u64,
    first_event_ms: Option<f64>,
    first_content_ms: Option<f64>,
    longest_gap_ms: f64,
    total_ms: f64,
}

pub(crate) async fn timeline(
    State(service): State<Arc<Service>>,
    Path(stream): Path<String>,
    Query(right): Query<Right>,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let stream = lookup::named(&stream)?;
        lookup::allowed(&service, &headers, right.cap.as_deref(), stream, Scope::Read).await?;
        let mut telling = Telling::default();
        telling.read(&service, stream).await.map_err(|error| Refusal::of_log(&error))?;
        let stream = Object::of(&service, stream).await?;
        let Telling { entries, entries_left_out, figures, .. } = telling;
        Ok(answer(StatusCode::OK, &Timeline { stream, entries, entries_left_out, figures }))
    };
    shown.await.unwrap_or_else(|refusal: Refusal| refusal.response(&RequestId::new()))
}

/// A timeline in the making.
#[derive(Debug, Default)]
struct Telling {
    begin: Option<Time>,
    last: Option<Time>,
    entries: Vec<Value>,
    entries_left_out: usize,
    figures: Figures,
}

impl Telling {
    async fn read(&mut self, service: &Service, stream: StreamId) -> Result<(), Error> {
        let mut so_far = Reader::attach(&service.log, stream, After::Start).await?.so_far();
        while let Some(run) = so_far.next().await? {
            for record in &run {
                self.tell(record);
            }
        }
        Ok(())
    }

    fn tell(&mut self, record: &Record) {
        let begin = *self.begin.get_or_insert(record.time);
        let at = millis(record.time.since(begin));
        self.figures.total_ms = self.figures.total_ms.max(at);
        match record.kind {
            Kind::Request => self.add(at, record, json!({"what": "asked", "time": written(record.time)})),
            Kind::Event => self.event(at, record),
            Kind::Withheld => self.figures.withheld += 1,
            Kind::Fragment => {
                let bytes = record.payload.len();
                self.add(at, record, json!({"what": "kept_apart", "bytes": bytes}));
            }
            Kind::Attempt => {
                let note = AttemptNote::decode(&record.payload);
                self.figures.attempts = self.figures.attempts.max(note.attempt);
                let what = if note.failure.is_some() { "attempt_failed" } else { "attempt_answered" };
                let mut entry = json!({"what": what});
                merge(&mut entry, serde_json::to_value(&note).unwrap_or_default());
                self.add(at, record, entry);
            }
            _ => {
                if let Some(LogEvent { name, mut data }) = LogEvent::of(record) {
                    let what = name.strip_prefix("perennial.").unwrap_or(name);
                    if let Some(data) = data.as_object_mut() {
                        data.remove("type");
                    }
                    let mut entry = json!({"what": what});
                    merge(&mut entry, data);
                    self.add(at, record, entry);
                }
            }
        }
    }

    fn event(&mut self, at: f64, record: &Record) {
        self.figures.bytes += record.payload.len() as u64;
        if let Some(last) = self.last.replace(record.time) {
            let gap = record.time.since(last);
            self.figures.longest_gap_ms = self.figures.longest_gap_ms.max(millis(gap));
            if gap >= LONG_GAP {
                self.add(at, record, json!({"what": "gap", "gap_ms": millis(gap)}));
            }
        }
        let mut decoder = Decoder::new();
        let mut input = &record.payload[..];
        while let Some(Ok(frame)) = decoder.next_frame(&mut input) {
            let is_content = match frame.event() {
                b"content_block_delta" => true,
                b"ping" => {
                    self.figures.pings += 1;
                    continue;
                }
                _ => match Received::read(frame).map(|received| received.event) {
                    Ok(None) => continue,
                    Ok(Some(event)) => self.milestone(at, record, &event),
                    Err(_) => false,
                },
            };
            self.figures.events += 1;
            self.figures.first_event_ms.get_or_insert(at);
            if is_content {
                self.figures.first_content_ms.get_or_insert(at);
            }
        }
    }

    /// What of the upstream's events is worth an entry. Whether it is content.
    fn milestone(&mut self, at: f64, record: &Record, event: &Event<'_>) -> bool {
        match event {
            Event::MessageStart(message) => {
                let entry = json!({"what": "message_start", "model": message.model, "usage": message.usage});
                self.add(at, record, entry);
            }
            Event::ContentBlockStart { index, block } => {
                let kind = serde_json::to_value(block).ok().and_then(|block| block.get("type").cloned());
                self.add(at, record, json!({"what": "block_start", "index": index, "block": kind}));
            }
            Event::MessageDelta(delta) => {
                let stop = delta.delta.stop_reason.as_ref().map(ToString::to_string);
                self.add(
                    at,
                    record,
                    json!({"what": "message_delta", "stop_reason": stop, "usage": delta.usage}),
                );
            }
            Event::ContentBlockDelta { .. } => return true,
            Event::Ping => self.figures.pings += 1,
            Event::Error(error) => {
                self.add(at, record, json!({"what": "error_event", "error": error.kind.to_string()}));
            }
            _ => {}
        }
        false
    }

    fn add(&mut self, at: f64, record: &Record, mut entry: Value) {
        if self.entries.len() >= MOST_ENTRIES && record.kind.outcome().is_none() {
            self.entries_left_out += 1;
            return;
        }
        entry["at_ms"] = at.into();
        entry["position"] = record.position().to_string().into();
        self.entries.push(entry);
    }
}

fn merge(entry: &mut Value, more: Value) {
    if let (Some(entry), Value::Object(more)) = (entry.as_object_mut(), more) {
        entry.extend(more);
    }
}

/// Milliseconds, to the microsecond.
fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
