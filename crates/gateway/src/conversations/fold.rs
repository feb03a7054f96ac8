//! From a stream's records to how its turn ended.

use perennial_history::{Content, Ended, Json, State};
use perennial_log::{Error, Kind, Outcome, Reader, Record, Time};
use perennial_protocol::{Event, EventDecoder, Received, Transcript};
use serde_json::{Value, json};

use crate::record::Ending;

/// A stream's records on their way to a turn.
#[derive(Default)]
struct Fold {
    decoder: EventDecoder,
    transcript: Transcript,
    began: Option<Time>,
    /// When something of the content came first.
    first: Option<Time>,
}

/// A call that an answer ended with.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) input: Value,
}

/// What an answer came to.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) ended: Ended,
    /// What it wants done before it goes on; none unless it ended for that.
    pub(super) calls: Vec<Call>,
}

/// Reads the stream to its end, however long that takes.
pub(super) async fn fold(mut reader: Reader) -> Result<Folded, Error> {
    let mut fold = Fold::default();
    while let Some(run) = reader.next().await? {
        for record in &run {
            fold.apply(record);
            if let Some(outcome) = record.outcome() {
                return Ok(fold.end(outcome, &Ending::decode(&record.payload), Some(record.time)));
            }
        }
    }
    Ok(fold.end(Outcome::Interrupted, &Ending::default(), None))
}

impl Fold {
    fn apply(&mut self, record: &Record) {
        self.began.get_or_insert(record.time);
        if record.kind != Kind::Event {
            return;
        }
        let mut input = &record.payload[..];
        while let Some(received) = self.decoder.next_event(&mut input) {
            // What cannot be read was told to readers as a cut.
            if let Ok(Received { event: Some(event), .. }) = received {
                if matches!(event, Event::ContentBlockDelta { .. }) {
                    self.first.get_or_insert(record.time);
                }
                self.transcript.apply(&event);
            }
        }
    }

    fn end(self, outcome: Outcome, ending: &Ending, over: Option<Time>) -> Folded {
        let since = |time: Time| Some(time.as_micros().saturating_sub(self.began?.as_micros()) / 1_000);
        let (first, elapsed) = (self.first.and_then(since), over.and_then(since));
        let message = self.transcript.into_message();
        let mut ended = Ended::new(match outcome {
            Outcome::Completed => State::Completed,
            Outcome::Cancelled => State::Cancelled,
            Outcome::Failed => State::Failed,
            _ => State::Interrupted,
        });
        ended.stop_reason = ending.stop_reason.clone();
        ended.model = Some(message.model.clone()).filter(|model| !model.is_empty());
        ended.usage = ending.usage.as_ref().and_then(|usage| Json::of(usage).ok());
        ended.error = ending.error.as_ref().and_then(|error| {
            Json::of(&json!({"type": error.kind, "message": error.message, "request_id": error.request_id}))
                .ok()
        });
        ended.timing = elapsed.and_then(|ms| Json::of(&json!({"ttft_ms": first, "elapsed_ms": ms})).ok());
        let wants = outcome == Outcome::Completed && ending.stop_reason.as_deref() == Some("tool_use");
        let mut called = Vec::new();
        match Content::of(&message.content) {
            Ok(content) => {
                called = if wants { calls(&content) } else { called };
                ended.content = Some(content);
            }
            Err(error) => {
                tracing::error!(%error, "an answer cannot be kept in the history");
                ended.error = Json::of(&json!({"type": "api_error", "message": error.to_string()})).ok();
            }
        }
        Folded { ended, calls: called }
    }
}

/// The calls in the content of an answer.
pub(super) fn calls(content: &Content) -> Vec<Call> {
    let blocks: Vec<Value> = content.as_json().read().unwrap_or_default();
    let calls = blocks.into_iter().filter(|block| block["type"] == "tool_use");
    let calls = calls.filter_map(|mut block| {
        Some(Call {
            id: block["id"].as_str()?.to_owned(),
            name: block["name"].as_str()?.to_owned(),
            input: block["input"].take(),
        })
    });
    calls.collect()
}
