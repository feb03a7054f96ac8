//! What the mind makes of one request: everything the wire half needs to stream it.
//!
//! The seam between the two halves of the simulator. [`crate::mind`] decides *what* is said and what it costs and does no I/O;
//! the wire half decides *how* it travels: event by event, paced, faulted, recorded. An `Answer` is whole before its first byte
//! is sent, so that a cut, a pace or a fault can never change what would have been said.

use serde_json::{Map, Value};

/// One answer, complete, before it is cut into events.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// `msg_...`
    pub id: String,
    /// The model that answers, as the service spells it (an alias in the request is resolved).
    pub model: String,
    /// In order; the position is the block index.
    pub blocks: Vec<Block>,
    /// `end_turn`, `max_tokens`, `tool_use`, ...
    pub stop_reason: String,
    /// The sequence that matched, when `stop_reason` is `stop_sequence`.
    pub stop_sequence: Option<String>,
    /// Set for refusals.
    pub stop_details: Option<Value>,
    /// What the answer costs when it is generated to its end.
    pub usage: Usage,
    /// Where code ran: `container` in `message_delta.delta`, and of the folded message.
    pub container: Option<Value>,
    /// Further fields of the message object in `message_start` (`diagnostics`, `input_transformations`, ...).
    pub extra_start: Map<String, Value>,
    /// Further fields beside `delta` and `usage` in `message_delta` (`context_management`, ...).
    pub extra_delta: Map<String, Value>,
}

/// One content block with all that will be streamed of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Block {
    /// Prose; the citations travel as one `citations_delta` each, before the text they support.
    Text {
        /// The whole text.
        text: String,
        /// Citation objects, complete. When not empty the block starts with `"citations":[]`.
        citations: Vec<Value>,
    },
    /// Extended thinking.
    Thinking {
        /// The thinking as the request may see it: with [`Display::Omitted`] nothing of it is sent.
        thinking: String,
        /// Sent last, in one piece.
        signature: String,
        /// How much of it is shown.
        display: Display,
        /// Tokens it was billed (the shown text may be a summary of more).
        tokens: u64,
    },
    /// Complete in `content_block_start`.
    RedactedThinking {
        /// Opaque.
        data: String,
    },
    /// A call of a tool: client, server or MCP.
    ToolUse {
        /// `tool_use`, `server_tool_use` or `mcp_tool_use`.
        kind: &'static str,
        /// `toolu_...` or `srvtoolu_...`
        id: String,
        /// Name of the tool.
        name: String,
        /// JSON text, exactly as the fragments will add up to; may be cut or invalid when `eager`.
        input: String,
        /// Small fragments as generated, instead of one complete key and value at a time.
        eager: bool,
        /// Further fields of the start (`caller`, `server_name`, ...).
        extra: Map<String, Value>,
    },
    /// One `compaction_delta` with the whole summary.
    Compaction {
        /// The summary; `None` when compaction failed.
        content: Option<String>,
    },
    /// A block that is complete in its start and has no deltas (`web_search_tool_result`, `fallback`, ...).
    Whole(Value),
}

/// `thinking.display` as it takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Display {
    /// Only the signature is sent.
    #[default]
    Omitted,
    /// The text is sent as it comes.
    Summarized,
    /// Short progress notes: one delta per line.
    Updates,
}

/// Tokens, as the real service counts and names them.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// Input that was neither read from nor written to the cache.
    pub input_tokens: u64,
    /// Written to the cache for five minutes.
    pub cache_creation_5m: u64,
    /// Written to the cache for an hour.
    pub cache_creation_1h: u64,
    /// Read from the cache.
    pub cache_read: u64,
    /// All output when the answer is generated to its end, thinking included.
    pub output_tokens: u64,
    /// Of `output_tokens`, those spent on thinking; `None` leaves `output_tokens_details` away.
    pub thinking_tokens: Option<u64>,
    /// `input_tokens` in `message_delta` when larger than at the start (server tools read more).
    pub final_input_tokens: Option<u64>,
    /// `server_tool_use` counters, when a server tool ran.
    pub server_tool_use: Option<Value>,
    /// Further fields of both usages (`iterations` only at the end: put it in `extra_final`).
    pub extra_start: Map<String, Value>,
    /// Further fields of the usage in `message_delta`.
    pub extra_final: Map<String, Value>,
}

/// A request that the service would not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {error_type}: {message}")]
#[non_exhaustive]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// `invalid_request_error`, `not_found_error`, ...
    pub error_type: &'static str,
    /// In the words of the real service.
    pub message: String,
    /// `error.details`, when the service gives some.
    pub details: Option<Value>,
}

impl Answer {
    /// An answer with no content yet that ends its turn.
    #[must_use]
    pub fn new(id: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            model: model.into(),
            blocks: Vec::new(),
            stop_reason: "end_turn".to_owned(),
            stop_sequence: None,
            stop_details: None,
            usage: Usage::default(),
            container: None,
            extra_start: Map::new(),
            extra_delta: Map::new(),
        }
    }
}

impl Refused {
    /// A refusal without details.
    #[must_use]
    pub fn new(status: u16, error_type: &'static str, message: impl Into<String>) -> Self {
        Self { status, error_type, message: message.into(), details: None }
    }

    /// 400 `invalid_request_error`.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// 404 `not_found_error`.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found_error", message)
    }
}
