//! The splice: what another attempt says becomes the rest of an answer, once it is proven where the two join.
//!
//! Until then readers are given nothing of it; every frame is kept apart. Afterwards its frames pass as they are but for the numbers of its blocks, and the last usage,
//! which is that of all attempts.

use std::fmt;

use bytes::Bytes;
use perennial_protocol::sse::Frame;
use perennial_protocol::{BlockStatus, ContentBlock, Delta, Event, Received, StopReason, Transcript, Usage};
use serde::Serialize;

use crate::frames::{renumbered, text_delta, text_start, with_usage};
use crate::mode::Mode;
use crate::overlap::{Found, Overlap, Proof};
use crate::told::Told;

/// Bytes that may be said again in addition to what was asked for: no more tokens than an estimate of them is wrong by.
const TOO_EAGER: usize = 100;

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
    /// Bytes that it was asked to say again, and whether it said so much more that its limit of tokens is not the client's any longer.
    asked: usize,
    is_overlong: bool,
    /// Readers had nothing at all: this attempt is the answer.
    is_alone: bool,
    /// Which of this attempt's blocks became which of the answer's.
    blocks: Vec<(u64, Target)>,
    /// What a text that is not yet a block begins with. A block of nothing but blanks could not be sent back to the service.
    blanks: String,
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
    /// Whether readers have been shown a thought.
    thought: bool,
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
    /// It becomes a block if anything but blanks comes in it.
    Pending,
}

impl Opening {
    pub(crate) fn of(transcript: &Transcript) -> Self {
        let last = transcript.indices().last();
        let open = last.filter(|last| transcript.block_status(*last) == Some(BlockStatus::Open));
        let kind = open.and_then(|open| transcript.block(open)).and_then(kind);
        let thought = transcript.indices().filter_map(|index| transcript.block(index)).any(is_thought);
        Self { open, kind, thought: thought && kind == Some("text"), next: last.map_or(0, |last| last + 1) }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

impl Splice {
    /// For the same answer, asked for again; it must begin with `text`.
    pub(crate) fn again(told: &Told, text: String, opening: Opening) -> Self {
        let asked = text.len();
        Self::new(told, Mode::Restart, Overlap::new(text, Proof::Whole), opening, asked)
    }

    /// For the rest of an answer, which is to begin with the last `asked` bytes of what readers have.
    pub(crate) fn rest(told: &Told, mode: Mode, overlap: Overlap, opening: Opening, asked: usize) -> Self {
        Self::new(told, mode, overlap, opening, asked)
    }

    fn new(told: &Told, mode: Mode, overlap: Overlap, opening: Opening, asked: usize) -> Self {
        // Without a `message_start` there is nothing to join.
        let is_alone = !told.has_started();
        Self {
            mode,
            overlap,
            opening,
            before: told.usage(),
            own: Usage::default(),
            stage: if is_alone { Stage::Joined } else { Stage::Begun },
            asked,
            is_overlong: false,
            is_alone,
            blocks: Vec::new(),
            blanks: String::new(),
        }
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

    /// Takes a frame of the other attempt; what becomes of it is added to `out`. `raw` is the frame's bytes.
    ///
    /// # Errors
    /// When it cannot be joined, or not any more: what is in `out` is to be kept, and nothing that follows is to be shown.
    pub fn take(&mut self, frame: Frame<'_>, raw: &Bytes, out: &mut Vec<Piece>) -> Result<(), NoProof> {
        let event = Received::read(frame).map(|received| received.event);
        if let Ok(Some(Event::MessageStart(message))) = &event {
            self.own.update(&message.usage);
        }
        if let Ok(Some(Event::MessageDelta(delta))) = &event
            && let Some(usage) = &delta.usage
        {
            self.own.update(usage);
        }
        if self.stage == Stage::Joined {
            // What cannot be read passes: it is its reader's to judge.
            return self.pass(event.ok().flatten().as_ref(), raw, out);
        }
        out.push(Piece::Withhold(raw.clone()));
        match event.map_err(|_| NoProof("it has an event that cannot be read"))? {
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
            Some(Event::MessageDelta(delta)) => match delta.delta.stop_reason {
                Some(StopReason::Refusal) => Err(NoProof("the model declined to go on")),
                Some(_) => Err(NoProof("it ended before it could be joined")),
                None => Ok(()),
            },
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
        if self.stage != Stage::Begun {
            return Err(NoProof("another block begins before it could be joined"));
        }
        if self.is_fresh()
            && let Some(open) = self.opening.open
        {
            let text = match block {
                ContentBlock::Text(text) => &*text.text,
                _ if is_empty(block) => "",
                _ => return Err(NoProof("asked again, the answer begins with another block")),
            };
            if kind(block) != self.opening.kind {
                return Err(NoProof("asked again, the answer begins with another block"));
            }
            self.blocks.push((index, Target::Block(open)));
            out.push(self.join(0));
            if !text.is_empty() {
                out.push(Piece::Show(text_delta(open, text)));
            }
            return Ok(());
        }
        match block {
            ContentBlock::Text(text) => {
                self.stage = Stage::Joining(index);
                if text.text.is_empty() { Ok(()) } else { self.said(index, &text.text, out) }
            }
            block if self.keeps_apart(block) => {
                self.blocks.push((index, Target::Withheld));
                Ok(())
            }
            _ => Err(NoProof("it begins with something other than text")),
        }
    }

    /// Whether a block is a thought about how to go on, or the same thought once more. It is no part of the answer, and it is bound to a conversation that
    /// nobody will send again: in a later turn the service would refuse it.
    fn keeps_apart(&self, block: &ContentBlock) -> bool {
        is_thought(block) && (self.mode != Mode::Restart || self.opening.thought)
    }

    fn say(&mut self, index: u64, delta: &Delta<'_>, out: &mut Vec<Piece>) -> Result<(), NoProof> {
        match delta {
            _ if self.target(index) == Some(Target::Withheld) => Ok(()),
            _ if self.stage != Stage::Joining(index) => {
                Err(NoProof("it goes on with a block that never began"))
            }
            Delta::Text(text) => self.said(index, text, out),
            _ => Err(NoProof("what it says before it is joined is more than text")),
        }
    }

    /// More of the text that is to be joined.
    fn said(&mut self, index: u64, text: &str, out: &mut Vec<Piece>) -> Result<(), NoProof> {
        // Its other half may be in the frame that follows.
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(NoProof("it has characters that are cut"));
        }
        let Some(Found { overlap, rest }) = self.overlap.push(text).map_err(NoProof)? else { return Ok(()) };
        out.push(self.join(overlap));
        let Some(open) = self.opening.open else {
            self.blocks.push((index, Target::Pending));
            if is_blank(&rest) {
                self.blanks = rest;
            } else {
                let number = self.begin_pending(index, out);
                out.push(Piece::Show(text_delta(number, &rest)));
            }
            return Ok(());
        };
        self.blocks.push((index, Target::Block(open)));
        if !rest.is_empty() {
            out.push(Piece::Show(text_delta(open, &rest)));
        }
        Ok(())
    }

    fn join(&mut self, overlap: usize) -> Piece {
        self.stage = Stage::Joined;
        self.is_overlong = overlap > self.asked + TOO_EAGER;
        let (cut, overlap) = (self.overlap.cut() as u64, overlap as u64);
        self.overlap.forget();
        Piece::Joined(Joint { mode: self.mode, cut, overlap })
    }

    /// What becomes of a block of this attempt; `None` for one that never began.
    fn target(&self, index: u64) -> Option<Target> {
        self.blocks.iter().rev().find(|(own, _)| *own == index).map(|(_, target)| *target)
    }

    /// A text that may not have been a block yet is one now. Its number.
    fn begin_pending(&mut self, index: u64, out: &mut Vec<Piece>) -> u64 {
        let number = self.next_number();
        self.blocks.push((index, Target::Block(number)));
        out.push(Piece::Show(text_start(number)));
        if !self.blanks.is_empty() {
            out.push(Piece::Show(text_delta(number, &std::mem::take(&mut self.blanks))));
        }
        number
    }

    fn next_number(&mut self) -> u64 {
        let number = self.opening.next;
        self.opening.next += 1;
        number
    }

    /// A frame of the joined attempt.
    fn pass(&mut self, event: Option<&Event<'_>>, raw: &Bytes, out: &mut Vec<Piece>) -> Result<(), NoProof> {
        match event {
            Some(Event::MessageDelta(delta))
                if self.is_overlong && delta.delta.stop_reason == Some(StopReason::MaxTokens) =>
            {
                out.push(Piece::Withhold(raw.clone()));
                // Readers would be told of a limit that the client did not set.
                return Err(NoProof("what it said again used up what was left of max_tokens"));
            }
            Some(Event::MessageDelta(_)) => out.push(Piece::Show(self.summed(raw))),
            _ if self.is_alone => out.push(Piece::Show(raw.clone())),
            Some(Event::MessageStart(_)) => return Err(NoProof("another message begins")),
            Some(Event::ContentBlockStart { index, block }) if self.keeps_apart(block) => {
                self.blocks.push((*index, Target::Withheld));
                out.push(Piece::Withhold(raw.clone()));
            }
            Some(Event::ContentBlockStart { index, .. }) => {
                let number = self.next_number();
                self.blocks.push((*index, Target::Block(number)));
                out.push(Piece::Show(renumbered(raw, *index, number)));
            }
            Some(Event::ContentBlockDelta { index, .. } | Event::ContentBlockStop { index }) => {
                let target = self.target(*index);
                let target = target.ok_or(NoProof("it goes on with a block that never began"))?;
                let number = match (target, event) {
                    (Target::Block(number), _) => Some(number),
                    (Target::Pending, Some(Event::ContentBlockDelta { delta, .. })) => match delta {
                        Delta::Text(text) if is_blank(text) => {
                            self.blanks.push_str(text);
                            None
                        }
                        _ => Some(self.begin_pending(*index, out)),
                    },
                    (Target::Withheld | Target::Pending, _) => None,
                };
                out.push(match number {
                    Some(number) => Piece::Show(renumbered(raw, *index, number)),
                    None => Piece::Withhold(raw.clone()),
                });
            }
            _ => out.push(Piece::Show(raw.clone())),
        }
        Ok(())
    }

    /// The frame of a `message_delta` with the usage of all attempts.
    fn summed(&self, raw: &Bytes) -> Bytes {
        if self.before == Usage::default() {
            return raw.clone();
        }
        let mut usage = self.before.clone();
        usage.add(&self.own);
        with_usage(raw, &usage)
    }
}

/// Nothing that anybody sees.
fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// The type of a block that an answer may begin with.
fn kind(block: &ContentBlock) -> Option<&'static str> {
    match block {
        ContentBlock::Text(_) => Some("text"),
        ContentBlock::Thinking(_) => Some("thinking"),
        _ => None,
    }
}

fn is_thought(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::Thinking(_) | ContentBlock::RedactedThinking(_))
}

fn is_empty(block: &ContentBlock) -> bool {
    match block {
        ContentBlock::Text(text) => text.text.is_empty(),
        ContentBlock::Thinking(thinking) => thinking.thinking.is_empty() && thinking.signature.is_empty(),
        _ => false,
    }
}
