//! The stage of the tests: answers as frames, in any fragmentation, and what becomes of one that breaks.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stdout, reason = "the stage of tests")]

use bytes::Bytes;
use http::HeaderMap;
use perennial_protocol::sse::{Decoder, Frame};
use perennial_protocol::{Event, Lint, Received, Transcript};
use perennial_recovery::{Joint, Mode, Piece, Plan, Reason, Splice, Told, plan};
use perennial_sim::answer::{Answer, Block};
use perennial_sim::mind::{Manners, Mind};
use serde_json::{Value, json};

/// Takes a prefill.
pub(crate) const OLD: &str = "claude-haiku-4-5";
/// Refuses one.
pub(crate) const NEW: &str = "claude-opus-4-8";

/// The seed of everything random in a test, printed by whoever uses it. `PERENNIAL_SEED` sets it.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("PERENNIAL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("PERENNIAL_SEED={seed}");
    seed
}

/// Whether every case is to be looked at, not a sample (`PERENNIAL_ALL_SEAMS=1`).
pub(crate) fn all() -> bool {
    std::env::var_os("PERENNIAL_ALL_SEAMS").is_some()
}

pub(crate) fn request(model: &str, prompt: &str, max_tokens: u64) -> Value {
    json!({
        "model": model, "max_tokens": max_tokens, "stream": true,
        "messages": [{"role": "user", "content": prompt}],
    })
}

/// A frame as the service writes it.
pub(crate) fn frame(data: &Value) -> Bytes {
    let name = data["type"].as_str().unwrap();
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

pub(crate) fn message_start(id: &str) -> Bytes {
    frame(&json!({"type": "message_start", "message": {
        "id": id, "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null,
        "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 1},
    }}))
}

pub(crate) fn block_start(index: u64, block: &Value) -> Bytes {
    frame(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

pub(crate) fn text_start(index: u64) -> Bytes {
    block_start(index, &json!({"type": "text", "text": ""}))
}

pub(crate) fn delta(index: u64, delta: &Value) -> Bytes {
    frame(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

pub(crate) fn text_delta(index: u64, text: &str) -> Bytes {
    delta(index, &json!({"type": "text_delta", "text": text}))
}

pub(crate) fn block_stop(index: u64) -> Bytes {
    frame(&json!({"type": "content_block_stop", "index": index}))
}

pub(crate) fn message_end(stop_reason: &str, output_tokens: u64) -> [Bytes; 2] {
    let delta = json!({"stop_reason": stop_reason, "stop_sequence": null});
    [
        frame(&json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": output_tokens}})),
        frame(&json!({"type": "message_stop"})),
    ]
}

/// A text in pieces of one to `most` characters.
pub(crate) fn pieces<'t>(text: &'t str, most: usize, dice: &mut fastrand::Rng) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let count = dice.usize(1..=most);
        let at = rest.char_indices().nth(count).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// An answer of the simulator's mind as frames, its deltas of one to `most` characters.
pub(crate) fn frames_of(answer: &Answer, most: usize, dice: &mut fastrand::Rng) -> Vec<Bytes> {
    let mut frames = vec![message_start(&answer.id), frame(&json!({"type": "ping"}))];
    for (index, block) in (0..).zip(&answer.blocks) {
        match block {
            Block::Text { text, .. } => {
                frames.push(text_start(index));
                frames.extend(pieces(text, most, dice).iter().map(|piece| text_delta(index, piece)));
            }
            Block::Thinking { thinking, signature, .. } => {
                frames
                    .push(block_start(index, &json!({"type": "thinking", "thinking": "", "signature": ""})));
                for piece in pieces(thinking, most, dice) {
                    frames.push(delta(index, &json!({"type": "thinking_delta", "thinking": piece})));
                }
                frames.push(delta(index, &json!({"type": "signature_delta", "signature": signature})));
            }
            Block::ToolUse { kind, id, name, input, .. } => {
                let block = json!({"type": kind, "id": id, "name": name, "input": {}});
                frames.push(block_start(index, &block));
                for piece in pieces(input, most, dice) {
                    frames.push(delta(index, &json!({"type": "input_json_delta", "partial_json": piece})));
                }
            }
            other => panic!("{other:?} is not asked for"),
        }
        frames.push(block_stop(index));
    }
    frames.extend(message_end(&answer.stop_reason, answer.usage.output_tokens));
    frames
}

/// Each frame of these bytes.
pub(crate) fn each(bytes: &[u8], mut take: impl FnMut(Frame<'_>)) {
    let mut decoder = Decoder::new();
    let mut input = bytes;
    while let Some(frame) = decoder.next_frame(&mut input) {
        take(frame.unwrap());
    }
}

/// What its readers have of an answer.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) told: Told,
    pub(crate) frames: Vec<Bytes>,
    pub(crate) joints: Vec<Joint>,
}

impl Reader {
    pub(crate) fn of(frames: &[Bytes]) -> Self {
        let mut reader = Self::default();
        reader.told.next_attempt();
        frames.iter().for_each(|frame| reader.show(frame.clone()));
        reader
    }

    pub(crate) fn show(&mut self, frame: Bytes) {
        each(&frame, |frame| self.told.shown(frame));
        self.frames.push(frame);
    }

    pub(crate) fn transcript(&self) -> Transcript {
        let mut transcript = Transcript::new();
        for bytes in &self.frames {
            each(bytes, |frame| {
                if let Ok(Received { event: Some(event), .. }) = Received::read(frame) {
                    transcript.apply(&event);
                }
            });
        }
        transcript
    }

    pub(crate) fn text(&self) -> String {
        self.transcript().text()
    }

    /// What the grammar has against the frames, in a stream that came to its end.
    pub(crate) fn findings(&self) -> Vec<String> {
        let mut lint = Lint::new();
        self.frames.iter().for_each(|bytes| each(bytes, |frame| lint.observe(&frame)));
        lint.finish(None).iter().map(ToString::to_string).collect()
    }

    /// Takes the frames of another attempt in; why they do not fit, where they do not.
    pub(crate) fn join(&mut self, mut splice: Splice, frames: &[Bytes]) -> Result<Splice, String> {
        self.told.next_attempt();
        for bytes in frames {
            let mut pieces = Vec::new();
            let mut taken = Ok(());
            each(bytes, |frame| taken = splice.take(frame, bytes, &mut pieces));
            for piece in pieces {
                match piece {
                    Piece::Show(frame) => self.show(frame),
                    Piece::Withhold(frame) => each(&frame, |frame| self.told.withheld(frame)),
                    Piece::Joined(joint) => self.joints.push(joint),
                }
            }
            taken.map_err(|refused| refused.to_string())?;
        }
        if splice.is_joined() { Ok(splice) } else { Err("it broke before it was joined".to_owned()) }
    }

    pub(crate) fn plan(&self, request: &Value) -> Plan {
        plan(request.to_string().as_bytes(), &self.told)
    }

    /// Goes on with an answer of the mind, cut after `keep` of its frames if that is given.
    pub(crate) fn go_on(
        &mut self,
        mind: &Mind,
        request: &Value,
        manners: &Manners,
        keep: Option<f64>,
        dice: &mut fastrand::Rng,
    ) -> Outcome {
        let (body, splice) = match self.plan(request) {
            Plan::Finish(frame) => {
                self.show(frame);
                return Outcome::Joined(Mode::Finish);
            }
            Plan::Refuse(reason) => return Outcome::Planned(reason),
            Plan::Restart(splice) => (request.clone(), splice),
            Plan::Continue { body, splice, .. } => (serde_json::from_slice(&body).unwrap(), splice),
        };
        if let Err(refused) = mind.validate(&body, &headers()) {
            panic!("{refused}: {body}");
        }
        let answer = mind.answer(&body, manners);
        let most = [1, 5, 40][dice.usize(..3)];
        let mut frames = frames_of(&answer, most, dice);
        if let Some(keep) = keep {
            let keep = frames.len() as f64 * keep;
            #[expect(clippy::cast_possible_truncation)]
            frames.truncate(keep as usize);
        }
        match self.join(splice, &frames) {
            Ok(_) => Outcome::Joined(self.joints[self.joints.len() - 1].mode),
            Err(why) => Outcome::NotJoined(why),
        }
    }
}

/// What came of going on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Joined(Mode),
    Planned(Reason),
    NotJoined(String),
}

impl Outcome {
    pub(crate) fn is_joined(&self) -> bool {
        matches!(self, Self::Joined(_))
    }
}

/// What the mind wants to see of headers.
pub(crate) fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [("x-api-key", "any"), ("anthropic-version", "2023-06-01")] {
        headers.insert(name, value.parse().unwrap());
    }
    headers
}

/// The events that readers have in these frames, by name.
pub(crate) fn names(frames: &[Bytes]) -> Vec<String> {
    let mut names = Vec::new();
    for bytes in frames {
        each(bytes, |frame| {
            if let Ok(Received { event: Some(event), .. }) = Received::read(frame)
                && event != Event::Ping
            {
                names.push(event.name().to_owned());
            }
        });
    }
    names
}
