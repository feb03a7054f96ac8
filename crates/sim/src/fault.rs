//! What can go wrong on purpose: one definition of every fault, for headers, scenarios, admin calls and rates alike.
//!
//! Faults are written as words: `fin@event=5`, `status=529,retry-after=1,times=2; drip=1`. A clause is a comma-separated list of
//! words, clauses are separated by semicolons; `times=N` and `rate=P` limit the clause they stand in. [`Faults`] is the typed
//! form; its text form parses back to the same value. [`Fault::WORDS`] lists the words, [`Fault::catalogue`] has a name for each
//! way to fail that a client should be tested against.

mod catalogue;
mod grammar;
mod tamper;
mod words;

use std::time::Duration;

pub use catalogue::{Expect, Named};
pub use grammar::NotAFault;
pub(crate) use tamper::{Tampered, tamper};
pub(crate) use words::{Word, clauses, quoted};

use crate::nearest::nearest;

/// Faults that apply together, in the order written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Each with its own limits.
    pub clauses: Vec<Clause>,
}

/// Faults with one limit.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Clause {
    /// All of them apply, or none.
    pub faults: Vec<Fault>,
    /// Only the first so many attempts of a request fail. Attempts are told by the header `perennial-sim-key`, or else by an
    /// equal body with equal orders.
    pub times: Option<u32>,
    /// Only this share of the requests fails, picked by the seed.
    pub rate: Option<f64>,
}

/// One way to fail.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// An error status instead of an answer.
    Status(Status),
    /// Status 200 with a body that is not the stream that was asked for.
    Body(WrongBody),
    /// FIN in the middle of the response, or before it.
    Fin(Place),
    /// RST in the middle of the response, or before it.
    Rst(Place),
    /// The body ends as HTTP wants it, too early.
    End(Place),
    /// Silence.
    Stall {
        /// How long; `None` is for ever.
        span: Option<Duration>,
        /// Whether pings go on.
        pings: bool,
        /// Where.
        place: Place,
    },
    /// An `error` event, after which nothing comes.
    Error {
        /// `overloaded_error`, `api_error`, ...
        kind: String,
        /// Where.
        place: Place,
    },
    /// Bytes that are no event and no UTF-8, with a blank line after them.
    Garbage {
        /// How many.
        bytes: usize,
        /// Where.
        place: Place,
    },
    /// The event at this place has data that is not JSON.
    NotJson(Place),
    /// The event at this place is padded with blanks to this size; its meaning stays.
    Huge {
        /// Size of the event.
        bytes: usize,
        /// Which event.
        place: Place,
    },
    /// Events are left out.
    Drop(Which),
    /// An event comes twice.
    Duplicate(Which),
    /// The whole message comes twice in one body.
    TwoMessages,
    /// The last deltas before this place come again and again, as from a model that is stuck.
    Repeat {
        /// How often.
        times: u32,
        /// Where.
        place: Place,
    },
    /// Something that no client can know yet.
    Unknown(Unknown),
    /// `message_start` and `message_delta` without `usage`.
    NoUsage,
    /// No `event:` lines.
    NoNames,
    /// `event:` lines that differ from the type in the data.
    WrongNames,
    /// Other line ends.
    Lines(Lines),
    /// A byte order mark before the first event.
    Bom,
    /// A comment before each event.
    Comments,
    /// Writes of at most so many bytes.
    Writes(usize),
    /// So many tokens per second, whatever the pace.
    Drip(f64),
}

/// An error status and what comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// 400 to 599.
    pub code: u16,
    /// Value of `retry-after`, as it is.
    pub retry_after: Option<String>,
    /// Value of `retry-after-ms`, as it is.
    pub retry_after_ms: Option<String>,
    /// Value of `x-should-retry`, instead of the one that the status implies.
    pub should_retry: Option<bool>,
    /// `error.type`, instead of the one that the status implies.
    pub error_type: Option<String>,
    /// `error.details.error_code`.
    pub error_code: Option<String>,
    /// What the body is.
    pub body: ErrorBody,
}

/// The body of an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorBody {
    /// The error body of the service.
    #[default]
    Json,
    /// A page as proxies make them; without a request id.
    Html,
    /// Nothing.
    Empty,
}

/// What comes with status 200 instead of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongBody {
    /// The folded message, `application/json`.
    Json,
    /// A web page.
    Html,
    /// No byte, but the content type of a stream.
    Empty,
}

/// Where in a response something happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the status line.
    Headers,
    /// When so many events of the answer were sent. Pings in silence do not count. A range is picked from by the seed.
    Event(Pick),
    /// When so many bytes of the body were sent. A range is picked from by the seed.
    Byte(Pick),
    /// Right after the first event of this name.
    After(String),
}

/// A number, or a range out of which the seed picks one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// First.
    pub from: u64,
    /// Last, `from` itself included.
    pub to: u64,
}

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// By name: all of them are dropped, the first is duplicated.
    Named(String),
    /// By number, from 0.
    Numbered(Pick),
}

/// What a client cannot know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// An event of a new type.
    Event,
    /// A block of a new type, with deltas of a new type.
    Block,
    /// A delta of a new type in a known block.
    Delta,
    /// A new stop reason.
    StopReason,
}

/// Line ends of event streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// CR LF
    CrLf,
    /// CR
    Cr,
}

impl Fault {
    /// Every word, with the values it takes and what it does.
    pub const WORDS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("status", "=400..599", "an error status; may be followed by the next six words"),
        ("retry-after", "=VALUE", "with status: that header, as it is"),
        ("retry-after-ms", "=VALUE", "with status: that header, as it is"),
        ("should-retry", "=true|false", "with status: `x-should-retry`"),
        ("error-type", "=TYPE", "with status: `error.type`"),
        ("error-code", "=CODE", "with status: `error.details.error_code`"),
        ("error-body", "=json|html|empty", "with status: what the body is"),
        ("body", "=json|html|empty", "status 200 with that body instead of the stream"),
        ("fin", "@PLACE", "FIN in the middle of the response"),
        ("rst", "@PLACE", "RST in the middle of the response"),
        ("end", "@PLACE", "the body ends early, but as HTTP wants it"),
        ("stall", "[=DURATION]@PLACE", "silence, for ever or for so long"),
        (
            "ping-stall",
            "[=DURATION]@PLACE",
            "nothing but pings, for ever or for so long: one a second, or as often as the pace has them if that is more often",
        ),
        ("error", "=TYPE@PLACE", "an `error` event, after which nothing comes"),
        ("garbage", "[=BYTES]@PLACE", "bytes that are no event"),
        ("not-json", "@event=K", "event K has data that is not JSON"),
        ("huge", "=BYTES@event=K", "event K is padded with blanks to that size"),
        ("drop", "=NAME or @event=K", "leave out all events of a name, or one by number"),
        ("duplicate", "=NAME or @event=K", "send an event twice: the first of a name, or one by number"),
        ("two-messages", "", "the whole message comes twice in one body"),
        ("repeat", "=N@event=K", "the last deltas before event K come N more times"),
        ("unknown", "=event|block|delta|stop_reason", "something that no client can know yet"),
        ("no-usage", "", "`message_start` and `message_delta` without usage"),
        ("no-names", "", "no `event:` lines"),
        ("wrong-names", "", "`event:` lines that differ from the type in the data"),
        ("lines", "=crlf|cr", "other line ends"),
        ("bom", "", "a byte order mark before the first event"),
        ("comments", "", "a comment before each event"),
        ("writes", "=BYTES", "no write is larger"),
        ("drip", "=TOKENS", "so many tokens per second, whatever the pace"),
        ("named", "=NAME", "a fault of the catalogue"),
        ("times", "=N", "only the first N attempts of a request meet this clause"),
        ("rate", "=0..1", "only this share of the requests meets this clause"),
    ];

    /// Every way to fail that a client should be tested against, each with a name.
    #[must_use]
    pub fn catalogue() -> &'static [Named] {
        catalogue::ALL
    }

    /// The fault of the catalogue with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Named> {
        Self::catalogue().iter().find(|named| named.name == name)
    }

    /// Whether `name` is one of [`Fault::WORDS`].
    pub(crate) fn knows(name: &str) -> bool {
        Self::WORDS.iter().any(|(word, ..)| *word == name)
    }
}

impl Status {
    /// That status with the body of the service and no further headers.
    #[must_use]
    pub fn new(code: u16) -> Self {
        Self {
            code,
            retry_after: None,
            retry_after_ms: None,
            should_retry: None,
            error_type: None,
            error_code: None,
            body: ErrorBody::Json,
        }
    }
}

impl Faults {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// Those that the given attempt of a request meets: `times` and `rate` decided, ranges picked.
    pub(crate) fn met(&self, attempt: u64, rng: &mut fastrand::Rng) -> Vec<Fault> {
        let mut met = Vec::new();
        for clause in &self.clauses {
            // Drawn for every clause, so that one clause does not shift the luck of the next.
            let drawn = rng.f64();
            let early = clause.times.is_none_or(|times| attempt < u64::from(times));
            let unlucky = clause.rate.is_none_or(|rate| drawn < rate);
            for fault in &clause.faults {
                let mut fault = fault.clone();
                if let Some(span) = fault.span_mut() {
                    let picked = rng.u64(span.from..=span.to);
                    *span = Pick::at(picked);
                }
                if early && unlucky {
                    met.push(fault);
                }
            }
        }
        met
    }
}

impl Fault {
    fn span_mut(&mut self) -> Option<&mut Pick> {
        let place = match self {
            Self::Fin(place) | Self::Rst(place) | Self::End(place) | Self::NotJson(place) => place,
            Self::Stall { place, .. }
            | Self::Error { place, .. }
            | Self::Garbage { place, .. }
            | Self::Huge { place, .. }
            | Self::Repeat { place, .. } => place,
            Self::Drop(Which::Numbered(span)) | Self::Duplicate(Which::Numbered(span)) => return Some(span),
            _ => return None,
        };
        match place {
            Place::Event(span) | Place::Byte(span) => Some(span),
            Place::Headers | Place::After(_) => None,
        }
    }
}

impl Pick {
    /// One number.
    #[must_use]
    pub fn at(number: u64) -> Self {
        Self { from: number, to: number }
    }
}

/// The word that was probably meant, for messages.
pub(crate) fn hint<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> String {
    nearest(typed, words).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
