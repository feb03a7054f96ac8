//! Reconnects: how the reader of a gateway's stream comes back, and when it stops trying.
//!
//! To read again costs the upstream nothing, so these are no retries and take nothing from their budget. What counts is whether anything new
//! came: a gateway that accepts and says nothing for ever is as bad as none.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Clock, Deadlines, Error, ErrorKind};

/// How an [attached](crate::resources::Streams::attach) stream comes back after its connection broke.
///
/// Each wait is a random time between nothing and `min(first_delay × 2ⁿ, max_delay)`; `retry:` of the gateway takes the place of
/// `first_delay`, and a `retry-after` is obeyed. A new record begins the count anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconnectPolicy {
    /// The longest wait before the first reconnect; it doubles with each. Default 0.5 s.
    pub first_delay: Duration,
    /// Where the doubling ends. Default 8 s.
    pub max_delay: Duration,
    /// Between two bytes: how long a connection may seem dead. Default 45 s; the gateway sends something every 15 s.
    pub silence: Duration,
    /// How long to try where nothing has answered at that address yet, so that a wrong one is soon noticed. Default 30 s.
    pub first_contact: Duration,
    /// How long to go on without a new record, from the first break on. Default 10 min.
    pub give_up_after: Duration,
}

/// The reconnects of one stream.
#[derive(Debug)]
pub(crate) struct Reconnects {
    policy: ReconnectPolicy,
    /// Reconnects since the last new record, and since when.
    fruitless: u32,
    since: Option<Instant>,
    /// Something has answered before.
    reached: bool,
}

impl ReconnectPolicy {
    /// No reconnects: the first break is the end.
    #[must_use]
    pub fn none() -> Self {
        Self { first_contact: Duration::ZERO, give_up_after: Duration::ZERO, ..Self::default() }
    }

    /// The deadlines of one connection. How long an answer may be stuck is the business of the gateway, which writes it.
    pub(crate) fn deadlines(&self, deadlines: &Deadlines) -> Deadlines {
        let (first_byte, silence) = (self.silence, self.silence);
        Deadlines { first_byte, silence, progress: Duration::MAX, ..*deadlines }
    }
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(8),
            silence: Duration::from_secs(45),
            first_contact: Duration::from_secs(30),
            give_up_after: Duration::from_secs(600),
        }
    }
}

impl Reconnects {
    pub(crate) fn new(policy: ReconnectPolicy) -> Self {
        Self { policy, fruitless: 0, since: None, reached: false }
    }

    /// The deadlines of one connection.
    pub(crate) fn deadlines(&self, deadlines: &Deadlines) -> Deadlines {
        self.policy.deadlines(deadlines)
    }

    /// Something has answered.
    pub(crate) fn reached(&mut self) {
        if !std::mem::replace(&mut self.reached, true) {
            self.since = None;
        }
    }

    /// Something new has come.
    pub(crate) fn fruitful(&mut self) {
        (self.fruitless, self.since) = (0, None);
    }

    /// The wait before the next connection, after `error`; `retry` is what the gateway said last, `total_at` the end of the whole undertaking.
    ///
    /// # Errors
    /// Where there is to be none.
    pub(crate) fn delay(
        &mut self,
        error: Error,
        retry: Option<Duration>,
        total_at: Option<Instant>,
    ) -> Result<Duration, Error> {
        if !is_passing(&error) {
            return Err(error.about_a_stream());
        }
        if error.kind() == ErrorKind::Status {
            self.reached();
        }
        let limit = if self.reached { self.policy.give_up_after } else { self.policy.first_contact };
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let delay = error.retry_after().unwrap_or_else(|| self.jitter(retry));
        self.fruitless = self.fruitless.saturating_add(1);
        let tried = now.saturating_duration_since(since);
        if limit.is_zero() || total_at.is_some_and(|total| total <= now + delay) {
            return Err(error);
        }
        if tried.saturating_add(delay) > limit {
            return Err(error.gave_up(limit));
        }
        Ok(delay)
    }

    /// Readers that lost the same gateway must not come back together.
    fn jitter(&self, retry: Option<Duration>) -> Duration {
        let first = retry.unwrap_or(self.policy.first_delay);
        let doubled = first.saturating_mul(2_u32.saturating_pow(self.fruitless));
        doubled.min(self.policy.max_delay.max(first)).mul_f64(fastrand::f64())
    }
}

/// Whether the same stream may be read on later.
pub(crate) fn is_passing(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connect | ErrorKind::Lost | ErrorKind::Truncated => true,
        ErrorKind::Deadline(clock) => clock != Clock::Total,
        // The gateway's own trouble; that of the upstream is in the log, and stays there.
        ErrorKind::Status | ErrorKind::Unreadable => error.is_retryable(),
        _ => false,
    }
}
