//! The row of one attempt.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use perennial_protocol::Usage;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::money::{self, Pico};
use crate::tokens::{Bill, Tokens};

/// One attempt: one request to an upstream on behalf of a stream, whatever became of it.
///
/// The pair of `stream` and `attempt` names it. A row that is recorded twice is in the ledger once, as it came first: after a crash
/// everything can be recorded again.
///
/// ```
/// use perennial_ledger::{Outcome, Row};
/// use perennial_protocol::Usage;
///
/// let usage: Usage = serde_json::from_str(r#"{"input_tokens":12,"output_tokens":340}"#)?;
/// let mut row = Row::new("strm_0197...", 1, "claude-sonnet-5-5", "claude");
/// row.outcome = Outcome::Completed;
/// row.stop_reason = Some("end_turn".to_owned());
/// row.measured(&usage);
/// assert_eq!(row.tokens().output, 340);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The name of the stream, `strm_...`.
    pub stream: String,
    /// Which attempt of the stream, from 1.
    pub attempt: u32,
    /// For whom: the id of a virtual key, or whatever else the gateway calls its callers by. A [`Reservation`](crate::Reservation) fills it in.
    pub key: Option<String>,
    /// The model that answered, as the upstream names it; the one asked for, if none did.
    pub model: String,
    /// The name of the upstream.
    pub upstream: String,
    /// When the request went up.
    pub started: Timestamp,
    /// When it was over. The UTC day of this is the day whose budget pays.
    pub ended: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The upstream's id of the request.
    pub request_id: Option<String>,
    /// Why the model stopped, as the upstream says it.
    pub stop_reason: Option<String>,
    pub(crate) accuracy: Accuracy,
    pub(crate) tokens: Tokens,
    #[serde(skip)]
    pub(crate) bill: Bill,
    /// What the price depends on besides the model.
    #[serde(skip)]
    pub(crate) terms: Terms,
    #[serde(serialize_with = "usd")]
    pub(crate) cost: Option<Pico>,
    pub(crate) prices: Option<Date>,
    /// What counts against budgets: the cost, or what was reserved where the cost is unknown.
    #[serde(skip)]
    pub(crate) charged: Pico,
}

/// Where the figures of a row come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Accuracy {
    /// The upstream said all of them, at the end of the attempt.
    Measured,
    /// At least one is the gateway's own estimate, such as the output of an attempt that was cut.
    Estimated,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// The answer came whole.
    Completed,
    /// Somebody stopped it: the client, an operator, a policy.
    Cancelled,
    /// The upstream was lost in the middle: closed, reset, silent, or an `error` event after the answer began.
    Cut,
    /// It came to nothing: no connection, an error status, an `error` event before any content.
    Failed,
    /// The model declined.
    Refused,
    /// The gateway was lost, and what became of the attempt is not known.
    Interrupted,
}

/// A text that is not an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("completed, cancelled, cut, failed, refused or interrupted")]
#[non_exhaustive]
pub struct InvalidOutcome;

/// What a price depends on besides the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) tier: Option<String>,
    pub(crate) speed: Option<String>,
    pub(crate) geo: Option<String>,
}

impl Row {
    /// A row of an attempt that used nothing and failed, now; set what is otherwise.
    #[must_use]
    pub fn new(
        stream: impl Into<String>,
        attempt: u32,
        model: impl Into<String>,
        upstream: impl Into<String>,
    ) -> Self {
        let now = Timestamp::now();
        Self {
            stream: stream.into(),
            attempt,
            key: None,
            model: model.into(),
            upstream: upstream.into(),
            started: now,
            ended: now,
            outcome: Outcome::Failed,
            request_id: None,
            stop_reason: None,
            accuracy: Accuracy::Measured,
            tokens: Tokens::default(),
            bill: Bill { is_whole: true, ..Bill::default() },
            terms: Terms::default(),
            cost: None,
            prices: None,
            charged: 0,
        }
    }

    /// Takes over what the upstream said it used: the last word on each figure, as [`Usage::update`] keeps it.
    ///
    /// Where a part had to be assumed (cache writes whose time to live was not told), the row is an estimate all the same.
    pub fn measured(&mut self, usage: &Usage) {
        self.take(usage, Accuracy::Measured);
    }

    /// Takes over figures of which at least one is the gateway's own estimate.
    pub fn estimated(&mut self, usage: &Usage) {
        self.take(usage, Accuracy::Estimated);
    }

    /// What the attempt used.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Where the figures come from.
    #[must_use]
    pub fn accuracy(&self) -> Accuracy {
        self.accuracy
    }

    /// What it cost, in US dollars; `None` where that is unknown, and until the row is recorded.
    #[must_use]
    pub fn cost(&self) -> Option<Decimal> {
        self.cost.map(money::to_usd)
    }

    /// Since when the prices that made the cost are in force.
    #[must_use]
    pub fn prices(&self) -> Option<Date> {
        self.prices
    }

    /// The UTC day whose budget pays.
    pub(crate) fn day(&self) -> Date {
        crate::day_of(self.ended)
    }

    fn take(&mut self, usage: &Usage, accuracy: Accuracy) {
        self.bill = Bill::of(usage);
        self.tokens = Tokens::of(usage);
        self.accuracy = if self.bill.is_whole { accuracy } else { Accuracy::Estimated };
        self.terms = Terms {
            tier: usage.service_tier.clone(),
            speed: usage.speed.clone(),
            geo: usage.inference_geo.clone(),
        };
    }
}

impl Accuracy {
    /// `measured` or `estimated`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Estimated => "estimated",
        }
    }
}

impl Outcome {
    /// The word for it, as it stands in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Cut => "cut",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Interrupted => "interrupted",
        }
    }
}

impl FromStr for Outcome {
    type Err = InvalidOutcome;

    fn from_str(word: &str) -> Result<Self, InvalidOutcome> {
        [Self::Completed, Self::Cancelled, Self::Cut, Self::Failed, Self::Refused, Self::Interrupted]
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
            .ok_or(InvalidOutcome)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Decimals are text: a JSON number is read as a float by most.
#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn usd<S: serde::Serializer>(cost: &Option<Pico>, to: S) -> Result<S::Ok, S::Error> {
    cost.map(|cost| money::to_usd(cost).to_string()).serialize(to)
}
