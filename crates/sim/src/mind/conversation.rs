//! A request as a conversation: who said what, read leniently from the JSON.
//!
//! Validation has its own eyes; this view never fails, so that a mind asked for an answer to an odd request (a replayed
//! model, a scenario) still has something to say.

use serde_json::Value;

use super::digest;

/// A request for an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    json: &'a Value,
}

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Turn<'a> {
    pub(crate) role: Role,
    pub(crate) parts: Vec<Part<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    Assistant,
    System,
}

/// One content block; content that is a plain string is one `Text`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    Text(&'a str),
    Block(&'a Value),
}

impl<'a> Request<'a> {
    pub(crate) fn new(json: &'a Value) -> Self {
        Self { json }
    }

    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        self.json.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn model(self) -> &'a str {
        self.get("model").and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn max_tokens(self) -> Option<u64> {
        self.get("max_tokens").and_then(Value::as_u64)
    }

    pub(crate) fn list(self, name: &str) -> &'a [Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn turns(self) -> Vec<Turn<'a>> {
        self.list("messages").iter().map(Turn::new).collect()
    }
}

impl<'a> Turn<'a> {
    fn new(message: &'a Value) -> Self {
        let role = match message.get("role").and_then(Value::as_str) {
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            _ => Role::User,
        };
        let parts = match message.get("content") {
            Some(Value::String(text)) => vec![Part::Text(text)],
            Some(Value::Array(blocks)) => blocks.iter().map(Part::new).collect(),
            _ => Vec::new(),
        };
        Self { role, parts }
    }

    /// The text of the turn; blocks that stand side by side are joined as they are.
    pub(crate) fn text(&self) -> String {
        self.parts.iter().filter_map(Part::text).collect()
    }

    /// The text of the turn, each block a paragraph of its own.
    pub(crate) fn paragraphs(&self) -> String {
        let texts: Vec<_> = self.parts.iter().filter_map(Part::text).collect();
        texts.join("\n\n")
    }

    pub(crate) fn has(&self, kind: &str) -> bool {
        self.blocks(kind).next().is_some()
    }

    /// The blocks of this type.
    pub(crate) fn blocks<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'a Value> + 's {
        self.parts.iter().filter_map(move |part| match part {
            Part::Block(block) if block["type"] == kind => Some(*block),
            _ => None,
        })
    }
}

impl<'a> Part<'a> {
    fn new(block: &'a Value) -> Self {
        match (block.get("type").and_then(Value::as_str), block.get("text").and_then(Value::as_str)) {
            (Some("text"), Some(text)) => Self::Text(text),
            _ => Self::Block(block),
        }
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Block(_) => None,
        }
    }
}

/// The text of a `tool_result` (or of any block whose `content` is a string or a list of text blocks).
pub(crate) fn content_text(block: &Value) -> String {
    match &block["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<_> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// What a conversation is drawn from: the same turns give the same answer, whatever model or limit is asked for.
pub(crate) fn fingerprint(seed: u64, turns: &[Turn<'_>]) -> u64 {
    turns.iter().fold(digest::of(seed, &["conversation"]), |hash, turn| {
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System => "system",
        };
        // Thinking is left out: what is said must not depend on how much thinking was shown.
        let results: Vec<_> = turn.blocks("tool_result").map(content_text).collect();
        digest::of(hash, &[role, &turn.text(), &results.concat()])
    })
}
