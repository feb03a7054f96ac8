//! The bill: the ledger's row of each attempt that is over, whatever became of it.
//!
//! What the upstream said at the end is measured. Of an attempt that was cut nobody says what it cost: then its output is estimated from the text that came,
//! which is read from the log, and the row says so.

use std::sync::Arc;

use bytes::Bytes;
use perennial_ledger::{Outcome as Billed, Row};
use perennial_log::{After, Kind, Log, Reader, StreamId};
use perennial_protocol::{Delta, Event, Received, Usage};
use perennial_tokens::{TOOL_PREAMBLE, count as estimate_tokens};

use super::Generation;
use super::attempt::Asked;
use super::failure::Failure;
use crate::access::Owner;
use crate::record::{AttemptNote, Cut, Order, frames};
use crate::service::Service;

/// How an attempt was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The upstream answered, or may have begun to.
    Begun(Billed),
    /// There was an error, or no connection: nothing is billed.
    Unanswered(Billed),
}

/// The outcome for an attempt that we ended.
pub(super) fn by(cut: Cut) -> Billed {
    match cut {
        Cut::Asked | Cut::Left | Cut::Total | Cut::Repeating => Billed::Cancelled,
        Cut::Shutdown | Cut::Crash => Billed::Interrupted,
        Cut::Upstream
        | Cut::Unreadable
        | Cut::Gap
        | Cut::Silence
        | Cut::Progress
        | Cut::Slow
        | Cut::EventTooLarge
        | Cut::Full => Billed::Cut,
    }
}

/// The outcome for an answer that is whole.
pub(super) fn of(stop_reason: Option<&str>) -> Billed {
    if stop_reason == Some("refusal") { Billed::Refused } else { Billed::Completed }
}

/// About how many tokens a request is. [`perennial_ledger::Ask`] has another figure, from above, for what is held.
fn prompt(request: &serde_json::Value) -> u64 {
    let tools = request["tools"].as_array().filter(|tools| !tools.is_empty());
    // Definitions reach the model as JSON, behind words about tools at all.
    let tools = tools.map_or(0, |tools| {
        TOOL_PREAMBLE + tools.iter().map(|tool| estimate_tokens(&tool.to_string())).sum::<u64>()
    });
    tools + words(&request["system"]) + words(&request["messages"])
}

/// About how many tokens the texts in a part of a request are.
fn words(value: &serde_json::Value) -> u64 {
    match value {
        serde_json::Value::String(text) => estimate_tokens(text),
        serde_json::Value::Array(values) => values.iter().map(words).sum(),
        serde_json::Value::Object(members) => {
            let said = members.iter().filter(|(name, _)| !matches!(&***name, "role" | "type" | "model"));
            said.map(|(_, value)| words(value)).sum()
        }
        _ => 0,
    }
}

impl Over {
    /// For metrics.
    fn word(self) -> &'static str {
        match self {
            Self::Begun(outcome) | Self::Unanswered(outcome) => outcome.as_str(),
        }
    }

    pub(super) fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Refused(..) | Failure::Answer(..) => Self::Unanswered(Billed::Failed),
            Failure::Cut(_) | Failure::InBand(..) | Failure::NoProof(_) => Self::Begun(Billed::Cut),
        }
    }
}

impl Generation {
    /// Writes the row of an attempt into the ledger, where there is one.
    pub(super) async fn bill(&mut self, asked: &Asked, over: Over) {
        if !asked.is_of_an_upstream() {
            return;
        }
        let labels = self.service.metrics.labels(self.running.model.as_deref(), asked.name());
        self.service.metrics.attempt(&labels, over.word(), asked.usage.as_ref());
        let Some(ledger) = self.service.ledger.clone() else { return };
        let running = &self.running;
        let model = running.model.clone().unwrap_or_default();
        let mut row = Row::new(running.id.to_string(), asked.number, model, asked.name());
        row.key = Some(running.owner.name().to_owned());
        row.started = asked.started;
        row.ended = jiff::Timestamp::now();
        row.request_id = asked.request_id.clone();
        row.stop_reason = asked.stop_reason.clone();
        let known = asked.usage.clone().unwrap_or_default();
        row.outcome = match over {
            Over::Begun(outcome) if asked.usage_is_final => {
                row.measured(&known);
                outcome
            }
            Over::Begun(outcome) => {
                row.estimated(&estimated(&self.service.log, running.id, asked.number, known).await);
                outcome
            }
            Over::Unanswered(outcome) => outcome,
        };
        match &mut self.course.reservation {
            Some(reservation) => reservation.settle(row),
            None => ledger.record(row),
        }
    }
}

/// Writes the row of the attempt that a process before this one left, and gives its number. Where that process wrote one itself, that one stands.
pub(super) async fn bill_left(
    service: &Service,
    stream: StreamId,
    owner: &Owner,
    model: Option<&str>,
) -> Result<u32, perennial_log::Error> {
    let said = Said::read(&service.log, stream, None).await?;
    let number = said.attempt.max(1);
    if let Some(ledger) = &service.ledger {
        let upstream = said.upstream.clone().unwrap_or_default();
        let mut row = Row::new(stream.to_string(), number, model.unwrap_or_default(), upstream);
        row.key = Some(owner.name().to_owned());
        row.outcome = Billed::Interrupted;
        row.request_id = said.request_id.clone();
        row.estimated(&said.usage());
        ledger.record(row);
    }
    Ok(number)
}

/// What is known of an attempt that was cut, with its output as the text that came suggests it.
async fn estimated(log: &Arc<dyn Log>, stream: StreamId, attempt: u32, known: Usage) -> Usage {
    match Said::read(log, stream, Some(attempt)).await {
        Ok(said) => Said { known, ..said }.usage(),
        Err(error) => {
            tracing::warn!(%stream, %error, "what an attempt said cannot be read again: its row lacks its output");
            known
        }
    }
}

/// All that one attempt said, whether readers were given it or not.
#[derive(Debug, Default)]
struct Said {
    attempt: u32,
    upstream: Option<String>,
    request_id: Option<String>,
    known: Usage,
    /// About how many tokens have come.
    tokens: u64,
    /// About how many tokens the request was.
    asked: u64,
}

impl Said {
    /// Of this attempt, or of the last one.
    async fn read(
        log: &Arc<dyn Log>,
        stream: StreamId,
        attempt: Option<u32>,
    ) -> Result<Self, perennial_log::Error> {
        let (mut said, mut current) = (Self::default(), 0);
        let mut so_far = Reader::attach(log, stream, After::Start).await?.so_far();
        while let Some(run) = so_far.next().await? {
            for record in &run {
                match record.kind {
                    Kind::Request => said.asked = asked(&record.payload),
                    Kind::Attempt => {
                        let note = AttemptNote::decode(&record.payload);
                        // One that has failed is followed by another, of which nothing is noted until it is answered.
                        let number = note.attempt + u32::from(note.failure.is_some());
                        if number > current && attempt.is_none_or(|attempt| attempt == number) {
                            said = Self { attempt: number, asked: said.asked, ..Self::default() };
                        }
                        current = current.max(number);
                        if said.attempt == number && note.failure.is_none() {
                            (said.upstream, said.request_id) = (Some(note.upstream), note.request_id);
                        }
                    }
                    Kind::Event | Kind::Withheld if current == said.attempt => said.add(&record.payload),
                    _ => {}
                }
            }
        }
        Ok(said)
    }

    fn add(&mut self, payload: &[u8]) {
        frames(payload, |frame| match Received::read(frame).map(|received| received.event) {
            Ok(Some(Event::ContentBlockDelta {
                delta: Delta::Text(said) | Delta::InputJson(said) | Delta::Thinking { thinking: said, .. },
                ..
            })) => self.tokens += estimate_tokens(&said),
            Ok(Some(Event::MessageStart(message))) => self.known.update(&message.usage),
            _ => {}
        });
    }

    fn usage(self) -> Usage {
        let mut usage = self.known;
        usage.input_tokens.get_or_insert(self.asked);
        usage.output_tokens = Some(usage.output_tokens.unwrap_or(0).max(self.tokens));
        usage
    }
}

/// About how many tokens the request in a stream's first record is.
fn asked(payload: &Bytes) -> u64 {
    let body = Order::decode(payload).and_then(|order| serde_json::from_slice(&order.body).ok());
    body.as_ref().map_or(0, prompt)
}
