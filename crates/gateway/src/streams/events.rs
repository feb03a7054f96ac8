//! `GET /v1/streams/{id}/events`: a stream from any position, on the face that the reader asks for.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, StatusCode};
use perennial_log::{After, Error, Reader, StreamId};
use perennial_protocol::ErrorKind;
use serde::Deserialize;
use serde_json::json;

use super::lookup;
use super::query::Query;
use crate::access::Scope;
use crate::face::{self, Cursor, Face, FaceBody, LogEvent, Shelf};
use crate::headers;
use crate::presence::Presence;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::service::Service;

const USUAL_WAIT: Duration = Duration::from_secs(25);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// When an `EventSource` that was not served comes back.
pub(crate) const COME_BACK: &str = "retry: 3000\n\n";

/// What a reader asks for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    after: Option<String>,
    /// What some libraries for `EventSource` send where no header can be set.
    last_event_id: Option<String>,
    format: Option<String>,
    live: Option<String>,
    wait: Option<f64>,
    cap: Option<String>,
}

/// What a reader got of a stream: a cursor over it, and what it shares with the others where it runs here.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) reader: Reader,
    pub(crate) shelf: Option<Arc<Shelf>>,
    pub(crate) presence: Option<Presence>,
}

pub(crate) async fn events(
    State(service): State<Arc<Service>>,
    Path(stream): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    match answer(&service, &stream, &asked, &headers).await {
        Ok(response) => response,
        // Any other status than 200 stops an `EventSource` for good.
        Err(refusal) if refusal.will_pass() && wants_events(&asked, &headers) => come_back(&stream, &refusal),
        Err(refusal) => refusal.response(&RequestId::new()),
    }
}

async fn answer(
    service: &Arc<Service>,
    stream: &str,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    // 1. Which stream, and whether the caller may read it.
    let stream = lookup::named(stream)?;
    lookup::allowed(service, headers, asked.cap.as_deref(), stream, Scope::Read).await?;

    // 2. How, and from where.
    let poll = match asked.live.as_deref() {
        None | Some("stream") => false,
        Some("poll") => true,
        Some(_) => return Err(Refusal::invalid("live: `poll`, or nothing for a stream")),
    };
    let face = face(asked, headers, poll)?;
    let after = after(asked, headers)?;

    // 3. A cursor there. Who is at the end of what has ended gets nothing more, which stops an `EventSource`.
    let attached = match attach(service, stream, after).await {
        Ok(attached) => attached,
        Err(Attach::Log(error)) if error.is_diverged() && face.is_event_source() && !poll => {
            return Ok(diverged(after, &error));
        }
        Err(Attach::Log(error)) => return Err(Refusal::of_log(&error)),
        Err(Attach::TooManyReaders) => return Err(too_many_readers()),
    };
    if is_at_the_end(&attached.reader) {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    }

    // 4. What there is, then what comes.
    if poll {
        let wait = wait(asked)?;
        let answer = face::poll(cursor(service, face, attached.reader), face, wait).await;
        // Read to here: as long as it waited, it was a reader.
        drop(attached.presence);
        return answer;
    }
    let mut response_headers = face::growing(face);
    if face == Face::Text {
        let after = attached.reader.position().before().map_or(0, perennial_log::Seq::get);
        response_headers.insert("perennial-position", HeaderValue::from(after));
        response_headers.insert(
            http::header::TRAILER,
            HeaderValue::from_static("perennial-position, perennial-stop-reason"),
        );
    }
    let Attached { reader, shelf, presence } = attached;
    let body = FaceBody::new(cursor(service, face, reader), face, shelf, service.clocks.ping, presence);
    let mut response = Response::new(Body::new(body));
    *response.headers_mut() = response_headers;
    if let Ok(name) = HeaderValue::try_from(stream.to_string()) {
        response.headers_mut().insert(headers::STREAM, name);
    }
    Ok(response)
}

/// Why a reader got no cursor.
#[derive(Debug)]
pub(crate) enum Attach {
    Log(Error),
    TooManyReaders,
}

impl Attach {
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Log(error) => Refusal::of_log(error),
            Self::TooManyReaders => too_many_readers(),
        }
    }
}

/// A cursor over a stream, and presence where it runs here.
pub(crate) async fn attach(service: &Service, stream: StreamId, after: After) -> Result<Attached, Attach> {
    service.live.decided(stream).await;
    let running = lookup::running(service, stream).await.map_err(Attach::Log)?;
    // Present before the log is asked, so that the stream is not given up meanwhile.
    let presence = match &running {
        Some(running) => Some(running.enter(service.limits.readers).ok_or(Attach::TooManyReaders)?),
        None => None,
    };
    let reader = Reader::attach(&service.log, stream, after).await.map_err(Attach::Log)?;
    Ok(Attached { reader, shelf: running.map(|running| Arc::clone(&running.shelf)), presence })
}

/// The reader as the face wants it.
pub(crate) fn cursor(service: &Service, face: Face, reader: Reader) -> Cursor {
    let rendering = (face == Face::Tape).then(|| service.renderings.of(&service.log, reader.stream()));
    Cursor::new(reader, rendering)
}

/// Whether nothing follows, and nothing will.
pub(crate) fn is_at_the_end(reader: &Reader) -> bool {
    reader.head().is_some_and(|head| head.outcome.is_some() && reader.position() > head.last)
}

fn too_many_readers() -> Refusal {
    Refusal::new(429, ErrorKind::RateLimit, "this stream has as many readers as it may; try again later")
}

fn face(asked: &Asked, headers: &HeaderMap, poll: bool) -> Result<Face, Refusal> {
    let format = asked.format.as_deref();
    if poll && format.is_none() && accepts_anything(headers) {
        return Ok(Face::Ndjson);
    }
    Face::of(format, headers).ok_or_else(|| {
        let message =
            "a stream comes as text/event-stream, application/x-ndjson, text/plain or application/vnd.perennial.tape+json (or format=sse, ndjson, text, tape)";
        Refusal::new(406, ErrorKind::InvalidRequest, message)
    })
}

fn accepts_anything(headers: &HeaderMap) -> bool {
    headers.get(http::header::ACCEPT).is_none_or(|accept| accept.as_bytes().starts_with(b"*/*"))
}

fn wants_events(asked: &Asked, headers: &HeaderMap) -> bool {
    asked.live.is_none() && Face::of(asked.format.as_deref(), headers).is_some_and(Face::is_event_source)
}

/// The header goes first: a browser that comes back sends it by itself, with the query of the first time.
fn after(asked: &Asked, headers: &HeaderMap) -> Result<After, Refusal> {
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    let text = header.or(asked.after.as_deref()).or(asked.last_event_id.as_deref());
    let wrong = |error: perennial_log::InvalidPosition| Refusal::invalid(error.to_string());
    text.filter(|text| !text.is_empty()).map_or(Ok(After::Start), |text| text.parse().map_err(wrong))
}

fn wait(asked: &Asked) -> Result<Duration, Refusal> {
    let Some(seconds) = asked.wait else { return Ok(USUAL_WAIT) };
    let wait = Duration::try_from_secs_f64(seconds).ok().filter(|wait| *wait <= LONGEST_WAIT);
    wait.ok_or_else(|| Refusal::invalid(format!("wait: 0 to {} seconds", LONGEST_WAIT.as_secs())))
}

/// The reader has what this log does not have: said in an event, since an `EventSource` sees no status.
fn diverged(after: After, error: &Error) -> Response {
    let event = LogEvent::new("perennial.diverged", diverged_data(after, error));
    let body = format!("event: {}\ndata: {}\n\n", event.name, event.data);
    let mut response = Response::new(Body::from(body));
    *response.headers_mut() = face::growing(Face::Sse);
    response
}

/// A reader's place, as it says it.
pub(crate) fn after_text(after: After) -> String {
    match after {
        After::Start => "0".to_owned(),
        After::Seq(seq) => seq.to_string(),
        After::Position(position) => position.to_string(),
    }
}

pub(crate) fn diverged_data(after: After, error: &Error) -> serde_json::Value {
    let after = after_text(after);
    let common = error.last_common().map(|position| position.to_string());
    json!({"after": after, "last_common": common})
}

/// Trouble that will pass, for an `EventSource`: nothing now, and when to come back.
pub(crate) fn come_back(stream: &str, refusal: &Refusal) -> Response {
    tracing::info!(stream, reason = refusal.reason(), "a reader is to come back later");
    let mut body = BytesMut::from(COME_BACK);
    body.extend_from_slice(format!(": {}\n\n", refusal.message()).as_bytes());
    let mut response = Response::new(Body::from(body.freeze()));
    *response.headers_mut() = face::growing(Face::Sse);
    response
}
