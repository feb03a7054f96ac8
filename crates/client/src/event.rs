//! What a reader of a stream is told, one thing at a time.

use std::time::Duration;

use perennial_protocol::{
    Citation, ContentBlock, Delta, Effect, End, Event, Ignored, MessageDelta, Raw, Transcript, UnknownEvent,
};

use perennial_recovery::{Joint, Mode};
use serde::Deserialize;

use crate::Error;

/// One thing that happened. Small and owned: what has been gathered so far is in the stream's
/// [`transcript`](crate::MessageStream::transcript), never copied per event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StreamEvent {
    /// The answer began: id, model and first figures are in the transcript. Comes once, even where the request was sent again since;
    /// the transcript then has the values of the attempt that counts.
    MessageStarted,
    /// A block began.
    BlockStarted {
        /// Which block.
        index: u64,
        /// What it started as; some kinds are complete here.
        block: Box<ContentBlock>,
    },
    /// Text for the reader.
    Text {
        /// Which block.
        index: u64,
        /// To be appended.
        delta: String,
    },
    /// Thinking.
    Thinking {
        /// Which block.
        index: u64,
        /// To be appended.
        delta: String,
        /// Tokens of this piece, by estimate of the service (beta).
        estimated_tokens: Option<u64>,
    },
    /// A piece of a tool's input. With [`following_inputs`](crate::MessageStream::following_inputs) the transcript's
    /// [`partial_input`](Transcript::partial_input) has the value as far as it can be read.
    InputJson {
        /// Which block.
        index: u64,
        /// JSON text to be appended.
        delta: String,
    },
    /// The signature of a block of thinking.
    Signature {
        /// Which block.
        index: u64,
        /// The whole of it.
        signature: String,
    },
    /// A citation for a block of text.
    Citation {
        /// Which block.
        index: u64,
        /// The citation.
        citation: Box<Citation>,
    },
    /// The context was compacted (beta); the summary is in the transcript.
    Compaction {
        /// Which block.
        index: u64,
    },
    /// A delta that came after this version.
    UnknownDelta {
        /// Which block.
        index: u64,
        /// As received.
        delta: Raw,
    },
    /// A block is finished. Tool input is parsed now, and marked where it is not usable.
    BlockFinished {
        /// Which block.
        index: u64,
        /// The whole block.
        block: Box<ContentBlock>,
    },
    /// Stop reason, usage or something else about the message was set.
    MessageUpdated(Box<MessageDelta>),
    /// The answer is complete. Nothing follows.
    MessageFinished(End),
    /// A ping: a sign of life.
    Ping,
    /// Something else that is no event, such as a comment of a gateway: a sign of life.
    Alive,
    /// The request is sent again, since the attempt failed before it brought content: a sign of life.
    Retrying(Retrying),
    /// The answer broke in the middle, and its rest is asked for: a sign of life. Only with
    /// [`continuing`](crate::RequestOptions::continuing).
    Continuing(Continuing),
    /// From here on comes the rest, which another attempt brings. Text and transcript need no attention to it.
    Seam(Seam),
    /// Something about the stream itself, from the log of a gateway. Only an attached stream has these.
    Log(LogEvent),
    /// An event that came after this version.
    Unknown(UnknownEvent<'static>),
    /// An event that does not fit the stream and was left out of the transcript.
    Ignored {
        /// The event.
        event: Box<Event<'static>>,
        /// Why it was left out.
        why: Ignored,
    },
}

/// A retry that is about to be made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Retrying {
    /// The number of the attempt that follows: 2 for the first retry.
    pub attempt: u32,
    /// How long it is waited before.
    pub delay: Duration,
    /// What ended the attempt before.
    pub cause: Error,
}

/// A further attempt that is about to be made for the rest of an answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Continuing {
    /// The number of the attempt that follows.
    pub attempt: u32,
    /// How long it is waited before.
    pub delay: Duration,
    /// What ended the attempt before.
    pub cause: Error,
}

/// Where two attempts for one answer are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seam {
    /// The number of the attempt that follows.
    pub attempt: u32,
    /// How the rest was asked for.
    pub mode: Mode,
    /// Bytes of text that had been handed out.
    pub cut: u64,
    /// Bytes of it that were said again and left out: what proves that the two are one.
    pub overlap: u64,
}

impl Seam {
    pub(crate) fn new(attempt: u32, joint: Joint) -> Self {
        Self { attempt, mode: joint.mode, cut: joint.cut, overlap: joint.overlap }
    }
}

/// An event of a gateway's log that is none of the upstream's. Text and transcript need no attention to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogEvent {
    /// What follows comes from another attempt.
    Seam {
        /// The number of the attempt.
        attempt: Option<u64>,
        /// What ended the one before.
        reason: String,
        /// How the two are joined: with `restart`, nothing of the content came before.
        mode: String,
    },
    /// Another writer goes on, after a crash mostly.
    Takeover {
        /// Its term.
        epoch: Option<u64>,
        /// Why.
        reason: String,
    },
    /// Somebody asked to stop.
    Cancel {
        /// Why.
        reason: String,
    },
}

impl LogEvent {
    /// The event, where it is one of the log that this version knows.
    fn read(event: &UnknownEvent<'_>) -> Option<Self> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Data {
            attempt: Option<u64>,
            epoch: Option<u64>,
            reason: Option<String>,
            mode: Option<String>,
        }
        let kind = event.name.strip_prefix("perennial.")?;
        let Data { attempt, epoch, reason, mode } = serde_json::from_str(&event.data).ok()?;
        let (reason, mode) = (reason.unwrap_or_default(), mode.unwrap_or_default());
        Some(match kind {
            "seam" => Self::Seam { attempt, reason, mode },
            "takeover" => Self::Takeover { epoch, reason },
            "cancel" => Self::Cancel { reason },
            _ => return None,
        })
    }
}

impl StreamEvent {
    /// The text, where this is [`Text`](Self::Text).
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text { delta, .. } => Some(delta),
            _ => None,
        }
    }

    /// The block that this is about.
    #[must_use]
    pub fn index(&self) -> Option<u64> {
        match self {
            Self::BlockStarted { index, .. }
            | Self::Text { index, .. }
            | Self::Thinking { index, .. }
            | Self::InputJson { index, .. }
            | Self::Signature { index, .. }
            | Self::Citation { index, .. }
            | Self::Compaction { index }
            | Self::UnknownDelta { index, .. }
            | Self::BlockFinished { index, .. } => Some(*index),
            _ => None,
        }
    }

    pub(crate) fn of(event: Event<'_>, effect: Effect, transcript: &Transcript) -> Self {
        if let Effect::Ignored(why) = effect {
            return Self::Ignored { event: Box::new(event.into_owned()), why };
        }
        match event {
            Event::MessageStart(_) => Self::MessageStarted,
            Event::ContentBlockStart { index, block } => Self::BlockStarted { index, block },
            Event::ContentBlockDelta { index, delta } => match transcript.block(index) {
                // Whatever a block of unknown kind grows by, it is not text for the reader.
                Some(ContentBlock::Other(block)) => match block.deltas.last() {
                    Some(delta) => Self::UnknownDelta { index, delta: delta.clone() },
                    None => Self::Alive,
                },
                _ => Self::of_delta(index, delta),
            },
            Event::ContentBlockStop { index } => Self::finished(index, transcript),
            Event::MessageDelta(delta) => Self::MessageUpdated(delta),
            Event::MessageStop => Self::MessageFinished(transcript.end()),
            Event::Unknown(_) => match event.into_owned() {
                Event::Unknown(unknown) => match LogEvent::read(&unknown) {
                    Some(event) => Self::Log(event),
                    None => Self::Unknown(unknown),
                },
                _ => Self::Alive,
            },
            // An error ends the stream and is handed out as one; it never gets here.
            Event::Ping | Event::Error(_) => Self::Ping,
            other => Self::Ignored { event: Box::new(other.into_owned()), why: Ignored::DoesNotFit },
        }
    }

    pub(crate) fn finished(index: u64, transcript: &Transcript) -> Self {
        let block = transcript.block(index).cloned().unwrap_or_else(|| ContentBlock::text(""));
        Self::BlockFinished { index, block: Box::new(block) }
    }

    fn of_delta(index: u64, delta: Delta<'_>) -> Self {
        match delta {
            Delta::Text(delta) => Self::Text { index, delta: delta.into_owned() },
            Delta::Thinking { thinking, estimated_tokens } => {
                Self::Thinking { index, delta: thinking.into_owned(), estimated_tokens }
            }
            Delta::InputJson(delta) => Self::InputJson { index, delta: delta.into_owned() },
            Delta::Signature(signature) => Self::Signature { index, signature: signature.into_owned() },
            Delta::Citation(citation) => Self::Citation { index, citation },
            Delta::Compaction { .. } => Self::Compaction { index },
            Delta::Unknown(delta) => Self::UnknownDelta { index, delta },
            _ => Self::Alive,
        }
    }
}
