//! Refusals: the gateway's own errors, in the error body of the service.
//!
//! The words are ours. Texts of libraries say nothing to a client and may say too much, so they go to the log only.

use std::borrow::Cow;
use std::fmt;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use perennial_protocol::ErrorKind;
use serde_json::json;

/// The id of one request; stands in the header `request-id` and in error bodies.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Box<str>);

/// Why a request is not answered.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    kind: ErrorKind,
    message: Cow<'static, str>,
    /// The body of an upstream, where it gave one for this.
    body: Option<String>,
}

impl RequestId {
    pub(crate) fn new() -> Self {
        Self(format!("req_{}", uuid::Uuid::now_v7().simple()).into())
    }

    /// The id that the upstream gave, else one of our own.
    pub(crate) fn of(headers: &HeaderMap, own: &Self) -> Self {
        headers
            .get("request-id")
            .and_then(|id| id.to_str().ok())
            .map_or_else(|| own.clone(), |id| Self(id.into()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Refusal {
    pub(crate) fn new(status: u16, kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, kind, message: message.into(), body: None }
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
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn response(self, id: &RequestId) -> Response {
        self.response_over(HeaderMap::new(), id)
    }

    /// The response, with headers that came from the upstream.
    pub(crate) fn response_over(self, headers: HeaderMap, id: &RequestId) -> Response {
        tracing::info!(request_id = %id, status = self.status.as_u16(), reason = %self.message, "refused");
        let body = self.body.unwrap_or_else(|| error_body(&self.kind, &self.message, id));
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(&id.0) {
            headers.insert("request-id", id);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.entry(RETRY_AFTER).or_insert(const { HeaderValue::from_static("1") });
        }
        response
    }
}

/// The error body of the service; the data of an `error` event as well.
pub(crate) fn error_body(kind: &ErrorKind, message: &str, id: &RequestId) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": &*id.0}).to_string()
}
