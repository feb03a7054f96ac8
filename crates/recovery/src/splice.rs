//! The splice: what another attempt says becomes the rest of an answer, once it is proven where the two join.
//!
//! Until then readers are given nothing of it; every frame is kept apart. Afterwards its frames pass as they are but for the numbers of its blocks, and the last usage,
//! which is that of all attempts.

use std::fmt;

use bytes::Bytes;
use indexmap::IndexMap;
use perennial_protocol::sse::Frame;
use perennial_protocol::{BlockStatus, ContentBlock, Delta, Event, Received, Transcript, Usage};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::overlap::{Found, Overlap, Proof};
use crate::plan::Mode;
use crate::told::Told;

/// Joins another attempt to what readers have. Takes its frames, one after the other.
#[derive(Debug)]
pub struct Splice {
    mode: Mode,
    overlap: Overlap,
    opening: Opening,
    /// What all attempts before used, and this one.
    before: Usage,
    own: Usage,
    stage: Stage,
    /// Which of this attempt's blocks became which of the answer's.
    blocks: Vec<(u64, Target)>,
}

/// What a frame of the other attempt becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A frame for readers.
    Show(Bytes),
    /// A frame that readers are not given.
    Withhold(Bytes),
    /// From here on the two are one.
    Joined(Joint),
}

/// Where two attempts join, and what proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Joint {
    /// How the rest was asked for.
    pub mode: Mode,
    /// Bytes of text that readers had.
    pub cut: u64,
    /// Bytes of it that were said again, and are left out.
    pub overlap: u64,
}

/// Two attempts that cannot be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoProof(&'static str);

impl fmt::Display for NoProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NoProof {}

/// The block that readers have last, and the number of the next.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    open: Option<u64>,
    /// The type of the open block.
    kind: Option<&'static str>,
    next: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing of the other attempt's content has come.
    Begun,
    /// Its block with this number says again what is to be joined.
    Joining(u64),
    Joined,
}

/// What becomes of a block of the other attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// It has this number.
    Block(u64),
    /// Readers are not given it.
    Withheld,
    /// It becomes a block if anything comes in it.
    Pending,
}

impl Opening {
    pub(crate) fn of(transcript: &Transcript) -> Self {
        let last = transcript.indices().last();
        let open = last.filter(|last| transcript.block_status(*last) == Some(BlockStatus::Open));
        let kind = open.and_then(|open| transcript.block(open)).and_then(kind);
        Self { open, kind, next: last.map_or(0, |last| last + 1) }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

impl Splice {
    /// For the same answer, asked for again; it must begin with `text`.
    pub(crate) fn again(told: &Told, text: String, opening: Opening) -> Self {
        Self::new(told, Mode::Restart, Overlap::new(text, Proof::Whole), opening)
    }

    /// For the rest of an answer.
    pub(crate) fn rest(told: &Told, mode: Mode, overlap: Overlap, opening: Opening) -> Self {
        Self::new(told, mode, overlap, opening)
    }

    fn new(told: &Told, mode: Mode, overlap: Overlap, opening: Opening) -> Self {
        // Without a `message_start` there is nothing to join.
        let stage = if told.has_started() { Stage::Begun } else { Stage::Joined };
        let (before, own) = (told.usage(), Usage::default());
        Self { mode, overlap, opening, before, own, stage, blocks: Vec::new() }
    }

    /// Whether what comes is for readers.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.stage == Stage::Joined
    }

    /// What this attempt has used, as far as it said so.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.own
    }

    /// Takes a frame of the other attempt; what becomes of it is added to `out`.
    ///
    /// # Errors
    /// When it cannot be joined any more: what is in `out` is to be kept, and nothing that follows is to be shown. `raw` is the frame's bytes.
    pub fn take(&mut self, frame: Frame<'_>, raw: &Bytes, out: &mut Vec<Piece>) -> Result<(), NoProof> {
        let event = Received::read(frame).ok().and_then(|received| received.event);
        if let Some(Event::MessageStart(message)) = &event {
            self.own.update(&message.usage);
        }
        if self.stage == Stage::Joined {
            self.pass(event.as_ref(), raw, out);
            return Ok(());
        }
        out.push(Piece::Withhold(raw.clone()));
        match event {
            Some(Event::ContentBlockStart { index, block }) => self.begin(index, &block, out),
            Some(Event::ContentBlockDelta { index, delta }) => self.say(index, &delta, out),
            Some(Event::ContentBlockStop { index }) if self.stage == Stage::Joining(index) => {
                Err(NoProof("it ended before it could be joined"))
            }
            Some(Event::MessageStart(message)) if !message.content.is_empty() => {
                Err(NoProof("it begins with blocks that are whole"))
            }
            Some(Event::MessageStart(_)) if self.is_fresh() && !self.opening.is_open() => {
                out.push(self.join(0));
                Ok(())
            }
            Some(Event::MessageDelta(delta)) => {
                if let Some(usage) = &delta.usage {
                    self.own.update(usage);
                }
                Err(NoProof(match delta.delta.stop_reason {
                    Some(perennial_protocol::StopReason::Refusal) => "the model declined to go on",
                    _ => "it ended before it could be joined",
                }))
            }
            Some(Event::MessageStop) => Err(NoProof("it ended before it could be joined")),
            _ => Ok(()),
        }
    }

    /// Whether readers have nothing of the content; at most a block has begun.
    fn is_fresh(&self) -> bool {
        self.mode == Mode::Restart && self.overlap.cut() == 0
    }

    /// A block begins, and it is not known yet where it belongs. Its frame is kept already.
    fn begin(&mut self, index: u64, block: &ContentBlock, out: &mut Vec<Piece>) -> Result<(), NoProof> {
        if self.is_fresh()
            && let Some(open) = self.opening.open
        {
            if kind(block) != self.opening.kind || !is_empty(block) {
                return Err(NoProof("asked again, the answer begins with another block"));
            }
            self.blocks.push((index, Target::Block(open)));
            out.push(self.join(0));
            return Ok(());
        }
        match block {
            ContentBlock::Text(text) => {
                self.stage = Stage::Joining(index);
                if text.text.is_empty() { Ok(()) } else { self.said(index, &text.text, out) }
            }
            ContentBlock::Thinking(_) | ContentBlock::RedactedThinking(_) if self.mode != Mode::Restart => {
                // It thinks about how to go on, which is no part of the answer.
                self.blocks.push((index, Target::Withheld));
                Ok(())
            }
            _ => Err(NoProof("it begins with something other than text")),
        }
    }

    fn say(&mut self, index: u64, delta: &Delta<'_>, out: &mut Vec<Piece>) -> Result<(), NoProof> {
        match delta {
            _ if self.stage != Stage::Joining(index) => Ok(()),
            Delta::Text(text) => self.said(index, text, out),
            _ => Err(NoProof("what it says before it is joined is more than text")),
        }
    }

    /// More of the text that is to be joined.
    fn said(&mut self, index: u64, text: &str, out: &mut Vec<Piece>) -> Result<(), NoProof> {
        let Some(Found { overlap, rest }) = self.overlap.push(text).map_err(NoProof)? else { return Ok(()) };
        out.push(self.join(overlap));
        let target = match self.opening.open {
            Some(open) => Target::Block(open),
            None => Target::Pending,
        };
        self.blocks.push((index, target));
        if !rest.is_empty() {
            let number = self.number(index, out);
            let delta = json!({"type": "text_delta", "text": rest});
            out.push(show(
                "content_block_delta",
                &json!({"type": "content_block_delta", "index": number, "delta": delta}),
            ));
        }
        Ok(())
    }

    fn join(&mut self, overlap: usize) -> Piece {
        self.stage = Stage::Joined;
        let (cut, overlap) = (self.overlap.cut() as u64, overlap as u64);
        Piece::Joined(Joint { mode: self.mode, cut, overlap })
    }

    /// The number of a block that something comes in; a text that may not have been one yet begins now.
    fn number(&mut self, index: u64, out: &mut Vec<Piece>) -> Option<u64> {
        let next = self.opening.next;
        let (_, target) = self.blocks.iter_mut().rev().find(|(own, _)| *own == index)?;
        match target {
            Target::Block(number) => Some(*number),
            Target::Withheld => None,
            Target::Pending => {
                *target = Target::Block(next);
                self.opening.next += 1;
                let block = json!({"type": "text", "text": ""});
                let start = json!({"type": "content_block_start", "index": next, "content_block": block});
                out.push(show("content_block_start", &start));
                Some(next)
            }
        }
    }

    /// A frame of the joined attempt.
    fn pass(&mut self, event: Option<&Event<'_>>, raw: &Bytes, out: &mut Vec<Piece>) {
        match event {
            Some(Event::ContentBlockStart { index, .. }) => self.begin_joined(*index, raw, out),
            Some(Event::ContentBlockDelta { index, .. }) => match self.number(*index, out) {
                Some(number) => out.push(Piece::Show(renumbered(raw, *index, number))),
                None => out.push(Piece::Withhold(raw.clone())),
            },
            Some(Event::ContentBlockStop { index }) => {
                let target =
                    self.blocks.iter().rev().find(|(own, _)| own == index).map(|(_, target)| *target);
                match target {
                    Some(Target::Block(number)) => out.push(Piece::Show(renumbered(raw, *index, number))),
                    Some(Target::Withheld | Target::Pending) => out.push(Piece::Withhold(raw.clone())),
                    // Of a block that never began: its reader is to judge.
                    None => out.push(Piece::Show(raw.clone())),
                }
            }
            Some(Event::MessageDelta(delta)) => {
                if let Some(usage) = &delta.usage {
                    self.own.update(usage);
                }
                out.push(Piece::Show(self.summed(raw)));
            }
            _ => out.push(Piece::Show(raw.clone())),
        }
    }

    fn begin_joined(&mut self, index: u64, raw: &Bytes, out: &mut Vec<Piece>) {
        let number = self.opening.next;
        self.opening.next += 1;
        self.blocks.push((index, Target::Block(number)));
        out.push(Piece::Show(renumbered(raw, index, number)));
    }

    /// The frame of a `message_delta` with the usage of all attempts.
    fn summed(&self, raw: &Bytes) -> Bytes {
        let mut usage = self.before.clone();
        if usage == Usage::default() {
            return raw.clone();
        }
        usage.add(&self.own);
        let with = |data: &[u8]| {
            let mut members: IndexMap<String, Box<RawValue>> = serde_json::from_slice(data).ok()?;
            let usage = serde_json::value::to_raw_value(&usage).ok()?;
            *members.get_mut("usage")? = usage;
            serde_json::to_string(&members).ok()
        };
        rewritten(raw, with).unwrap_or_else(|| raw.clone())
    }
}

/// The type of a block that an answer may begin with.
fn kind(block: &ContentBlock) -> Option<&'static str> {
    match block {
        ContentBlock::Text(_) => Some("text"),
        ContentBlock::Thinking(_) => Some("thinking"),
        _ => None,
    }
}

fn is_empty(block: &ContentBlock) -> bool {
    match block {
        ContentBlock::Text(text) => text.text.is_empty(),
        ContentBlock::Thinking(thinking) => thinking.thinking.is_empty() && thinking.signature.is_empty(),
        _ => false,
    }
}

fn show(name: &str, data: &Value) -> Piece {
    Piece::Show(Bytes::from(format!("event: {name}\ndata: {data}\n\n")))
}

/// The frame with another number for its block.
fn renumbered(raw: &Bytes, index: u64, number: u64) -> Bytes {
    if index == number {
        return raw.clone();
    }
    let with = |data: &[u8]| {
        let mut members: IndexMap<String, Box<RawValue>> = serde_json::from_slice(data).ok()?;
        *members.get_mut("index")? = serde_json::value::to_raw_value(&number).ok()?;
        serde_json::to_string(&members).ok()
    };
    rewritten(raw, with).unwrap_or_else(|| raw.clone())
}

/// The frame with other data. Its name stays; nobody sends comments within a frame.
fn rewritten(raw: &Bytes, with: impl FnOnce(&[u8]) -> Option<String>) -> Option<Bytes> {
    let mut decoder = perennial_protocol::sse::Decoder::new();
    let mut input = &raw[..];
    let frame = decoder.next_frame(&mut input)?.ok()?;
    let data = with(frame.data()?)?;
    let name = frame.event_lossy();
    let line = if name.is_empty() { String::new() } else { format!("event: {name}\n") };
    Some(Bytes::from(format!("{line}data: {data}\n\n")))
}
