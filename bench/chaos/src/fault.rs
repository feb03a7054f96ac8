//! What goes wrong with one stream, and what is promised for it all the same.

use perennial_sim::{Expect, Fault as Catalogue, Named};

use crate::reference::{Reference, Where};
use crate::subject::Form;

/// One fault, for one stream.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// As reports group it: a name of the catalogue, or `fin@byte`.
    pub(crate) name: String,
    /// In the words of the simulator.
    pub(crate) words: String,
    pub(crate) promise: Promise,
    /// The events that come are not those of an undisturbed stream: what the simulator sends is what is right.
    pub(crate) alters: bool,
}

/// What has to become of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// All of the answer.
    Whole,
    /// All of it, after another try that nobody sees.
    Retried,
    /// All of it, gone on with at a seam.
    Recovered,
    /// An error.
    Refused,
    /// All of it, or an error; nothing else is promised.
    Truth,
}

/// The ways to break a stream that are swept over its bytes or its events.
pub(crate) const SWEPT: &[&str] = &[
    "fin@byte",
    "rst@byte",
    "end@byte",
    "fin@byte",
    "rst@byte",
    "end@byte",
    "stall@byte",
    "garbage@byte",
    "error=overloaded_error@event",
    "error=api_error@event",
    "ping-stall@event",
    "not-json@event",
    "lines=crlf;fin@byte",
    "writes=64;rst@byte",
    "status=529,times=1;fin@byte",
];

/// How many attempts meet the fault: one, two, or all of them.
pub(crate) type Times = Option<u32>;

impl Fault {
    /// A fault of the catalogue.
    pub(crate) fn named(named: &Named, is_rare: bool) -> Self {
        // What would take minutes, or gigabytes, is as fast and as small as it may be and still itself; `is_rare` is the thing itself.
        let words = match named.name {
            "drip" => "drip=100",
            "huge-event" if !is_rare => "huge=200000@event=6",
            _ => named.words,
        };
        let promise = match named.expect {
            Expect::Whole => Promise::Whole,
            Expect::Retried => Promise::Retried,
            Expect::Refused => Promise::Refused,
            // Without an end to it, every attempt fails alike.
            Expect::Cut | Expect::Overdue => Promise::Truth,
        };
        let alters =
            named.expect == Expect::Whole && !words.starts_with("stall") && !words.starts_with("body");
        Self { name: named.name.to_owned(), words: words.to_owned(), promise, alters }
    }

    /// A swept one, at one place.
    pub(crate) fn swept(kind: &str, at: u64, times: Times, reference: &Reference, form: Form) -> Self {
        let place =
            if kind.ends_with("byte") { reference.bytes.place(at) } else { reference.events.place(at) };
        let first_fails = kind.starts_with("status");
        let limit = times.map(|times| format!(",times={}", times + u32::from(first_fails)));
        let mangles = kind.contains("garbage") || kind.contains("not-json");
        // An upstream is asked three times at most.
        let passes = times.is_some_and(|times| times + u32::from(first_fails) <= 2);
        let promise = match place {
            Where::After => Promise::Whole,
            _ if mangles => Promise::Truth,
            Where::Before if passes => Promise::Retried,
            Where::Within if passes && form.is_text() => Promise::Recovered,
            _ => Promise::Truth,
        };
        // Behind the end an error event changes nothing for who has the answer.
        Self {
            name: kind.to_owned(),
            words: format!("{kind}={at}{}", limit.unwrap_or_default()),
            promise,
            alters: false,
        }
    }
}

/// The catalogue of the simulator.
pub(crate) fn catalogue() -> &'static [Named] {
    Catalogue::catalogue()
}
