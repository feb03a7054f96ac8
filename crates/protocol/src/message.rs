//! The message: an answer as a whole, and what is said about it at its end.

use serde::Serialize;

use crate::open::Field;
use crate::{ContentBlock, Raw, ToolUse, Usage};

open_struct! {
    /// An answer of Claude, whole or as far as it came.
    pub struct Message {
        /// `msg_...`
        pub id: String,
        /// `assistant`.
        pub role: String,
        /// The model that answered: that of `message_start`, or of the last fallback.
        pub model: String,
        /// The parts, in the order of their indices.
        pub content: Vec<ContentBlock>,
        /// Why the answer ended; `None` while it has not. Always look at it: `max_tokens` means that the answer is cut.
        pub stop_reason: Option<StopReason>,
        /// The stop sequence that was met.
        pub stop_sequence: Option<String>,
        /// More about a refusal.
        pub stop_details: Option<StopDetails>,
        /// What it cost in tokens.
        pub usage: Usage,
        /// The container that server tools ran in.
        pub container: Option<Container>,
        /// Edits applied to the context (beta).
        pub context_management: Option<Raw>,
        /// What was done to the request's thinking blocks (beta).
        pub input_transformations: Option<Raw>,
    }
    tag = "message"
}

open_enum! {
    /// Why an answer ended (`protocol.md` §1.5).
    pub enum StopReason {
        /// The model had said all.
        EndTurn = "end_turn",
        /// The limit of the request was reached: the answer is cut.
        MaxTokens = "max_tokens",
        /// A stop sequence was met.
        StopSequence = "stop_sequence",
        /// Tools are to be run and their results sent.
        ToolUse = "tool_use",
        /// A long turn was paused: send the content back as it is to go on.
        PauseTurn = "pause_turn",
        /// The model declined. The content so far is to be discarded.
        Refusal = "refusal",
        /// The context window is full: the answer is cut.
        ModelContextWindowExceeded = "model_context_window_exceeded",
        /// The context was compacted (beta): send the content back to go on.
        Compaction = "compaction",
    }
}

impl StopReason {
    /// Whether the answer was cut by a limit.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::MaxTokens | Self::ModelContextWindowExceeded)
    }
}

open_struct! {
    /// More about a stop; today only about refusals.
    pub struct StopDetails {
        /// `refusal`.
        pub kind: String = "type",
        /// What the refusal is about.
        pub category: Option<String>,
        /// The service's words; not stable.
        pub explanation: Option<String>,
    }
}

open_struct! {
    /// The container that server tools ran in.
    pub struct Container {
        /// Its id, for the next request.
        pub id: String,
        /// When it goes, RFC 3339.
        pub expires_at: Option<String>,
    }
}

open_struct! {
    /// What a `message_delta` event brings.
    pub struct MessageDelta {
        /// Members of the message that are now known.
        pub delta: MessageDeltaFields,
        /// Totals so far. Absent in some streams, which the official SDKs do not survive.
        pub usage: Option<Usage>,
        /// Edits applied to the context (beta).
        pub context_management: Option<Raw>,
        /// Replaces what `message_start` said, after a fallback in mid-stream (beta).
        pub input_transformations: Option<Raw>,
    }
    tag = "message_delta"
}

open_struct! {
    /// Members of the message that a `message_delta` sets.
    pub struct MessageDeltaFields {
        /// See [`Message::stop_reason`].
        pub stop_reason: Option<StopReason>,
        /// See [`Message::stop_sequence`].
        pub stop_sequence: Option<String>,
        /// See [`Message::stop_details`].
        pub stop_details: Option<StopDetails>,
        /// See [`Message::container`].
        pub container: Option<Container>,
    }
}

impl Field for MessageDeltaFields {}
impl Field for Usage {}

/// An assistant's turn as history: what to put into the next request's `messages`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Turn {
    /// `assistant`.
    pub role: &'static str,
    /// The blocks, as received.
    pub content: Vec<ContentBlock>,
}

impl Message {
    /// The text of all text blocks, one after the other.
    #[must_use]
    pub fn text(&self) -> String {
        self.content.iter().fold(String::new(), |mut text, block| {
            if let ContentBlock::Text(block) = block {
                text.push_str(&block.text);
            }
            text
        })
    }

    /// The calls that the caller is to run: with complete input, not refused, not from before a fallback (`protocol.md` §1.8).
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolUse> {
        let refused = self.stop_reason == Some(StopReason::Refusal);
        let from = if refused { self.content.len() } else { self.last_fallback().unwrap_or(0) };
        self.content[from..].iter().filter_map(|block| match block {
            ContentBlock::ToolUse(call) if call.input.json().is_some() => Some(call),
            _ => None,
        })
    }

    /// The turn as history for the next request, unchanged. Where a fallback happened, the parts of the model that declined are
    /// left out as the service demands: thinking, client tool calls, and server tool calls without a result.
    #[must_use]
    pub fn to_turn(&self) -> Turn {
        let content = match self.last_fallback() {
            None => self.content.clone(),
            Some(at) => self
                .content
                .iter()
                .enumerate()
                .filter(|(i, block)| *i >= at || self.echoes(block))
                .map(|(_, block)| block.clone())
                .collect(),
        };
        Turn { role: "assistant", content }
    }

    fn last_fallback(&self) -> Option<usize> {
        self.content.iter().rposition(|block| matches!(block, ContentBlock::Fallback(_)))
    }

    /// Whether a block from before a fallback is sent back.
    fn echoes(&self, block: &ContentBlock) -> bool {
        match block {
            ContentBlock::Thinking(_) | ContentBlock::RedactedThinking(_) | ContentBlock::ToolUse(_) => false,
            ContentBlock::Other(other) => other.kind != "connector_text",
            ContentBlock::ServerToolUse(call) | ContentBlock::McpToolUse(call) => self
                .content
                .iter()
                .any(|block| matches!(block, ContentBlock::ServerToolResult(result) if result.tool_use_id == call.id)),
            _ => true,
        }
    }
}
