//! The Claude streaming protocol: events, blocks, usage, errors, the lossless fold, incremental JSON.
//!
//! Everything here is sans I/O and open. What is known is typed; what is not known (an event, a block, a field, an enum
//! value that came out yesterday) keeps its raw JSON and is written again byte for byte. The crate parses to understand and never to
//! rewrite: it refuses to guess, to repair and to estimate.
//!
//! | to do this | use |
//! |---|---|
//! | turn bytes into events | [`EventDecoder`] |
//! | fold events into the message | [`Transcript`] |
//! | know how the stream ended | [`End`] |
//! | notice that a text goes round in circles | [`Repetition`] |
//! | read a tool's input while it arrives | [`PartialJson`] |
//! | hold a stream against the grammar | [`Lint`] |
//!
//! ```
//! use perennial_protocol::{End, EventDecoder, Transcript};
//!
//! let body = concat!(
//!     "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"role\":\"assistant\",\"content\":[]}}\n\n",
//!     "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
//!     "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n",
//! );
//! let mut decoder = EventDecoder::new();
//! let mut transcript = Transcript::new();
//! let mut input = body.as_bytes();
//! while let Some(received) = decoder.next_event(&mut input) {
//!     if let Some(event) = received?.event {
//!         transcript.apply(&event);
//!     }
//! }
//! assert_eq!(transcript.text(), "Hel");
//! // The connection ended here: a cut answer cannot look complete.
//! assert!(matches!(transcript.end(), End::Truncated(_)));
//! # Ok::<(), perennial_protocol::DecodeError>(())
//! ```
#![forbid(unsafe_code)]

#[macro_use]
mod open;

mod block;
mod blocks;
mod citation;
mod decoder;
mod end;
mod error;
mod event;
mod hot;
mod lint;
mod message;
mod partial;
mod raw;
mod repetition;
mod surrogate;
mod tool_input;
mod transcript;
mod usage;

pub use block::{
    Compaction, ContainerUpload, ContentBlock, Fallback, ModelRef, OtherBlock, RedactedThinking,
    ServerToolResult, TextBlock, Thinking, ToolUse,
};
pub use citation::{Citation, CitationLocation};
pub use decoder::{EventDecoder, Received};
pub use end::{End, Place, Truncation};
pub use error::{ApiError, DecodeError, ErrorKind};
pub use event::{Delta, Event, UnknownEvent};
pub use lint::{Finding, Lint, Rule};
pub use message::{Container, Message, MessageDelta, MessageDeltaFields, StopDetails, StopReason, Turn};
pub use open::Rest;
pub use partial::*;
pub use perennial_sse as sse;
pub use raw::Raw;
pub use repetition::{Loop, LoopSize, Repetition};
pub use tool_input::{InputFault, ToolInput};
pub use transcript::{BlockStatus, Effect, Ignored, Transcript};
pub use usage::{CacheCreation, OutputTokensDetails, ServerToolUsage, Usage};
