//! Refusals: the gateway's own errors, in the error body of the service.
//!
//! The words are ours. Texts of libraries say nothing to a client and may say too much, so they go to the log only.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use perennial_ledger::Denied;
use perennial_protocol::ErrorKind;
use serde_json::json;

use crate::request_id::RequestId;

/// Why a request is not answered.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    kind: ErrorKind,
    message: Cow<'static, str>,
    /// The body of an upstream, where it gave one for this.
    body: Option<String>,
    /// The message may be an upstream's.
    quotes: bool,
    /// When to come back.
    after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn new(status: u16, kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, kind, message: message.into(), body: None, quotes: false, after: None }
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, ErrorKind::InvalidRequest, message)
    }

    pub(crate) fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(403, ErrorKind::Permission, message)
    }

    /// With the upstream's own words.
    pub(crate) fn with_body(mut self, body: Option<String>) -> Self {
        self.body = body;
        self.quoting()
    }

    /// The message may be an upstream's, which may quote what was asked: it is not for logs.
    pub(crate) fn quoting(mut self) -> Self {
        self.quotes = true;
        self
    }

    /// With the time after which it may be better.
    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.after = Some(wait);
        self
    }

    /// Why a key may not ask.
    pub(crate) fn of_denied(denied: &Denied) -> Self {
        let refusal = Self::new(denied.status(), denied.kind(), denied.message().to_owned());
        match denied.retry_after() {
            Some(wait) => refusal.after(wait),
            None => refusal,
        }
    }

    /// What the log says of a stream, or of itself.
    pub(crate) fn of_log(error: &perennial_log::Error) -> Self {
        if error.is_not_found() {
            return Self::not_found();
        }
        if error.is_gone() {
            return Self::new(410, ErrorKind::NotFound, "the stream was deleted or has expired");
        }
        if error.is_diverged() {
            let message = match error.last_common() {
                Some(common) => format!(
                    "the position is not one of this stream: what the reader has after {common} is no part of it"
                ),
                None => "the position is not one of this stream, which has nothing of what the reader has"
                    .to_owned(),
            };
            return Self::new(412, ErrorKind::Conflict, message);
        }
        tracing::warn!(%error, "the log does not answer");
        let message = if error.is_full() {
            "the gateway's log is full; try again later"
        } else {
            "the gateway's log does not answer; try again later"
        };
        Self::new(503, ErrorKind::Overloaded, message)
    }

    /// A stream that is not there, or not for the caller: both are answered alike.
    pub(crate) fn not_found() -> Self {
        Self::new(404, ErrorKind::NotFound, "there is no such stream")
    }

    /// A stream whose task ended and told nobody how.
    pub(crate) fn vanished() -> Self {
        Self::new(500, ErrorKind::Api, "the stream ended without a word")
    }

    /// After which time it may be better, if anybody knows.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.after
    }

    pub(crate) fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What may be logged of it: its message, if that is of this gateway.
    pub(crate) fn reason(&self) -> &str {
        if self.quotes { "the upstream's" } else { &self.message }
    }

    /// Whether it is trouble that will pass.
    pub(crate) fn will_pass(&self) -> bool {
        matches!(self.status.as_u16(), 429 | 503 | 529)
    }

    pub(crate) fn response(self, id: &RequestId) -> Response {
        self.response_over(HeaderMap::new(), id)
    }

    /// The response, with headers that came from the upstream.
    pub(crate) fn response_over(self, headers: HeaderMap, id: &RequestId) -> Response {
        tracing::info!(request_id = %id, status = self.status.as_u16(), reason = self.reason(), "refused");
        let body = self.body.unwrap_or_else(|| error_body(&self.kind, &self.message, id));
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(id.as_str()) {
            headers.insert("request-id", id);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE || self.status == StatusCode::TOO_MANY_REQUESTS {
            let seconds = self.after.map_or(1, |after| after.as_secs() + 1);
            headers.entry(RETRY_AFTER).or_insert(seconds.into());
        }
        response
    }
}

/// The error body of the service; the data of an `error` event as well.
pub(crate) fn error_body(kind: &ErrorKind, message: &str, id: &RequestId) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": id.as_str()})
        .to_string()
}
