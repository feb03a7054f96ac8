//! Ids of requests.

use std::fmt;

use http::HeaderMap;

/// The id of one request; stands in the header `request-id` and in error bodies.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Box<str>);

impl RequestId {
    pub(crate) fn new() -> Self {
        Self(format!("req_{}", uuid::Uuid::now_v7().simple()).into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
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
