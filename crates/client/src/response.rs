//! What the headers of a response say.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// The head of a response: status, request id, rate limits.
#[derive(Debug, Clone)]
pub struct ResponseInfo {
    status: http::StatusCode,
    headers: HeaderMap,
}

/// What is left of the account's limits; `None` where the service did not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// Requests.
    pub requests: Option<RateLimit>,
    /// The tightest of the token limits.
    pub tokens: Option<RateLimit>,
    /// Input tokens.
    pub input_tokens: Option<RateLimit>,
    /// Output tokens.
    pub output_tokens: Option<RateLimit>,
    /// Input tokens of the priority tier.
    pub priority_input_tokens: Option<RateLimit>,
    /// Output tokens of the priority tier.
    pub priority_output_tokens: Option<RateLimit>,
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// How much there is in a period.
    pub limit: Option<u64>,
    /// How much of it is left.
    pub remaining: Option<u64>,
    /// When it is full again.
    pub reset: Option<SystemTime>,
}

impl ResponseInfo {
    pub(crate) fn new(status: http::StatusCode, headers: HeaderMap) -> Self {
        Self { status, headers }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// One header, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The id of the request, to be quoted to support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        ["request-id", "x-request-id", "x-amzn-requestid", "apim-request-id"]
            .into_iter()
            .find_map(|name| self.header(name))
    }

    /// The organization that the key belongs to.
    #[must_use]
    pub fn organization_id(&self) -> Option<&str> {
        self.header("anthropic-organization-id")
    }

    /// The name that a gateway gave the stream, with which it can be [attached](crate::resources::Streams::attach) to.
    #[must_use]
    pub fn stream_id(&self) -> Option<&str> {
        self.header("perennial-stream")
    }

    /// What is left of the account's limits.
    #[must_use]
    pub fn rate_limits(&self) -> RateLimits {
        RateLimits {
            requests: self.rate_limit("anthropic-ratelimit-requests"),
            tokens: self.rate_limit("anthropic-ratelimit-tokens"),
            input_tokens: self.rate_limit("anthropic-ratelimit-input-tokens"),
            output_tokens: self.rate_limit("anthropic-ratelimit-output-tokens"),
            priority_input_tokens: self.rate_limit("anthropic-priority-input-tokens"),
            priority_output_tokens: self.rate_limit("anthropic-priority-output-tokens"),
        }
    }

    /// How long the service asks to wait; `None` where it does not, or says something that is no time to come.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        perennial_recovery::retry_after(&self.headers)
    }

    fn rate_limit(&self, prefix: &str) -> Option<RateLimit> {
        let part = |name: &str| self.header(&format!("{prefix}-{name}"));
        let limit = RateLimit {
            limit: part("limit").and_then(|value| value.parse().ok()),
            remaining: part("remaining").and_then(|value| value.parse().ok()),
            reset: part("reset")
                .and_then(|value| value.parse::<jiff::Timestamp>().ok())
                .map(SystemTime::from),
        };
        (limit != RateLimit { limit: None, remaining: None, reset: None }).then_some(limit)
    }
}
