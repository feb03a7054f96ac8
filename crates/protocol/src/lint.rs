//! The protocol lint: each departure of a stream from the grammar, with the event's number.
//!
//! A stream of the real service has no finding (that is tested with recorded ones). The lint judges and changes nothing; what is done
//! about a finding is decided elsewhere.

use std::fmt;

use perennial_sse::Frame;

use crate::{
    ContentBlock, DecodeError, Delta, Effect, End, Event, Ignored, Received, StopReason, ToolInput,
    Transcript,
};

/// Holds a stream against the grammar of `protocol.md` §1.1.
#[derive(Debug, Default)]
pub struct Lint {
    transcript: Transcript,
    findings: Vec<Finding>,
    events: u64,
    last_index: Option<u64>,
    superseded: bool,
}

/// One departure from the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The number of the event, from 1; one past the last for what is missing at the end.
    pub event: u64,
    /// Which rule is broken.
    pub rule: Rule,
    /// What was seen, for people.
    pub detail: String,
}

/// A rule of the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// An event's data is not JSON of its shape, or the event is over the size limit.
    Unreadable,
    /// An event without an `event:` line.
    NameMissing,
    /// The `event:` line and the data's `type` differ.
    NameDiffers,
    /// `message_start` is not the first event but for pings.
    StartMissing,
    /// A second `message_start`.
    StartTwice,
    /// A block's index is taken.
    BlockTaken,
    /// A block's index is not the one after the block before.
    IndexGap,
    /// A block began before the one before it had ended.
    BlocksOverlap,
    /// A delta or stop for a block that never began.
    NoSuchBlock,
    /// A delta or stop for a block that is finished.
    BlockFinished,
    /// A block without `content_block_stop`.
    BlockStopMissing,
    /// A delta of a kind that the block cannot take.
    DeltaDoesNotFit,
    /// A finished tool call whose input is no JSON object, though nothing cut it.
    BadToolInput,
    /// No `message_delta` with a stop reason.
    StopReasonMissing,
    /// A `message_delta` without usage, or without `output_tokens`.
    UsageMissing,
    /// No `message_stop`: the stream was cut.
    StopMissing,
    /// An event after `message_stop` or `error`; only the first is reported.
    AfterEnd,
    /// Another message began before this one had ended; what follows is not looked at.
    OtherMessage,
    /// Bytes after the last blank line.
    Incomplete,
}

impl Lint {
    /// A lint that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at a frame.
    pub fn observe(&mut self, frame: &Frame<'_>) {
        if frame.data().is_none() {
            return;
        }
        match Received::read(*frame) {
            Ok(Received { event: Some(event), .. }) => {
                self.events += 1;
                self.name(frame, &event);
                self.event(&event);
            }
            Ok(_) => {}
            Err(error) => self.unreadable(&error),
        }
    }

    /// Takes note of an event that the decoder gave up.
    pub fn unreadable(&mut self, error: &DecodeError) {
        self.events += 1;
        self.find(Rule::Unreadable, error.to_string());
    }

    /// The end of the stream; `incomplete` is what [`Decoder::finish`](perennial_sse::Decoder::finish) gave.
    pub fn finish(mut self, incomplete: Option<&Frame<'_>>) -> Vec<Finding> {
        self.events += 1;
        if let Some(frame) =
            incomplete.filter(|frame| frame.raw().iter().any(|byte| !matches!(byte, b'\n' | b'\r')))
        {
            self.find(Rule::Incomplete, format!("{} bytes after the last blank line", frame.raw().len()));
            if let Ok(Received { event: Some(Event::MessageStop), .. }) = Received::read(*frame) {
                self.event(&Event::MessageStop);
            }
        }
        match self.transcript.end() {
            End::Truncated(truncation) => self.find(Rule::StopMissing, truncation.to_string()),
            End::Complete { stop_reason: None } => {
                self.find(Rule::StopReasonMissing, "the message ended without a stop reason");
            }
            _ => {}
        }
        self.findings
    }

    /// What was found so far.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn find(&mut self, rule: Rule, detail: impl Into<String>) {
        if rule == Rule::AfterEnd && self.findings.iter().any(|finding| finding.rule == rule) {
            return;
        }
        self.findings.push(Finding { event: self.events, rule, detail: detail.into() });
    }

    fn name(&mut self, frame: &Frame<'_>, event: &Event<'_>) {
        let (line, kind) = (frame.event_lossy(), event.name());
        if line.is_empty() {
            self.find(Rule::NameMissing, format!("`{kind}` without an `event:` line"));
        } else if line != kind {
            self.find(Rule::NameDiffers, format!("`event: {line}` with the type `{kind}`"));
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        if self.superseded {
            return;
        }
        match event {
            Event::ContentBlockStart { index, .. } => self.block_start(*index),
            Event::MessageDelta(delta) => {
                self.open_blocks("message_delta");
                let counted = delta.usage.as_ref().is_some_and(|usage| usage.output_tokens.is_some());
                if !counted {
                    self.find(Rule::UsageMissing, "a `message_delta` without usage.output_tokens");
                }
            }
            Event::MessageStop => self.open_blocks("message_stop"),
            _ => {}
        }
        match self.transcript.apply(event) {
            Effect::Ignored(why) => {
                self.superseded |= why == Ignored::OtherMessage;
                self.ignored(why, event);
            }
            Effect::Finished => self.tool_inputs(),
            _ => {}
        }
    }

    fn block_start(&mut self, index: u64) {
        let expected = self.last_index.map_or(0, |last| last + 1);
        if index != expected && self.transcript.block(index).is_none() {
            self.find(Rule::IndexGap, format!("block {index} where block {expected} was due"));
        }
        let open = self.transcript.open_blocks().next();
        if let Some(open) = open {
            self.find(Rule::BlocksOverlap, format!("block {index} begins while block {open} is open"));
        }
        self.last_index = Some(self.last_index.map_or(index, |last| last.max(index)));
    }

    fn open_blocks(&mut self, at: &str) {
        let open: Vec<u64> = self.transcript.open_blocks().collect();
        for index in open {
            self.find(Rule::BlockStopMissing, format!("block {index} is open at `{at}`"));
        }
    }

    /// Tool inputs are judged at the end, when the stop reason has told whether a limit cut them.
    fn tool_inputs(&mut self) {
        if self.transcript.envelope().stop_reason.as_ref().is_none_or(StopReason::is_cut) {
            return;
        }
        let bad: Vec<String> = self
            .transcript
            .indices()
            .filter_map(|index| match self.transcript.block(index).and_then(ContentBlock::as_tool_use) {
                Some(call) => match &call.input {
                    ToolInput::Unusable { fault, .. } => {
                        Some(format!("the input of block {index} ({}): {fault:?}", call.name))
                    }
                    ToolInput::Complete(_) => None,
                },
                None => None,
            })
            .collect();
        for detail in bad {
            self.find(Rule::BadToolInput, detail);
        }
    }

    fn ignored(&mut self, why: Ignored, event: &Event<'_>) {
        let name = event.name();
        let (rule, detail) = match why {
            Ignored::BeforeStart => (Rule::StartMissing, format!("`{name}` before message_start")),
            Ignored::AfterEnd => (Rule::AfterEnd, format!("`{name}` after the end")),
            Ignored::OtherMessage => {
                (Rule::OtherMessage, format!("`{name}` of another message before this one ended"))
            }
            Ignored::SecondStart => (Rule::StartTwice, "a second message_start".to_owned()),
            Ignored::NoSuchBlock => {
                (Rule::NoSuchBlock, format!("`{name}` for block {}, which never began", index(event)))
            }
            Ignored::BlockTaken => (Rule::BlockTaken, format!("block {} began twice", index(event))),
            Ignored::BlockFinished => {
                (Rule::BlockFinished, format!("`{name}` for block {}, which is finished", index(event)))
            }
            Ignored::DoesNotFit => (Rule::DeltaDoesNotFit, does_not_fit(event, &self.transcript)),
        };
        self.find(rule, detail);
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {:?}: {}", self.event, self.rule, self.detail)
    }
}

fn index(event: &Event<'_>) -> u64 {
    match event {
        Event::ContentBlockStart { index, .. }
        | Event::ContentBlockDelta { index, .. }
        | Event::ContentBlockStop { index } => *index,
        _ => 0,
    }
}

fn does_not_fit(event: &Event<'_>, transcript: &Transcript) -> String {
    let index = index(event);
    let block = transcript.block(index).map_or("", ContentBlock::kind);
    let delta = match event {
        Event::ContentBlockDelta { delta, .. } => Delta::kind(delta).into_owned(),
        _ => String::new(),
    };
    format!("`{delta}` for block {index}, which is `{block}`")
}
