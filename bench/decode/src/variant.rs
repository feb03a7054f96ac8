//! The ways through the stream that are compared.

use std::hint::black_box;
use std::str::FromStr;

use perennial_protocol::{EventDecoder, Transcript};
use perennial_sse::Decoder;
use serde::Deserialize;
use serde_json::Value;
use sse_core::{SseDecoder, SseEvent};

/// What a pass does.
#[derive(Clone, Copy)]
pub(crate) enum Variant {
    /// Nothing: the cost of the run itself.
    Nothing,
    /// Ours: frames.
    Split,
    /// Ours: frames, events, the folded message.
    Fold,
    /// Ours: the same, and the tool input so far read at every delta.
    Partial,
    /// sse-core: events, owned.
    PeerSplit,
    /// sse-core, serde_json by tag, text and input gathered block by block.
    PeerFold,
}

/// What a pass found, so that no variant can be fast by leaving out.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) events: u64,
    /// Of text or tool input, in the finished message (of data, where a pass only splits).
    pub(crate) content_bytes: u64,
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "nothing" => Self::Nothing,
            "split" => Self::Split,
            "fold" => Self::Fold,
            "partial" => Self::Partial,
            "peer-split" => Self::PeerSplit,
            "peer-fold" => Self::PeerFold,
            _ => return Err(format!("{text} is no variant")),
        })
    }
}

impl Variant {
    pub(crate) fn run(self, bytes: &[u8], chunk: usize) -> Seen {
        let chunks = bytes.chunks(chunk);
        match self {
            Self::Nothing => chunks.fold(Seen::default(), |seen, chunk| black_box((chunk, seen)).1),
            Self::Split => split(chunks),
            Self::Fold => fold(chunks, false),
            Self::Partial => fold(chunks, true),
            Self::PeerSplit => peer_split(chunks),
            Self::PeerFold => peer_fold(chunks),
        }
    }
}

type Chunks<'a> = std::slice::Chunks<'a, u8>;

fn split(chunks: Chunks<'_>) -> Seen {
    let mut decoder = Decoder::new();
    let mut seen = Seen::default();
    for mut chunk in chunks {
        while let Some(frame) = decoder.next_frame(&mut chunk) {
            let frame = frame.expect("no event here is over the limit");
            black_box(frame.event());
            seen.events += 1;
            seen.content_bytes += frame.data().map_or(0, |data| data.len() as u64);
        }
    }
    seen
}

fn fold(chunks: Chunks<'_>, partial: bool) -> Seen {
    let mut decoder = EventDecoder::new();
    let mut transcript = if partial { Transcript::new().following_inputs() } else { Transcript::new() };
    let mut seen = Seen::default();
    for mut chunk in chunks {
        while let Some(received) = decoder.next_event(&mut chunk) {
            let Some(event) = received.expect("the stream is well formed").event else { continue };
            transcript.apply(&event);
            seen.events += 1;
            if partial {
                black_box(transcript.partial_input(0).and_then(|input| newest(input.value()?)));
            }
        }
    }
    let inputs = transcript.input_text(0).map_or(0, str::len);
    let message = transcript.into_message();
    assert!(message.stop_reason.is_some(), "the message is whole");
    seen.content_bytes = (message.text().len() + inputs) as u64;
    seen
}

/// What a page would show of an input that is arriving: the newest item of its list, or its text so far.
fn newest(input: &Value) -> Option<usize> {
    match (input.get("items"), input.get("content")) {
        (Some(Value::Array(items)), _) => items.last()?.as_object().map(serde_json::Map::len),
        (_, Some(Value::String(text))) => Some(text.len()),
        _ => None,
    }
}

fn peer_split(chunks: Chunks<'_>) -> Seen {
    let mut seen = Seen::default();
    peer_events(chunks, |event, data| {
        black_box(event);
        seen.events += 1;
        seen.content_bytes += data.len() as u64;
    });
    seen
}

fn peer_fold(chunks: Chunks<'_>) -> Seen {
    let mut seen = Seen::default();
    let mut blocks: Vec<String> = Vec::new();
    peer_events(chunks, |_, data| {
        seen.events += 1;
        match serde_json::from_str(data).expect("the data is JSON of a known shape") {
            Event::ContentBlockStart { index } => blocks.resize(index + 1, String::new()),
            Event::ContentBlockDelta { index, delta } => match delta {
                Delta::TextDelta { text } => blocks[index].push_str(&text),
                Delta::InputJsonDelta { partial_json } => blocks[index].push_str(&partial_json),
            },
            Event::Other => {}
        }
    });
    seen.content_bytes = blocks.iter().map(|block| block.len() as u64).sum();
    seen
}

fn peer_events(chunks: Chunks<'_>, mut take: impl FnMut(&str, &str)) {
    let mut decoder = SseDecoder::new();
    for mut chunk in chunks {
        while let Some(event) = decoder.next(&mut chunk) {
            if let SseEvent::Message(message) = event.expect("no event here is over the limit") {
                take(&message.event, &message.data);
            }
        }
    }
}

/// As most clients type their events: owned, chosen by the tag inside.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    ContentBlockStart {
        index: usize,
    },
    ContentBlockDelta {
        index: usize,
        delta: Delta,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Delta {
    TextDelta { text: String },
    InputJsonDelta { partial_json: String },
}
