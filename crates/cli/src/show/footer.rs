//! The footer: what an answer took, in tokens, money and time.

use std::time::Duration;

use perennial::{MessageStream, StreamUsage};
use perennial_ledger::{Decimal, Prices};

use super::look::Notes;
use super::strip::Ink;
use super::tally::Tally;

/// Columns of a strip, so that it fits beside its words on a common terminal.
const STRIP: usize = 48;

/// Who is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paid {
    Service,
    /// The simulator in this process answered.
    Nobody,
}

impl Paid {
    /// What the answer cost, in US dollars. What is not known is not guessed.
    pub(crate) fn cost(self, stream: &MessageStream) -> Option<Decimal> {
        let usage = stream.usage();
        let known = usage.tokens.input_tokens.is_some() && usage.tokens.output_tokens.is_some();
        if self == Self::Nobody || !usage.is_final || !known {
            return None;
        }
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        Prices::embedded().cost_of(&stream.transcript().envelope().model, usage.tokens, today)
    }
}

/// The lines of the footer. Without a strip where the stream was not read event by event.
pub(crate) fn lines(
    stream: &MessageStream,
    tally: &Tally,
    notes: &Notes,
    paid: Paid,
    failed: bool,
) -> Vec<String> {
    let mut lines = vec![tokens(stream, paid), times(&stream.usage(), tally)];
    lines.extend(names(stream));
    if tally.first().is_some() {
        lines.push(strip(tally, notes, failed));
    }
    lines
}

fn tokens(stream: &MessageStream, paid: Paid) -> String {
    let usage = stream.usage();
    let tokens = usage.tokens;
    let figure = |figure: Option<u64>| figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string());
    let fresh = tokens.input_tokens.unwrap_or_default();
    let read = tokens.cache_read_input_tokens.unwrap_or_default();
    let written = tokens.cache_creation_input_tokens.unwrap_or_default();
    let prompt = fresh + read + written;
    let mut line = match tokens.input_tokens {
        Some(_) => format!("tokens: {prompt} in"),
        None => "tokens: - in".to_owned(),
    };
    if read > 0 {
        line.push_str(&format!(" ({} % from cache)", (100 * read + prompt / 2) / prompt));
    }
    if written > 0 {
        line.push_str(&format!(" ({written} written to cache)"));
    }
    // Before the end the figure is a placeholder of the service.
    let out = if usage.is_final { figure(tokens.output_tokens) } else { "-".to_owned() };
    line.push_str(&format!(", {out} out"));
    if let Some(thought) = tokens.output_tokens_details.as_ref().and_then(|details| details.thinking_tokens)
        && usage.is_final
        && thought > 0
    {
        line.push_str(&format!(" ({thought} thinking)"));
    }
    line.push_str(&format!("; cost {}", cost(stream, paid)));
    line
}

/// Who answered, why it stopped, and the request's id, to be quoted to support.
fn names(stream: &MessageStream) -> Option<String> {
    let envelope = stream.transcript().envelope();
    let model = Some(envelope.model.clone()).filter(|model| !model.is_empty());
    let reason = envelope.stop_reason.as_ref().map(ToString::to_string);
    let id = stream.request_id().map(str::to_owned);
    let names: Vec<String> = [model, reason, id].into_iter().flatten().collect();
    (!names.is_empty()).then(|| format!("answer: {}", names.join("; ")))
}

fn cost(stream: &MessageStream, paid: Paid) -> String {
    let short = |cost: Decimal| cost.round_sf(3).unwrap_or(cost).normalize();
    match (paid, paid.cost(stream)) {
        (Paid::Nobody, _) => "nothing (simulated)".to_owned(),
        (Paid::Service, Some(cost)) => format!("${}", short(cost)),
        (Paid::Service, None) => "-".to_owned(),
    }
}

fn times(usage: &StreamUsage<'_>, tally: &Tally) -> String {
    let mut parts = Vec::new();
    if let Some(first) = tally.first() {
        parts.push(format!("{} to the first token", seconds(first)));
        if let Some(text) = tally.first_text().filter(|text| *text > first + Duration::from_millis(50)) {
            parts.push(format!("{} to the text", seconds(text)));
        }
    }
    let tokens = usage.tokens.output_tokens.filter(|_| usage.is_final);
    if let Some(speed) = tokens.and_then(|tokens| tally.speed(tokens)) {
        parts.push(format!("{speed:.0} tokens/s"));
    }
    parts.push(format!("{} in all", seconds(tally.elapsed())));
    format!("time: {}", parts.join(", "))
}

fn strip(tally: &Tally, notes: &Notes, failed: bool) -> String {
    let words = tally.pause().map(|(after, length)| {
        format!("  longest pause {:.1} s, after {:.1} s", length.as_secs_f64(), after.as_secs_f64())
    });
    let words = words.unwrap_or_default();
    let room = notes.columns.saturating_sub(words.len() + 1).clamp(16, STRIP);
    let ink = Ink { colored: notes.colored, ascii: notes.accessible, width: room };
    let strip = tally.strip().draw(tally.elapsed(), failed, ink);
    format!("{strip}{words}")
}

fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}
