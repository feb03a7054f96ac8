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
        Some(_) => std::str::from_utf8(body).map_or(0, estimate_tokens),
        None => 0,
    }
}

impl Over {
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
        let Some(ledger) = self.service.ledger.clone() else { return };
        if !asked.is_of_an_upstream() {
            return;
        }
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
            Over::Whole(outcome) => {
                row.outcome = outcome;
                row.measured(&known);
            }
            Over::Cut(outcome) if asked.stop_reason.is_some() => {
                row.outcome = outcome;
                row.measured(&known);
            }
            Over::Cut(outcome) => {
                row.outcome = outcome;
                row.estimated(&estimated(&self.service.log, running.id, asked.number, known).await);
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

/// What is known of an attempt that was cut, with its output as the text that came suggests it.
pub(super) async fn estimated(log: &Arc<dyn Log>, stream: StreamId, attempt: u32, mut known: Usage) -> Usage {
    let text = match generated(log, stream, attempt).await {
        Ok(text) => text,
        Err(error) => {
            tracing::warn!(%stream, %error, "what an attempt said cannot be read again: its row lacks its output");
            return known;
        }
    };
    let output = estimate_tokens(&text);
    known.output_tokens = Some(known.output_tokens.unwrap_or(0).max(output));
    known
}

/// All that an attempt said, whether readers were given it or not.
async fn generated(
    log: &Arc<dyn Log>,
    stream: StreamId,
    attempt: u32,
) -> Result<String, perennial_log::Error> {
    let mut text = String::new();
    let mut current = 0;
    let mut reader = Reader::attach(log, stream, After::Start).await?;
    let last = reader.head().map_or(0, |head| head.last.get());
    while reader.position().get() <= last {
        let Some(run) = reader.next().await? else { break };
        for record in &run {
            match record.kind {
                Kind::Attempt => current = AttemptNote::decode(&record.payload).attempt,
                Kind::Event | Kind::Withheld if current == attempt => say(&record.payload, &mut text),
                _ => {}
            }
        }
    }
    Ok(text)
}

fn say(payload: &[u8], text: &mut String) {
    let mut decoder = Decoder::new();
    let mut input = payload;
    while let Some(Ok(frame)) = decoder.next_frame(&mut input) {
        if let Ok(received) = Received::read(frame)
            && let Some(Event::ContentBlockDelta { delta, .. }) = received.event
        {
            match &delta {
                Delta::Text(said) | Delta::InputJson(said) | Delta::Thinking { thinking: said, .. } => {
                    text.push_str(said);
                }
                _ => {}
            }
        }
    }
}
