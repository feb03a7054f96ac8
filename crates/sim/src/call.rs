//! A request to the Claude side of the simulator: its key, its body, its entry in the journal.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use http::header::AUTHORIZATION;

use crate::answer::Refused;
use crate::desk::Desk;
use crate::journal::{Outcome, Phase, Recording, fingerprint};
use crate::line::Line;
use crate::reply;

/// Headers whose values are kept as fingerprints only.
const SECRET_HEADERS: [&str; 4] = ["x-api-key", "authorization", "cookie", "proxy-authorization"];
/// As the service limits the body of a Messages request.
const MOST_BODY_BYTES: usize = 32 * 1024 * 1024;

/// A request to the Claude side of the simulator, with its entry in the journal open.
pub(crate) struct Call {
    pub(crate) desk: Arc<Desk>,
    pub(crate) line: Arc<Line>,
    pub(crate) recording: Recording,
    pub(crate) request_id: String,
    pub(crate) head: http::request::Parts,
    body: axum::body::Body,
}

impl FromRequest<Arc<Desk>> for Call {
    type Rejection = Response;

    /// Opens the entry, and closes it again where the request has no key.
    async fn from_request(request: Request, desk: &Arc<Desk>) -> Result<Self, Response> {
        let (head, body) = request.into_parts();
        let request_id = desk.request_id();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let recording = desk.journal.open(head.method.as_str(), path, request_id.clone());
        let key = key(&head.headers);
        recording.note(|entry| {
            entry.key = key.map(|key| fingerprint(desk.seed, key.as_bytes()));
            entry.headers = shown_headers(&head.headers, desk.seed);
        });
        let keyless = key.is_none();
        let line = head.extensions.get::<Arc<Line>>().cloned().unwrap_or_default();
        let call = Self { desk: Arc::clone(desk), line, recording, request_id, head, body };
        if keyless {
            let message = "x-api-key header is required";
            return Err(call.refuse(&Refused::new(401, "authentication_error", message)));
        }
        Ok(call)
    }
}

impl Call {
    /// The whole body of the request.
    pub(crate) async fn read(&mut self) -> Result<bytes::Bytes, Refused> {
        let body = std::mem::take(&mut self.body);
        let bytes = axum::body::to_bytes(body, MOST_BODY_BYTES)
            .await
            .map_err(|_| Refused::new(413, "request_too_large", "Request exceeds the maximum size"))?;
        self.recording.note(|entry| {
            entry.request_bytes = bytes.len() as u64;
            entry.request_digest = Some(fingerprint(0, &bytes));
            entry.phase = entry.phase.max(Phase::BeforeHeaders);
        });
        Ok(bytes)
    }

    /// The body as JSON.
    pub(crate) async fn read_json(&mut self) -> Result<serde_json::Value, Refused> {
        let bytes = self.read().await?;
        self.parse(&bytes)
    }

    /// JSON, or the complaint of the service.
    pub(crate) fn parse(&self, bytes: &[u8]) -> Result<serde_json::Value, Refused> {
        serde_json::from_slice(bytes)
            .map_err(|error| Refused::invalid(format!("The request body is not valid JSON: {error}")))
    }

    /// Closes the entry with an error.
    pub(crate) fn refuse(self, refused: &Refused) -> Response {
        self.finish(reply::refusal(refused, &self.request_id), Outcome::Refused)
    }

    /// Closes the entry with a whole JSON body.
    pub(crate) fn answer_json(self, body: &serde_json::Value) -> Response {
        let text = body.to_string();
        self.recording.note(|entry| entry.bytes = text.len() as u64);
        let response = reply::answer("application/json", text.into(), &self.request_id);
        self.finish(response, Outcome::Completed)
    }

    pub(crate) fn finish(&self, response: Response, outcome: Outcome) -> Response {
        self.recording.note(|entry| entry.status = Some(response.status().as_u16()));
        self.recording.ended(outcome);
        response
    }
}

/// The headers as the journal shows them.
fn shown_headers(headers: &http::HeaderMap, seed: u64) -> Vec<(String, String)> {
    let shown = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let text = if SECRET_HEADERS.contains(&name.as_str()) {
            format!("fingerprint:{}", fingerprint(seed, value.as_bytes()))
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        (name.as_str().to_owned(), text)
    };
    headers.iter().map(shown).collect()
}

/// The API key, however it was sent. `x-api-key` wins, as with the service.
fn key(headers: &http::HeaderMap) -> Option<&str> {
    let plain = headers.get("x-api-key").and_then(|value| value.to_str().ok());
    let bearer = || {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    };
    plain.or_else(bearer).filter(|key| !key.is_empty())
}
