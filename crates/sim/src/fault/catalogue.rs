//! A name for each way to fail that a client should be tested against.

use super::{Faults, NotAFault};

/// A fault with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Named {
    /// As in `named=NAME`.
    pub name: &'static str,
    /// In the words of [`Faults`].
    pub words: &'static str,
    /// One line.
    pub about: &'static str,
    /// What a client that is right makes of it.
    pub expect: Expect,
}

/// What a client that is right makes of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The whole answer: nothing is wrong with it.
    Whole,
    /// The whole answer, after another try.
    Retried,
    /// An error at once: another try is useless, or not for now.
    Refused,
    /// An error, with the part that came before it. Never a normal success.
    Cut,
    /// Nothing, until a deadline of its own.
    Overdue,
}

impl Named {
    /// The fault itself.
    ///
    /// # Errors
    ///
    /// None: every entry of the catalogue is tested to be one.
    pub fn faults(&self) -> Result<Faults, NotAFault> {
        self.words.parse()
    }
}

const fn named(name: &'static str, words: &'static str, expect: Expect, about: &'static str) -> Named {
    Named { name, words, about, expect }
}

/// In the order of the documentation: statuses, beginnings, breaks, silences, errors, framing, order, the unknown, speed.
pub(super) const ALL: &[Named] = &[
    named(
        "429-once",
        "status=429,retry-after=1,times=1",
        Expect::Retried,
        "rate limited; asks to wait a second",
    ),
    named(
        "429-ms",
        "status=429,retry-after-ms=40,times=1",
        Expect::Retried,
        "rate limited; asks to wait 40 ms",
    ),
    named(
        "429-float",
        "status=429,retry-after=0.04,times=1",
        Expect::Retried,
        "rate limited; `retry-after` with a fraction",
    ),
    named(
        "429-date",
        "status=429,retry-after=\"Wed, 21 Oct 2015 07:28:00 GMT\",times=1",
        Expect::Retried,
        "rate limited; `retry-after` is a date, and past",
    ),
    named(
        "429-negative",
        "status=429,retry-after=-5,times=1",
        Expect::Retried,
        "rate limited; `retry-after` is negative",
    ),
    named(
        "429-soon",
        "status=429,retry-after=soon,times=1",
        Expect::Retried,
        "rate limited; `retry-after` is no time",
    ),
    named(
        "429-a-day",
        "status=429,retry-after=86400",
        Expect::Refused,
        "rate limited; asks to wait a whole day",
    ),
    named(
        "429-spend-limit",
        "status=429,should-retry=false,error-code=enforced_spend_limit_reached",
        Expect::Refused,
        "a spend limit, which waiting does not lift",
    ),
    named("529-twice", "status=529,times=2", Expect::Retried, "overloaded twice, then well"),
    named("529-always", "status=529", Expect::Refused, "overloaded, however often one asks"),
    named("500-once", "status=500,times=1", Expect::Retried, "an internal error, then well"),
    named(
        "500-final",
        "status=500,should-retry=false",
        Expect::Refused,
        "an internal error that asks not to come again",
    ),
    named(
        "502-html",
        "status=502,error-body=html,times=1",
        Expect::Retried,
        "a web page from a proxy, then well",
    ),
    named(
        "503-empty",
        "status=503,error-body=empty,times=1",
        Expect::Retried,
        "unavailable, without a body, then well",
    ),
    named("504-once", "status=504,times=1", Expect::Retried, "timed out inside, then well"),
    named("408-once", "status=408,times=1", Expect::Retried, "timed out, then well"),
    named("409-once", "status=409,times=1", Expect::Retried, "a conflict, then well"),
    named("400-plain", "status=400", Expect::Refused, "an invalid request"),
    named(
        "400-retryable",
        "status=400,should-retry=true,times=1",
        Expect::Retried,
        "an invalid request that asks to come again",
    ),
    named("401-plain", "status=401", Expect::Refused, "a key that is not known"),
    named("402-plain", "status=402", Expect::Refused, "a bill that is not paid"),
    named("403-plain", "status=403", Expect::Refused, "not allowed"),
    named("404-plain", "status=404", Expect::Refused, "not there"),
    named("413-html", "status=413,error-body=html", Expect::Refused, "too large, as a web page from a proxy"),
    named("fin-before-headers", "fin@headers,times=1", Expect::Retried, "closed before any byte, then well"),
    named("rst-before-headers", "rst@headers,times=1", Expect::Retried, "reset before any byte, then well"),
    named("no-headers", "stall@headers", Expect::Overdue, "the request is taken and nothing ever comes"),
    named("slow-headers", "stall=400ms@headers", Expect::Whole, "the headers take their time"),
    named(
        "json-200",
        "body=json",
        Expect::Whole,
        "200 with the folded message although a stream was asked for",
    ),
    named("html-200", "body=html", Expect::Refused, "200 with a web page"),
    named("empty-200", "body=empty", Expect::Refused, "200, the content type of a stream, and no byte"),
    named("fin-before-events", "fin@event=0,times=1", Expect::Retried, "headers, FIN, then well"),
    named(
        "fin-before-content",
        "fin@event=2,times=1",
        Expect::Retried,
        "the start of the first block, FIN, then well",
    ),
    named("fin-mid-text", "fin@event=6", Expect::Cut, "FIN between two deltas"),
    named("fin-mid-event", "fin@byte=1200", Expect::Cut, "FIN inside an event"),
    named(
        "fin-before-stop",
        "fin@after=message_delta",
        Expect::Cut,
        "FIN after the stop reason, before `message_stop`",
    ),
    named(
        "fin-after-stop",
        "fin@after=message_stop",
        Expect::Whole,
        "FIN after `message_stop`, without the last chunk",
    ),
    named("rst-mid-text", "rst@event=6", Expect::Cut, "RST between two deltas"),
    named("rst-mid-event", "rst@byte=1200", Expect::Cut, "RST inside an event"),
    named(
        "end-before-content",
        "end@event=1,times=1",
        Expect::Retried,
        "a clean end after `message_start`, then well",
    ),
    named(
        "end-mid-text",
        "end@event=6",
        Expect::Cut,
        "the body ends between two deltas, as if nothing were missing",
    ),
    named(
        "end-mid-event",
        "end@byte=1200",
        Expect::Cut,
        "the body ends inside an event, as if nothing were missing",
    ),
    named("end-before-stop", "end@after=message_delta", Expect::Cut, "the body ends after the stop reason"),
    named("silence-after-headers", "stall@event=0", Expect::Overdue, "headers, then nothing ever"),
    named("stall-mid-text", "stall@event=6", Expect::Overdue, "nothing ever after a few deltas"),
    named("stall-mid-event", "stall@byte=1200", Expect::Overdue, "nothing ever after half an event"),
    named("short-stall", "stall=400ms@event=6", Expect::Whole, "a pause"),
    named("ping-stall-mid-text", "ping-stall@event=6", Expect::Overdue, "pings for ever after a few deltas"),
    named(
        "open-after-stop",
        "stall@after=message_stop",
        Expect::Whole,
        "the connection stays open after the end",
    ),
    named(
        "error-first",
        "error=overloaded_error@event=0,times=1",
        Expect::Retried,
        "an error is the first event, then well",
    ),
    named(
        "error-before-content",
        "error=overloaded_error@event=1,times=1",
        Expect::Retried,
        "an error after `message_start`, then well",
    ),
    named("error-mid-text", "error=overloaded_error@event=6", Expect::Cut, "overloaded between two deltas"),
    named(
        "api-error-mid-text",
        "error=api_error@event=6",
        Expect::Cut,
        "an internal error between two deltas",
    ),
    named(
        "error-before-stop",
        "error=api_error@after=message_delta",
        Expect::Cut,
        "an error after the stop reason",
    ),
    named(
        "error-after-stop",
        "error=api_error@after=message_stop",
        Expect::Whole,
        "an error after `message_stop`",
    ),
    named(
        "garbage-between",
        "garbage@event=6",
        Expect::Whole,
        "a line that is no event and no UTF-8, between two events",
    ),
    named("garbage-inside", "garbage@byte=1200", Expect::Cut, "the same inside an event"),
    named("not-json", "not-json@event=6", Expect::Cut, "a delta with broken JSON"),
    named("one-byte-writes", "writes=1", Expect::Whole, "every byte by itself"),
    named("crlf", "lines=crlf", Expect::Whole, "CRLF line ends"),
    named("cr", "lines=cr", Expect::Whole, "CR line ends"),
    named("bom", "bom", Expect::Whole, "a byte order mark at the beginning"),
    named("comments", "comments", Expect::Whole, "a comment before each event"),
    named("no-names", "no-names", Expect::Whole, "no `event:` lines"),
    named(
        "wrong-names",
        "wrong-names",
        Expect::Whole,
        "`event:` lines that say something else than the data",
    ),
    named("huge-event", "huge=4000000@event=6", Expect::Whole, "an event of 4 MB, nearly all of it blanks"),
    named("no-message-start", "drop=message_start", Expect::Cut, "`message_start` is missing"),
    named("no-block-stop", "drop=content_block_stop", Expect::Whole, "`content_block_stop` is missing"),
    named(
        "no-message-delta",
        "drop=message_delta",
        Expect::Cut,
        "`message_delta` is missing, thus the stop reason",
    ),
    named("no-message-stop", "drop=message_stop", Expect::Cut, "`message_stop` is missing"),
    named("two-starts", "duplicate=message_start", Expect::Whole, "`message_start` comes twice"),
    named("two-message-deltas", "duplicate=message_delta", Expect::Whole, "`message_delta` comes twice"),
    named("two-messages", "two-messages", Expect::Whole, "a second message follows in the same body"),
    named("no-usage", "no-usage", Expect::Whole, "no usage anywhere"),
    named("unknown-event", "unknown=event", Expect::Whole, "an event of a new type"),
    named(
        "unknown-block",
        "unknown=block",
        Expect::Whole,
        "a block of a new type, with deltas of a new type",
    ),
    named("unknown-delta", "unknown=delta", Expect::Whole, "a delta of a new type in a text block"),
    named("unknown-stop-reason", "unknown=stop_reason", Expect::Whole, "a new stop reason"),
    named("drip", "drip=1", Expect::Whole, "one token per second"),
    named("repetition", "repeat=200@event=9", Expect::Whole, "the same words 200 times over"),
];
