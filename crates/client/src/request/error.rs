//! What is wrong with a request before it is sent.

use std::fmt;

/// A request that can never be right: it was not sent.
///
/// Only what no version of the service could accept is checked here; everything else is the service's to judge. The text says where
/// the fault is and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    kind: RequestErrorKind,
    at: String,
    text: String,
}

/// What kind of fault a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestErrorKind {
    /// A field that every request needs is missing or empty.
    Missing,
    /// A value cannot be written as JSON.
    NotJson,
    /// A block, message or tool that was given raw is no JSON object.
    NotAnObject,
    /// A value that the service accepts in no version.
    Invalid,
}

impl RequestError {
    pub(crate) fn missing(at: &str, advice: &str) -> Self {
        Self::new(RequestErrorKind::Missing, at, format!("missing; {advice}"))
    }

    pub(crate) fn invalid(at: &str, text: impl Into<String>) -> Self {
        Self::new(RequestErrorKind::Invalid, at, text.into())
    }

    pub(crate) fn not_json(at: &str, error: &serde_json::Error) -> Self {
        Self::new(
            RequestErrorKind::NotJson,
            at,
            format!("the value cannot be written as JSON ({error}); give it another shape"),
        )
    }

    pub(crate) fn not_an_object(what: &str, json: &str) -> Self {
        let excerpt: String = json.chars().take(40).collect();
        Self::new(
            RequestErrorKind::NotAnObject,
            what,
            format!("raw JSON must be an object here, but it is `{excerpt}`"),
        )
    }

    fn new(kind: RequestErrorKind, at: &str, text: String) -> Self {
        Self { kind, at: at.to_owned(), text }
    }

    /// The same fault, seen from one level further out.
    pub(crate) fn within(mut self, place: &str) -> Self {
        self.at = format!("{place}: {}", self.at);
        self
    }

    /// What kind of fault it is.
    #[must_use]
    pub fn kind(&self) -> RequestErrorKind {
        self.kind
    }

    /// Where the fault is, as `messages[2]: content[0]: text`.
    #[must_use]
    pub fn at(&self) -> &str {
        &self.at
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.text)
    }
}

impl std::error::Error for RequestError {}

impl From<RequestError> for crate::Error {
    fn from(error: RequestError) -> Self {
        Self::request(format!("the request cannot be sent: {error}")).caused_by(error)
    }
}
