//! The bill: the ledger's row of each attempt that is over, whatever became of it.
//!
//! What the upstream said at the end is measured. Of an attempt that was cut nobody says what it cost: then its output is estimated from the text that came,
//! which is read from the log, and the row says so.

use std::sync::Arc;

use perennial_ledger::{Outcome as Billed, Row};
use perennial_log::{After, Kind, Log, Reader, StreamId};
use perennial_protocol::sse::Decoder;
use perennial_protocol::{Delta, Event, Received, Usage};
use perennial_tokens::count as estimate_tokens;

use super::Generation;
use super::attempt::Asked;
use super::failure::Failure;
use crate::access::Owner;
use crate::record::{AttemptNote, Cut};
use crate::service::Service;

/// How an attempt was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// With its last word, so that its usage is final.
    Whole(Billed),
    /// In the middle of its answer.
    Cut(Billed),
    /// Before there was an answer, by an error or for want of a connection: nothing is billed.
    Unanswered(Billed),
    /// Before there was an answer, by us: the upstream may have begun.
    Abandoned(Billed),
}

/// The outcome for an attempt that we ended.
pub(super) fn by(cut: Cut) -> Billed {
    match cut {
        Cut::Asked | Cut::Left | Cut::Total | Cut::Repeating => Billed::Cancelled,
        Cut::Shutdown | Cut::Crash => Billed::Interrupted,
        Cut::Upstream | Cut::Silence | Cut::Progress | Cut::EventTooLarge | Cut::Full => Billed::Cut,
    }
}

/// The outcome for an answer that is whole.
pub(super) fn of(stop_reason: Option<&str>) -> Billed {
    if stop_reason == Some("refusal") { Billed::Refused } else { Billed::Completed }
}

/// About how many tokens a request is, where anybody wants to know.
pub(super) fn estimated_input(service: &Service, body: &[u8]) -> u64 {
    match &service.ledger {
        Some(_) => serde_json::from_slice(body).map_or(0, |body| words(&body)),
        None => 0,
    }
}

/// About how many tokens the texts in a request are.
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
            Self::Whole(outcome)
            | Self::Cut(outcome)
            | Self::Unanswered(outcome)
            | Self::Abandoned(outcome) => outcome.as_str(),
        }
    }

    pub(super) fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Refused(..) | Failure::Answer(..) => Self::Unanswered(Billed::Failed),
            Failure::Cut(_) | Failure::InBand(..) | Failure::NoProof(_) => Self::Cut(Billed::Cut),
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
        match over {
            Over::Whole(outcome) | Over::Cut(outcome) if asked.usage_is_final => {
                row.outcome = outcome;
                row.measured(&known);
            }
            Over::Whole(outcome) | Over::Cut(outcome) => {
                row.outcome = outcome;
                let mut usage = estimated(&self.service.log, running.id, asked.number, known).await;
                usage.input_tokens.get_or_insert(asked.input_estimate);
                row.estimated(&usage);
            }
            Over::Unanswered(outcome) => row.outcome = outcome,
            Over::Abandoned(outcome) => {
                row.outcome = outcome;
                let mut usage = Usage::default();
                usage.input_tokens = Some(asked.input_estimate);
                row.estimated(&usage);
            }
        }
        match &mut self.course.reservation {
            Some(reservation) => reservation.settle(row),
            None => ledger.record(row),
        }
    }
}

/// Writes the row of the attempt that a process before this one left. Where that process wrote one itself, that one stands.
pub(super) async fn bill_left(service: &Service, stream: StreamId, owner: &Owner, model: Option<&str>) {
    let Some(ledger) = &service.ledger else { return };
    let said = match Said::read(&service.log, stream, None).await {
        Ok(said) => said,
        Err(error) => {
            tracing::warn!(%stream, %error, "what an attempt cost that was left cannot be read: it has no row");
            return;
        }
    };
    let upstream = said.upstream.clone().unwrap_or_default();
    let mut row = Row::new(stream.to_string(), said.attempt.max(1), model.unwrap_or_default(), upstream);
    row.key = Some(owner.name().to_owned());
    row.outcome = Billed::Interrupted;
    row.estimated(&said.usage());
    ledger.record(row);
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
    known: Usage,
    text: String,
}

impl Said {
    /// Of this attempt, or of the last one.
    async fn read(
        log: &Arc<dyn Log>,
        stream: StreamId,
        attempt: Option<u32>,
    ) -> Result<Self, perennial_log::Error> {
        let (mut said, mut current) = (Self::default(), 0);
        let mut reader = Reader::attach(log, stream, After::Start).await?;
        let last = reader.head().map_or(0, |head| head.last.get());
        while reader.position().get() <= last {
            let Some(run) = reader.next().await? else { break };
            for record in &run {
                match record.kind {
                    Kind::Attempt => {
                        let note = AttemptNote::decode(&record.payload);
                        if note.attempt > current && attempt.is_none_or(|attempt| attempt == note.attempt) {
                            said = Self {
                                attempt: note.attempt,
                                upstream: Some(note.upstream),
                                ..Self::default()
                            };
                        }
                        current = current.max(note.attempt);
                    }
                    Kind::Event | Kind::Withheld if current == said.attempt => said.add(&record.payload),
                    _ => {}
                }
            }
        }
        Ok(said)
    }

    fn add(&mut self, payload: &[u8]) {
        let mut decoder = Decoder::new();
        let mut input = payload;
        while let Some(Ok(frame)) = decoder.next_frame(&mut input) {
            match Received::read(frame).map(|received| received.event) {
                Ok(Some(Event::ContentBlockDelta {
                    delta: Delta::Text(said) | Delta::InputJson(said) | Delta::Thinking { thinking: said, .. },
                    ..
                })) => self.text.push_str(&said),
                Ok(Some(Event::MessageStart(message))) => self.known.update(&message.usage),
                _ => {}
            }
        }
    }

    fn usage(self) -> Usage {
        let mut usage = self.known;
        usage.output_tokens = Some(usage.output_tokens.unwrap_or(0).max(estimate_tokens(&self.text)));
        usage
    }
}
