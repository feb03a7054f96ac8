//! The limits and the clocks of a gateway, each with its name.

use std::time::Duration;

/// How large the body of a request may be, in bytes. The default is the service's own limit, 32 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxBodyBytes(pub usize);

/// How many connections of clients may be open. One more is answered with 503 and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxConnections(pub usize);

/// The most that is buffered for one direction of one connection, and so the most that the head of a request or of an answer may have.
/// hyper's own 400 KB, four times for each stream, would be felt where many clients do not read.
pub(crate) const BUFFER_BYTES: usize = 64 * 1024;

/// What a gateway bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// See [`MaxBodyBytes`].
    pub body: MaxBodyBytes,
    /// See [`MaxConnections`].
    pub connections: MaxConnections,
}

/// How long a gateway waits for what. Each clock has one meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clocks {
    /// For the head of a request; a client that takes longer is closed. 30 s.
    pub header_read: Duration,
    /// For the next piece of a request's body. 30 s.
    pub body_read: Duration,
    /// For the whole body of a request, however steadily it comes. 10 min.
    pub body: Duration,
    /// For a client that takes nothing of what is sent to it; then its connection is closed, and its upstream's with it. 2 min.
    pub reader: Duration,
    /// For a connection to the upstream. 10 s.
    pub connect: Duration,
    /// From the request to the head of the upstream's answer. 120 s.
    pub first_byte: Duration,
    /// For the next byte of a stream, pings included. Without it the gateway's own pings would keep a dead stream alive. 60 s.
    pub silence: Duration,
    /// After so much silence towards the client a ping is sent. 15 s, below the idle timeouts of usual proxies.
    pub ping: Duration,
    /// From the last event of a stream to the end of its body; some servers leave the connection open. 2 s.
    pub linger: Duration,
    /// From the wish to stop until streams that still run are ended with an `error` event. 10 min.
    pub drain: Duration,
}

impl Default for MaxBodyBytes {
    fn default() -> Self {
        Self(32 * 1024 * 1024)
    }
}

impl Default for MaxConnections {
    fn default() -> Self {
        Self(10_000)
    }
}

impl Default for Clocks {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(30),
            body_read: Duration::from_secs(30),
            body: Duration::from_secs(600),
            reader: Duration::from_secs(120),
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(120),
            silence: Duration::from_secs(60),
            ping: Duration::from_secs(15),
            linger: Duration::from_secs(2),
            drain: Duration::from_secs(600),
        }
    }
}
