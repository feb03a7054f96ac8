//! The limits and the clocks of a gateway, each with its name.

use std::time::Duration;

/// How large the body of a request may be, in bytes. The default is the service's own limit, 32 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxBodyBytes(pub usize);

/// How many connections of clients may be open. One more is answered with 503 and closed, or told when to come back, where it asks for events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxConnections(pub usize);

/// How many streams may run at once. One more is answered with 503. 20,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxStreams(pub usize);

/// How many streams of one key may run at once; of all callers together, where there are no keys. One more is answered with 429. 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxStreamsPerKey(pub usize);

/// How many readers a stream that runs may have. One more is told to come back later. 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxReaders(pub usize);

/// How long a stream runs at most that nobody reads, whatever its policy. 1 h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxUnread(pub Duration);

/// The longest grace that a request may ask for. 10 min.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxGrace(pub Duration);

/// The largest `max_tokens` of a request that may be detached: what nobody waits for may not cost more. 200,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxDetachedTokens(pub u64);

/// The least of a text that has to come in each span of [`Clocks::floor`] while it is written, in tokens of four bytes. 150.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinTokens(pub u64);

/// How many streams one connection may read at once.
pub(crate) const MAX_STREAMS_AT_ONCE: usize = 64;

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
    /// See [`MaxStreams`].
    pub streams: MaxStreams,
    /// See [`MaxStreamsPerKey`].
    pub streams_per_key: MaxStreamsPerKey,
    /// See [`MaxReaders`].
    pub readers: MaxReaders,
    /// See [`MaxUnread`].
    pub unread: MaxUnread,
    /// See [`MaxGrace`].
    pub grace: MaxGrace,
    /// See [`MaxDetachedTokens`].
    pub detached_tokens: MaxDetachedTokens,
    /// See [`MinTokens`].
    pub floor: MinTokens,
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
    /// For the next piece of the answer itself; pings do not count. A model that is busy says so with pings, and some that are dead do too.
    /// 180 s.
    pub progress: Duration,
    /// The span in which a text that is being written has to have grown by [`MinTokens`]; without one no text is too slow. An upstream in trouble
    /// may write a word a second, and no other clock notices.
    pub floor: Option<Duration>,
    /// From the request to the end of the answer, all attempts together; without one there is no such end.
    pub total: Option<Duration>,
    /// From the request until the answer is opened towards the client although no upstream has answered yet; what fails then reaches it as an `error`
    /// event. 10 s.
    pub early_open: Duration,
    /// For the next byte of a stream, pings included. Without it the gateway's own pings would keep a dead stream alive. 60 s.
    pub silence: Duration,
    /// After so much silence towards the client a ping is sent. 15 s, below the idle timeouts of usual proxies.
    pub ping: Duration,
    /// From the last event of a stream to the end of its body; some servers leave the connection open. 2 s.
    pub linger: Duration,
    /// From the wish to stop until streams that still run are ended with an `error` event. 10 min.
    pub drain: Duration,
}

/// The default of each limit.
macro_rules! defaults {
    ($($limit:ident = $value:expr;)*) => {$(
        impl Default for $limit {
            fn default() -> Self {
                Self($value)
            }
        }
    )*};
}

defaults! {
    MaxBodyBytes = 32 * 1024 * 1024;
    MaxConnections = 10_000;
    MaxStreams = 20_000;
    MaxStreamsPerKey = 10_000;
    MaxReaders = 10_000;
    MaxUnread = Duration::from_secs(3600);
    MaxGrace = Duration::from_secs(600);
    MaxDetachedTokens = 200_000;
    MinTokens = 150;
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
            progress: Duration::from_secs(180),
            floor: None,
            total: None,
            early_open: Duration::from_secs(10),
            ping: Duration::from_secs(15),
            linger: Duration::from_secs(2),
            drain: Duration::from_secs(600),
        }
    }
}
