//! Why a request is not taken on.

use std::fmt;
use std::time::Duration;

use perennial_protocol::ErrorKind;

/// Why a request is not taken on, in the terms of the service's own errors.
///
/// | what is in the way | status | kind | `retry-after` |
/// |---|---|---|---|
/// | the key is unknown to this moment, expired or revoked | 401 | `authentication_error` | |
/// | a budget is used up, or the request could exceed it | 402 | `billing_error` | |
/// | the model is not the key's; its price is unknown and a budget has to be held; a detached request could cost too much | 403 | `permission_error` | |
/// | requests or tokens per minute, streams at once | 429 | `rate_limit_error` | yes |
/// | the ledger cannot write what was spent | 503 | `overloaded_error` | yes |
///
/// A budget is 402 and not 429: SDKs ask again after a 429, and no wait within a request's life fills a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    pub(crate) why: Why,
    message: String,
    retry_after: Option<Duration>,
}

/// What is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Key,
    Budget,
    Forbidden,
    Rate,
    Behind,
}

impl Denied {
    pub(crate) fn new(why: Why, message: impl Into<String>) -> Self {
        Self { why, message: message.into(), retry_after: None }
    }

    pub(crate) fn for_now(why: Why, message: impl Into<String>, wait: Duration) -> Self {
        Self { why, message: message.into(), retry_after: Some(wait) }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.why {
            Why::Key => 401,
            Why::Budget => 402,
            Why::Forbidden => 403,
            Why::Rate => 429,
            Why::Behind => 503,
        }
    }

    /// The kind of the error in the answer's body.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self.why {
            Why::Key => ErrorKind::Authentication,
            Why::Budget => ErrorKind::Billing,
            Why::Forbidden => ErrorKind::Permission,
            Why::Rate => ErrorKind::RateLimit,
            Why::Behind => ErrorKind::Overloaded,
        }
    }

    /// How long to wait before asking again, where waiting helps.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What is in the way and what to do, for people. It holds no secret.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Denied {}
