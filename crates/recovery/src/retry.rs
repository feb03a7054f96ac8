//! Retries: whether to ask again, when, and how much of it there may be.
//!
//! Only what nobody has seen is asked for again. The rules are those of the official SDKs where those are good, with two caps that
//! they lack: on how long a server may make us wait, and on the share of the traffic that retries may be.

use std::time::Duration;

use http::HeaderMap;
use parking_lot::Mutex;
use tokio::time::Instant;

use perennial_protocol::ApiError;

/// How often to retry, and how long to wait before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Retries after the first attempt. Default 2.
    pub max_retries: u32,
    /// The wait before the first retry where the service names none; it doubles with each. Default 0.5 s.
    pub first_delay: Duration,
    /// Where the doubling ends. Default 8 s.
    pub max_delay: Duration,
    /// The longest wait that the service may ask for.
    pub max_retry_after: MaxRetryAfter,
}

/// The longest wait that the service is obeyed in. Where it asks for more, the error is final at once. Default 60 s.
///
/// Without it, one wrong header stalls a program for days; and to come back sooner than asked is to be refused again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxRetryAfter(pub Duration);

/// How much of a client's traffic may be retries, so that retries do not keep an overloaded service down.
///
/// A bucket of tokens, shared by all that one client does: each request puts `share` of a token in, time puts `per_second` in, each
/// retry takes a whole one out. With an empty bucket an error is final at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudget {
    /// Retries allowed for each request. Default 0.2.
    pub share: f64,
    /// Retries allowed for each second, so that a client with little traffic is not left without. Default 1.
    pub per_second: f64,
    /// The most that is saved up. Default 20.
    pub reserve: f64,
}

/// The [`RetryBudget`] in use.
#[derive(Debug)]
pub struct RetryBucket {
    budget: RetryBudget,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Option<Instant>,
}

impl RetryPolicy {
    /// No retries.
    #[must_use]
    pub fn none() -> Self {
        Self { max_retries: 0, ..Self::default() }
    }

    /// The wait before the next attempt after `retries` retries; `asked` is what the service asked for. `None` where there
    /// is to be no other.
    #[must_use]
    pub fn delay(&self, retries: u32, asked: Option<Duration>) -> Option<Duration> {
        if retries >= self.max_retries {
            return None;
        }
        match asked {
            Some(asked) => (asked <= self.max_retry_after.0).then_some(asked),
            None => {
                let doubled = self.first_delay.saturating_mul(2_u32.saturating_pow(retries));
                // Clients that failed together must not come back together.
                Some(doubled.min(self.max_delay).mul_f64(1.0 - 0.25 * fastrand::f64()))
            }
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 2,
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(8),
            max_retry_after: MaxRetryAfter::default(),
        }
    }
}

impl Default for MaxRetryAfter {
    fn default() -> Self {
        Self(Duration::from_secs(60))
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { share: 0.2, per_second: 1.0, reserve: 20.0 }
    }
}

impl RetryBucket {
    /// A bucket that is full.
    #[must_use]
    pub fn new(budget: RetryBudget) -> Self {
        Self { budget, level: Mutex::new(Level { tokens: budget.reserve, at: None }) }
    }

    /// Counts a request that is no retry.
    pub fn request(&self) {
        let mut level = self.level.lock();
        level.tokens = (level.tokens + self.budget.share).min(self.budget.reserve);
    }

    /// Takes the token for a retry; false where there is none.
    #[must_use]
    pub fn retry(&self) -> bool {
        let now = Instant::now();
        let mut level = self.level.lock();
        if let Some(at) = level.at.replace(now) {
            let gained = now.saturating_duration_since(at).as_secs_f64() * self.budget.per_second;
            level.tokens = (level.tokens + gained).min(self.budget.reserve);
        }
        if level.tokens < 1.0 {
            return false;
        }
        level.tokens -= 1.0;
        true
    }
}

/// Whether a status stands for trouble that passes (`protocol.md` §2).
fn is_retryable_status(status: u16) -> bool {
    matches!(status, 408 | 409 | 429 | 500..)
}

/// Whether an answer that is an error may be followed by another attempt: never where a spend limit is reached, which waiting does not lift; else the service's
/// own word (`x-should-retry`), then the status. `error` is what its body says, where it can be read.
///
/// ```
/// use http::HeaderMap;
/// use perennial_recovery::is_retryable_answer;
///
/// assert!(is_retryable_answer(529, &HeaderMap::new(), None));
/// assert!(!is_retryable_answer(400, &HeaderMap::new(), None));
/// ```
#[must_use]
pub fn is_retryable_answer(status: u16, headers: &HeaderMap, error: Option<&ApiError>) -> bool {
    let code = error.and_then(|error| error.code.as_deref());
    if code.is_some_and(|code| code.ends_with("spend_limit_reached")) {
        return false;
    }
    match headers.get("x-should-retry").map(http::HeaderValue::as_bytes) {
        Some(b"true") => true,
        Some(b"false") => false,
        _ => is_retryable_status(status),
    }
}

/// Whether an `error` event within a stream stands for trouble that passes. One of a type that is not known does.
#[must_use]
pub fn is_retryable_in_band(error: &ApiError) -> bool {
    error.status().is_none_or(is_retryable_status)
}

/// The wait that the headers ask for: `retry-after-ms`, else `retry-after` in seconds or as a date. What is not a time to come
/// (negative, zero, garbage, past) is as if it were not there.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(wait) = text("retry-after-ms").and_then(|text| seconds(text, 1e-3)) {
        return Some(wait);
    }
    let text_after = text("retry-after")?;
    if let Some(wait) = seconds(text_after, 1.0) {
        return Some(wait);
    }
    let at = http_date(text_after)?;
    // The sender's clock counts the sender's date.
    let now = text("date").and_then(http_date).unwrap_or_else(jiff::Timestamp::now);
    Duration::try_from(at.duration_since(now)).ok().filter(|wait| !wait.is_zero())
}

/// A positive number as a time, however large.
fn seconds(text: &str, unit: f64) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    (number > 0.0).then(|| Duration::try_from_secs_f64(number * unit).unwrap_or(Duration::MAX))
}

fn http_date(text: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}
