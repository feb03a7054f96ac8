//! Content blocks: the parts of a message.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Citation, Raw, ToolInput};

/// One part of a message's content (`protocol.md` §1.3).
///
/// A block that was received is written again with the members, the order and the number formats it came with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ContentBlock {
    /// Text for the reader.
    Text(TextBlock),
    /// What the model thought.
    Thinking(Thinking),
    /// Thinking that is not shown; to be sent back as it is.
    RedactedThinking(RedactedThinking),
    /// A call of a tool that the caller is to run.
    ToolUse(ToolUse),
    /// A call of a tool that the service runs.
    ServerToolUse(ToolUse),
    /// A call of a tool on an MCP server that the service runs (beta).
    McpToolUse(ToolUse),
    /// The result of a tool that the service ran; complete from the start.
    ServerToolResult(ServerToolResult),
    /// A file that a container made.
    ContainerUpload(ContainerUpload),
    /// The conversation so far in short (beta).
    Compaction(Compaction),
    /// From here on another model answers (beta).
    Fallback(Fallback),
    /// A block that came after this version.
    Other(OtherBlock),
}

open_struct! {
    /// Text for the reader.
    pub struct TextBlock {
        /// The text, markdown as a rule.
        pub text: String,
        /// What the text rests on; `None` where the request asked for no citations.
        pub citations: Option<Vec<Citation>>,
    }
    tag = "text"
}

open_struct! {
    /// What the model thought.
    pub struct Thinking {
        /// The text; empty at `display: omitted`.
        pub thinking: String,
        /// Proof for the next turn: to be sent back byte for byte, or the service refuses it.
        pub signature: String,
    }
    tag = "thinking"
}

open_struct! {
    /// Thinking that is not shown.
    pub struct RedactedThinking {
        /// Opaque.
        pub data: String,
    }
    tag = "redacted_thinking"
}

open_struct! {
    /// A tool call.
    pub struct ToolUse {
        /// What the result must name.
        pub id: String,
        /// The tool.
        pub name: String,
        /// The input; look at it before you run anything.
        pub input: ToolInput,
        /// The MCP server, for a call of one.
        pub server_name: Option<String>,
        /// The toolset the tool belongs to (beta).
        pub toolset_name: Option<String>,
        /// Who called: the model itself or code that it runs.
        pub caller: Option<Raw>,
    }
    tag = "tool_use"
}

open_struct! {
    /// The result of a tool that the service ran.
    pub struct ServerToolResult {
        /// `web_search_tool_result`, `code_execution_tool_result`, `mcp_tool_result`, ...
        pub kind: String = "type",
        /// The call that this answers.
        pub tool_use_id: String,
        /// The result or an error; its shape depends on the tool and is left raw.
        pub content: Raw,
        /// Whether an MCP tool failed.
        pub is_error: Option<bool>,
    }
}

open_struct! {
    /// A file that a container made.
    pub struct ContainerUpload {
        /// The file.
        pub file_id: String,
    }
    tag = "container_upload"
}

open_struct! {
    /// The conversation so far in short.
    pub struct Compaction {
        /// The summary; `None` where compaction failed.
        pub content: Option<String>,
        /// Opaque.
        pub encrypted_content: Option<String>,
        /// Proof for the next turn.
        pub signature: Option<String>,
    }
    tag = "compaction"
}

open_struct! {
    /// From here on another model answers.
    pub struct Fallback {
        /// The model that declined.
        pub from: ModelRef,
        /// The model that answers.
        pub to: ModelRef,
        /// Why.
        pub trigger: Option<Raw>,
    }
    tag = "fallback"
}

open_struct! {
    /// A model, by name.
    pub struct ModelRef {
        /// The model's id.
        pub model: String,
    }
}

impl crate::open::Field for ModelRef {}
impl crate::open::Field for Raw {}

/// A block that came after this version: what it started as and the deltas nobody here can fold into it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OtherBlock {
    /// Its `type`; empty where it has none.
    pub kind: String,
    /// The block as it started.
    pub start: Raw,
    /// Its deltas, in order. Where there are any, `start` alone is not the whole block.
    pub deltas: Vec<Raw>,
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: std::borrow::Cow<'a, str>,
}

impl ContentBlock {
    /// A text block.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextBlock { text: text.into(), ..TextBlock::default() })
    }

    /// Reads a block. JSON that is no object, or has no `type`, is kept as [`Other`](Self::Other).
    #[must_use]
    pub fn from_raw(raw: &Raw) -> Self {
        let kind =
            serde_json::from_str::<Tag<'_>>(raw.get()).map(|tag| tag.kind.into_owned()).unwrap_or_default();
        let known = match kind.as_str() {
            "text" => raw.parse().map(Self::Text),
            "thinking" => raw.parse().map(Self::Thinking),
            "redacted_thinking" => raw.parse().map(Self::RedactedThinking),
            "tool_use" => raw.parse().map(Self::ToolUse),
            "server_tool_use" => raw.parse().map(Self::ServerToolUse),
            "mcp_tool_use" => raw.parse().map(Self::McpToolUse),
            "container_upload" => raw.parse().map(Self::ContainerUpload),
            "compaction" => raw.parse().map(Self::Compaction),
            "fallback" => raw.parse().map(Self::Fallback),
            // Also results of tools that are not known yet: they come whole, and every one so far has this form.
            kind if kind.ends_with("_tool_result") => raw.parse().map(Self::ServerToolResult),
            _ => return Self::Other(OtherBlock { kind, start: raw.clone(), deltas: Vec::new() }),
        };
        known.unwrap_or_else(|_| Self::Other(OtherBlock { kind, start: raw.clone(), deltas: Vec::new() }))
    }

    /// The block's `type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Text(_) => "text",
            Self::Thinking(_) => "thinking",
            Self::RedactedThinking(_) => "redacted_thinking",
            Self::ToolUse(_) => "tool_use",
            Self::ServerToolUse(_) => "server_tool_use",
            Self::McpToolUse(_) => "mcp_tool_use",
            Self::ServerToolResult(block) => &block.kind,
            Self::ContainerUpload(_) => "container_upload",
            Self::Compaction(_) => "compaction",
            Self::Fallback(_) => "fallback",
            Self::Other(block) => &block.kind,
        }
    }

    /// The call, if this is one of any kind.
    #[must_use]
    pub fn as_tool_use(&self) -> Option<&ToolUse> {
        match self {
            Self::ToolUse(call) | Self::ServerToolUse(call) | Self::McpToolUse(call) => Some(call),
            _ => None,
        }
    }

    pub(crate) fn as_tool_use_mut(&mut self) -> Option<&mut ToolUse> {
        match self {
            Self::ToolUse(call) | Self::ServerToolUse(call) | Self::McpToolUse(call) => Some(call),
            _ => None,
        }
    }
}

impl Serialize for ContentBlock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tag = Some(self.kind());
        match self {
            Self::Text(block) => block.serialize_tagged(tag, serializer),
            Self::Thinking(block) => block.serialize_tagged(tag, serializer),
            Self::RedactedThinking(block) => block.serialize_tagged(tag, serializer),
            Self::ToolUse(block) | Self::ServerToolUse(block) | Self::McpToolUse(block) => {
                block.serialize_tagged(tag, serializer)
            }
            Self::ServerToolResult(block) => block.serialize_tagged(None, serializer),
            Self::ContainerUpload(block) => block.serialize_tagged(tag, serializer),
            Self::Compaction(block) => block.serialize_tagged(tag, serializer),
            Self::Fallback(block) => block.serialize_tagged(tag, serializer),
            Self::Other(block) => block.start.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ContentBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Raw::deserialize(deserializer).map(|raw| Self::from_raw(&raw))
    }
}
