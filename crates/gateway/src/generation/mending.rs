//! Mending: what is left of an answer that broke, and how another attempt goes on with it.
//!
//! All of it is read from the log, which is what readers have. So it is the same whether a connection broke a moment ago or the process that made the stream
//! was killed, and while all is well nothing of the request or of the answer is kept for it.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use perennial_log::{After, Error, Kind, Log, Reader, StreamId};
use perennial_recovery::{MaxHops, Plan, RetryBudget, RetryPolicy, Told};

use super::intake::Joining;
use crate::record::{AttemptNote, Ending, Next, Order, SeamNote, frames};

/// How many tokens all attempts for one answer may come to, input included, for another one to go on with it. 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxRecoveryTokens(pub u64);

/// What is done where a clock rings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnClock {
    /// The same upstream, or another one, is asked again, or asked for the rest.
    #[default]
    Recover,
    /// The same, but by another upstream where there is one.
    FallBack,
    /// The stream ends with an error.
    Fail,
}

/// How answers are kept from failing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Recovery {
    /// Before content: how often each upstream is asked again, and when.
    pub retries: RetryPolicy,
    /// How much of the traffic may be further attempts.
    pub budget: RetryBudget,
    /// After content.
    pub hops: MaxHops,
    /// After content.
    pub tokens: MaxRecoveryTokens,
    /// See [`Clocks::first_byte`](crate::Clocks::first_byte).
    pub on_first_byte: OnClock,
    /// See [`Clocks::silence`](crate::Clocks::silence).
    pub on_silence: OnClock,
    /// See [`Clocks::progress`](crate::Clocks::progress).
    pub on_progress: OnClock,
    /// See [`Clocks::floor`](crate::Clocks::floor).
    pub on_floor: OnClock,
}

impl Recovery {
    /// What breaks is broken: nothing is asked twice.
    #[must_use]
    pub fn none() -> Self {
        Self { retries: RetryPolicy::none(), hops: MaxHops(0), ..Self::default() }
    }
}

impl Default for MaxRecoveryTokens {
    fn default() -> Self {
        Self(1_000_000)
    }
}

/// What the log has of a stream that is not over.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) order: Option<Order>,
    pub(super) told: Told,
    /// Attempts that were begun.
    pub(super) attempts: u32,
    /// How often it has been gone on with.
    pub(super) hops: u32,
}

/// A request that goes up.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) order: Order,
    /// In place of the order's.
    pub(super) body: Option<Bytes>,
    pub(super) joining: Option<Box<Joining>>,
}

/// What can be done about an answer that broke.
#[derive(Debug)]
pub(super) enum Remedy {
    /// This is asked.
    Ask(Box<Ask>, Next),
    /// All of it is there but its end marker, which is this.
    Finish(Bytes),
    /// Nothing, and why.
    None(String),
}

impl Ask {
    pub(super) fn new(order: Order) -> Self {
        Self { order, body: None, joining: None }
    }

    /// Gives back what is in the log as well.
    pub(super) fn forget(&mut self) {
        (self.body, self.order.body, self.order.headers) = (None, Bytes::new(), HeaderMap::new());
    }

    pub(super) fn body(&self) -> Bytes {
        self.body.clone().unwrap_or_else(|| self.order.body.clone())
    }
}

impl Left {
    /// Reads all that the log has.
    pub(super) async fn read(log: &Arc<dyn Log>, stream: StreamId) -> Result<Self, Error> {
        let mut left = Self::default();
        let mut so_far = Reader::attach(log, stream, After::Start).await?.so_far();
        while let Some(run) = so_far.next().await? {
            for record in &run {
                match record.kind {
                    Kind::Request => left.order = Order::decode(&record.payload),
                    Kind::Event => frames(&record.payload, |frame| left.told.shown(frame)),
                    Kind::Withheld => frames(&record.payload, |frame| left.told.withheld(frame)),
                    Kind::Seam => left.hops += u32::from(SeamNote::decode(&record.payload).is_hop()),
                    Kind::Attempt => left.note(&AttemptNote::decode(&record.payload)),
                    _ => {}
                }
            }
        }
        Ok(left)
    }

    fn note(&mut self, note: &AttemptNote) {
        if note.attempt > self.attempts {
            self.attempts = note.attempt;
            self.told.next_attempt();
        }
        self.hops += u32::from(note.failure.as_deref() == Some("seam_refused"));
    }

    /// How the stream would end with what is there, but for the error.
    pub(super) fn ending(&self) -> Ending {
        let stop_reason = self.told.transcript().envelope().stop_reason.as_ref().map(ToString::to_string);
        let usage = self.told.has_started().then(|| self.told.usage());
        Ending { stop_reason, usage, ..Ending::default() }
    }

    /// What can be done. `reason` is why it broke.
    pub(super) fn remedy(self, recovery: &Recovery, reason: &str) -> Remedy {
        let Some(order) = self.order else {
            return Remedy::None("the request cannot be read".to_owned());
        };
        if !self.told.has_started() {
            return Remedy::Ask(Box::new(Ask::new(order)), Next::Retry);
        }
        if !order.recover && self.told.has_content() {
            return Remedy::None("the request asked for that".to_owned());
        }
        let seam = SeamNote {
            attempt: self.attempts + 1,
            reason: reason.to_owned(),
            mode: String::new(),
            cut: 0,
            overlap: 0,
        };
        let used = self.told.usage();
        let tokens = used.total_input_tokens() + used.output_tokens.unwrap_or(0);
        let joining = |splice| Some(Box::new(Joining { splice, seam, used }));
        match perennial_recovery::plan(&order.body, &self.told) {
            Plan::Restart(splice) => {
                let ask = Ask { order, body: None, joining: joining(splice) };
                Remedy::Ask(Box::new(ask), Next::Retry)
            }
            Plan::Continue { .. } if self.hops >= recovery.hops.0 => {
                Remedy::None(format!("it was gone on with {} times already", self.hops))
            }
            Plan::Continue { .. } if tokens > recovery.tokens.0 => {
                Remedy::None(format!("its attempts have come to {tokens} tokens already"))
            }
            Plan::Continue { body, splice, .. } => {
                let ask = Ask { order, body: Some(body), joining: joining(splice) };
                Remedy::Ask(Box::new(ask), Next::Continue)
            }
            Plan::Finish(frame) => Remedy::Finish(frame),
            Plan::Refuse(reason) => Remedy::None(reason.to_string()),
        }
    }
}
