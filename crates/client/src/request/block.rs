//! Content of a request: blocks, and where their data comes from.

use base64::Engine as _;
use perennial_protocol::{ContentBlock, ToolUse};
use serde::{Serialize, Serializer};

use super::object::{Object, request_object};
use super::{Cache, RequestError};

request_object! {
    /// One block of a message, a system prompt or a tool result that goes to Claude.
    ///
    /// ```
    /// use perennial::request::{Block, Cache, Source};
    ///
    /// let picture = Block::image(Source::url("https://example.com/cat.png"));
    /// let rules = Block::text("The rules of the game are ...").cache(Cache::OneHour);
    /// let new_kind = Block::of("hologram").field("beam", 7);
    /// assert_eq!(serde_json::to_string(&new_kind)?, r#"{"type":"hologram","beam":7}"#);
    /// # let _ = (picture, rules);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct Block, "a content block"
}

request_object! {
    /// Where the data of an image or a document is.
    pub struct Source, "a source"
}

/// What a message says: plain text, or blocks.
///
/// Made from strings, one [`Block`], or several.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Blocks.
    Blocks(Vec<Block>),
}

impl Block {
    /// A block of any type, to be filled by [`field`](Self::field).
    pub fn of(kind: &'static str) -> Self {
        Self(Object::tagged(kind))
    }

    /// Text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self(Object::tagged("text").with("text", text.as_ref()))
    }

    /// An image.
    pub fn image(source: Source) -> Self {
        Self::of("image").field("source", source)
    }

    /// A document: a PDF or a text.
    pub fn document(source: Source) -> Self {
        Self::of("document").field("source", source)
    }

    /// What the tool call `id` gave.
    pub fn tool_result(id: impl AsRef<str>, content: impl Into<Content>) -> Self {
        let object = Object::tagged("tool_result").with("tool_use_id", id.as_ref());
        Self(object.with("content", &content.into()))
    }

    /// Why the tool call `id` gave nothing; the model sees the text and may try otherwise.
    pub fn tool_error(id: impl AsRef<str>, content: impl Into<Content>) -> Self {
        Self::tool_result(id, content).field("is_error", true)
    }

    /// The answer to a call whose input cannot be used (cut, or no JSON object): an error result that hands the text back as
    /// `{"INVALID_JSON": text}`, the form which the service's documentation gives. `None` where the input is usable: then run the tool.
    #[must_use]
    pub fn unusable_input(call: &ToolUse) -> Option<Self> {
        if call.input.json().is_some() {
            return None;
        }
        Some(Self::tool_error(&call.id, Self::invalid_json(call)).of_toolset(call))
    }

    pub(crate) fn invalid_json(call: &ToolUse) -> String {
        serde_json::json!({ "INVALID_JSON": call.input.text() }).to_string()
    }

    /// Sets a cache breakpoint after this block.
    pub fn cache(self, cache: Cache) -> Self {
        self.field("cache_control", cache)
    }

    /// The title of a document.
    pub fn title(self, title: impl AsRef<str>) -> Self {
        self.field("title", title.as_ref())
    }

    /// What the model should know about a document without citing it.
    pub fn context(self, context: impl AsRef<str>) -> Self {
        self.field("context", context.as_ref())
    }

    /// Asks for citations from a document. All documents of a request must agree on it.
    pub fn citations(self) -> Self {
        self.field("citations", serde_json::json!({ "enabled": true }))
    }

    /// A result must name the toolset of its call, if that has one.
    pub(crate) fn of_toolset(self, call: &ToolUse) -> Self {
        match &call.toolset_name {
            Some(name) => self.field("toolset_name", name),
            None => self,
        }
    }

    pub(crate) fn check(&self) -> Result<(), RequestError> {
        self.0.fault().map_or(Ok(()), |fault| Err(fault.clone()))
    }
}

impl Source {
    /// Bytes, to be sent within the request. `media_type` is `image/png`, `application/pdf`, ...
    pub fn bytes(media_type: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self::base64(media_type, base64::engine::general_purpose::STANDARD.encode(bytes))
    }

    /// Bytes that are base64 text already.
    pub fn base64(media_type: &str, data: impl AsRef<str>) -> Self {
        Self(Object::tagged("base64").with("media_type", media_type).with("data", data.as_ref()))
    }

    /// An address that the service fetches.
    pub fn url(url: impl AsRef<str>) -> Self {
        Self(Object::tagged("url").with("url", url.as_ref()))
    }

    /// A file that was uploaded before.
    pub fn file(id: impl AsRef<str>) -> Self {
        Self(Object::tagged("file").with("file_id", id.as_ref()))
    }

    /// The text of a document.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self(Object::tagged("text").with("media_type", "text/plain").with("data", text.as_ref()))
    }

    /// A document of blocks of the caller's own; citations then name blocks.
    pub fn content(content: impl Into<Content>) -> Self {
        Self(Object::tagged("content").with("content", &content.into()))
    }
}

/// A block of an answer, for history. It is written as it was received.
impl From<&ContentBlock> for Block {
    fn from(block: &ContentBlock) -> Self {
        Self(Object::of(block, "a block of an answer"))
    }
}

impl Content {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Blocks(blocks) => blocks.is_empty(),
        }
    }

    /// As blocks: text becomes one block.
    #[must_use]
    pub fn into_blocks(self) -> Vec<Block> {
        match self {
            Self::Text(text) => vec![Block::text(text)],
            Self::Blocks(blocks) => blocks,
        }
    }

    pub(crate) fn check(&self) -> Result<(), RequestError> {
        let Self::Blocks(blocks) = self else { return Ok(()) };
        let check = |(i, block): (usize, &Block)| {
            block.check().map_err(|error| error.within(&format!("content[{i}]")))
        };
        blocks.iter().enumerate().try_for_each(check)
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Blocks(blocks) => blocks.serialize(serializer),
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Content {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Block> for Content {
    fn from(block: Block) -> Self {
        Self::Blocks(vec![block])
    }
}

impl From<Vec<Block>> for Content {
    fn from(blocks: Vec<Block>) -> Self {
        Self::Blocks(blocks)
    }
}

impl<const N: usize> From<[Block; N]> for Content {
    fn from(blocks: [Block; N]) -> Self {
        Self::Blocks(blocks.into())
    }
}
