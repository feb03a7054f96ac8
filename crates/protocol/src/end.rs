//! How a stream ended.

use std::fmt;

use crate::{ApiError, StopReason};

/// How a stream ended, judged by what it brought. A cut answer is never [`Complete`](Self::Complete).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum End {
    /// `message_stop` came. The stop reason tells whether the answer itself is whole: `max_tokens` is a complete stream of a cut answer.
    Complete {
        /// The last stop reason; `None` where the stream gave none.
        stop_reason: Option<StopReason>,
    },
    /// `message_stop` came and the model had declined: what was said before is to be discarded.
    Refused,
    /// The stream stopped before `message_stop`.
    Truncated(Truncation),
    /// The service reported an error in the stream.
    Failed(Box<ApiError>),
}

/// Where a stream stopped too early.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Truncation {
    /// Where it stopped.
    pub place: Place,
    /// The stop reason, where one had come: then the content is whole and only the end marker is missing.
    pub stop_reason: Option<StopReason>,
    /// How many blocks are finished.
    pub finished_blocks: usize,
}

/// A place in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Nothing came.
    BeforeStart,
    /// The message had begun and no block.
    BeforeContent,
    /// In the block with this index and type.
    InBlock {
        /// The block's index.
        index: u64,
        /// The block's type, such as `text`.
        kind: String,
    },
    /// After a finished block.
    BetweenBlocks,
    /// After the stop reason: only `message_stop` is missing.
    BeforeStop,
}

impl End {
    /// Whether the stream came to its proper end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete { .. } | Self::Refused)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete { stop_reason: Some(reason) } => write!(f, "complete ({reason})"),
            Self::Complete { stop_reason: None } => f.write_str("complete (no stop reason given)"),
            Self::Refused => f.write_str("refused"),
            Self::Truncated(truncation) => truncation.fmt(f),
            Self::Failed(error) => write!(f, "failed: {error}"),
        }
    }
}

impl fmt::Display for Truncation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::BeforeStart => f.write_str("truncated: nothing of the answer came"),
            Place::BeforeContent => f.write_str("truncated before the first content block"),
            Place::InBlock { index, kind } => write!(f, "truncated in content block {index} ({kind})"),
            Place::BetweenBlocks => {
                write!(f, "truncated after {} finished content blocks", self.finished_blocks)
            }
            Place::BeforeStop => match &self.stop_reason {
                Some(reason) => {
                    write!(f, "truncated before message_stop; the content is whole (stop reason {reason})")
                }
                None => f.write_str("truncated before message_stop"),
            },
        }
    }
}
