//! Deadlines: how long to wait for what. Never one timer with two meanings.

use std::time::Duration;

use crate::Clock;

/// How long to wait for what. Each deadline that passes is an [error kind](crate::ErrorKind::Deadline) of its own.
///
/// Only waiting counts: a reader who takes an hour between two events has not made the service slow.
///
/// ```
/// use std::time::Duration;
/// use perennial::Deadlines;
///
/// let patient = Deadlines { progress: Duration::from_secs(600), ..Deadlines::default() };
/// let strict = Deadlines { total: Some(Duration::from_secs(30)), ..Deadlines::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Until a new connection stands, TLS included. Connections belong to the client, so it is the
    /// [client's](crate::ClientBuilder::deadlines) value that counts, never a request's. Default 10 s.
    pub connect: Duration,
    /// From sending the request to the first byte of the answer's body, for each attempt. Default 120 s.
    pub first_byte: Duration,
    /// Between two bytes, pings and comments included: how long a connection may seem dead. Default 60 s; the service pings about
    /// every 30 s.
    pub silence: Duration,
    /// Between two pieces of content: how long an answer may be stuck while pings come. Default 180 s.
    pub progress: Duration,
    /// The whole stream, retries included. Default none, since long answers are why one streams.
    pub total: Option<Duration>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(120),
            silence: Duration::from_secs(60),
            progress: Duration::from_secs(180),
            total: None,
        }
    }
}

impl Deadlines {
    pub(crate) fn of(&self, clock: Clock) -> Duration {
        match clock {
            Clock::Connect => self.connect,
            Clock::FirstByte => self.first_byte,
            Clock::Silence => self.silence,
            Clock::Progress => self.progress,
            Clock::Total => self.total.unwrap_or(Duration::MAX),
        }
    }
}
