//! Errors: what the service says went wrong, and what could not be decoded.

use std::fmt;

use serde::Deserialize;

use crate::Raw;

open_enum! {
    /// The `type` of an error of the service (`protocol.md` §2).
    pub enum ErrorKind {
        /// 400: the request is wrong.
        InvalidRequest = "invalid_request_error",
        /// 401: the key is wrong.
        Authentication = "authentication_error",
        /// 402: payment is missing.
        Billing = "billing_error",
        /// 403: the key may not do this.
        Permission = "permission_error",
        /// 404: no such thing, or model.
        NotFound = "not_found_error",
        /// 409: the state changed meanwhile.
        Conflict = "conflict_error",
        /// 413: the request is too large.
        RequestTooLarge = "request_too_large",
        /// 429: too much in too short a time.
        RateLimit = "rate_limit_error",
        /// 500: trouble within the service.
        Api = "api_error",
        /// 504: it took too long.
        Timeout = "timeout_error",
        /// 529: the service has no capacity; not the caller's doing.
        Overloaded = "overloaded_error",
    }
}

/// An error that the service reported, as an HTTP body or as an `error` event in a stream.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ApiError {
    /// What kind of error.
    pub kind: ErrorKind,
    /// The service's words; not stable, for people only.
    pub message: String,
    /// `details.error_code`, where given: finer than `kind`, and decisive for some 429 and 503.
    pub code: Option<String>,
    /// The request it belongs to, to be quoted to support.
    pub request_id: Option<String>,
    /// The body as received.
    pub raw: Option<Raw>,
}

#[derive(Deserialize)]
struct Body {
    error: Option<Inner>,
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct Inner {
    #[serde(rename = "type")]
    kind: Option<ErrorKind>,
    message: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    error_code: Option<String>,
}

impl ApiError {
    /// An error of the given kind.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: None, request_id: None, raw: None }
    }

    /// Reads an error body (`{"type":"error","error":{...},"request_id":...}`); `None` where it is something else.
    #[must_use]
    pub fn from_body(body: &str) -> Option<Self> {
        let read: Body = serde_json::from_str(body).ok()?;
        let inner = read.error?;
        Some(Self {
            kind: inner.kind.unwrap_or(ErrorKind::Api),
            message: inner.message.unwrap_or_default(),
            code: inner.details.and_then(|details| details.error_code),
            request_id: read.request_id,
            raw: Raw::new(body.trim()).ok(),
        })
    }

    /// Reads the data of an `error` event. Data in another shape becomes the message: an error is never lost for its form.
    #[must_use]
    pub fn from_event(data: &str) -> Self {
        Self::from_body(data).unwrap_or_else(|| Self::new(ErrorKind::Api, data))
    }

    /// The HTTP status that this kind of error has when it comes before a stream; `None` for an unknown kind.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        Some(match self.kind {
            ErrorKind::InvalidRequest => 400,
            ErrorKind::Authentication => 401,
            ErrorKind::Billing => 402,
            ErrorKind::Permission => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::Conflict => 409,
            ErrorKind::RequestTooLarge => 413,
            ErrorKind::RateLimit => 429,
            ErrorKind::Api => 500,
            ErrorKind::Timeout => 504,
            ErrorKind::Overloaded => 529,
            ErrorKind::Other(_) => return None,
        })
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

/// An event that could not be read.
///
/// The stream itself goes on: the next frame can be decoded. What to do is the reader's choice; a transcript that misses an event must not be
/// taken for whole.
#[derive(Debug)]
pub struct DecodeError(Cause);

#[derive(Debug)]
enum Cause {
    Json { event: String, source: serde_json::Error, excerpt: String },
    TooLarge(perennial_sse::EventTooLarge),
    NoData { event: String },
}

impl DecodeError {
    pub(crate) fn json(event: &str, data: &str, source: serde_json::Error) -> Self {
        let excerpt = data.chars().take(80).collect();
        Self(Cause::Json { event: event.to_owned(), source, excerpt })
    }

    pub(crate) fn no_data(event: &[u8]) -> Self {
        Self(Cause::NoData { event: String::from_utf8_lossy(event).chars().take(80).collect() })
    }

    /// Whether an event that is part of an answer came without its data, so that something of the answer is lost.
    #[must_use]
    pub fn is_without_data(&self) -> bool {
        matches!(self.0, Cause::NoData { .. })
    }

    /// Whether the data of a known event is not the JSON it should be.
    #[must_use]
    pub fn is_json(&self) -> bool {
        matches!(self.0, Cause::Json { .. })
    }

    /// Whether the event was over the decoder's limit, so that it was skipped.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self.0, Cause::TooLarge(_))
    }

    /// The name of the event, where it is known.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        match &self.0 {
            Cause::Json { event, .. } | Cause::NoData { event } => Some(event),
            Cause::TooLarge(_) => None,
        }
    }
}

impl From<perennial_sse::EventTooLarge> for DecodeError {
    fn from(error: perennial_sse::EventTooLarge) -> Self {
        Self(Cause::TooLarge(error))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Json { event, excerpt, .. } => {
                write!(f, "the data of a `{event}` event is not what it should be: {excerpt}")
            }
            Cause::TooLarge(error) => error.fmt(f),
            Cause::NoData { event } => {
                write!(f, "a `{event}` event has no data: something of the answer is lost")
            }
        }
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Cause::Json { source, .. } => Some(source),
            Cause::TooLarge(error) => Some(error),
            Cause::NoData { .. } => None,
        }
    }
}
