//! The body of a request, written in one order.

use std::borrow::Cow;

use perennial_protocol::Raw;
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};

use super::object::Object;
use super::{InputMessage, MessageRequest, Tool};

/// The order in which known fields are written: the conversation last, as it is what changes from call to call.
const ORDER: [&str; 24] = [
    "model",
    "max_tokens",
    "stream",
    "service_tier",
    "speed",
    "inference_geo",
    "metadata",
    "container",
    "context_management",
    "compaction",
    "fallbacks",
    "thinking",
    "output_config",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "cache_control",
    "tool_choice",
    "mcp_servers",
    "tools",
    "system",
    "thread",
    "messages",
];

/// Fields that a count of tokens does not take. Unknown fields are sent: the service says if it does not want them.
const NOT_COUNTED: [&str; 15] = [
    "max_tokens",
    "stream",
    "service_tier",
    "inference_geo",
    "metadata",
    "container",
    "fallbacks",
    "fallback_credit_token",
    "diagnostics",
    "thread",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "user_profile_id",
];

/// How many of [`ORDER`] make the conversation; unknown fields are written before them.
const CONVERSATION: usize = 5;

/// A request as JSON, whole or without some fields.
pub(super) struct Body<'a> {
    request: &'a MessageRequest,
    leave_out: &'static [&'static str],
}

/// The value of one field, wherever it is kept.
#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a> {
    Raw(Cow<'a, Raw>),
    Object(&'a Object),
    Tools(&'a [Tool]),
    Messages(&'a [InputMessage]),
}

impl<'a> Body<'a> {
    pub(super) fn for_count(request: &'a MessageRequest) -> Self {
        Self { request, leave_out: &NOT_COUNTED }
    }

    fn value(&self, name: &str) -> Option<Part<'a>> {
        let request = self.request;
        // What was set by name wins over what the typed methods gathered.
        if let Some(raw) = request.fields.get(name) {
            return Some(Part::Raw(raw));
        }
        match name {
            "tools" if !request.tools.is_empty() => Some(Part::Tools(&request.tools)),
            "output_config" if !request.output.is_empty() => Some(Part::Object(&request.output)),
            "messages" => Some(Part::Messages(&request.messages)),
            _ => None,
        }
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = &self.request.fields;
        if let Some(fault) = fields.fault() {
            return Err(S::Error::custom(fault));
        }
        let mut map = serializer.serialize_map(None)?;
        let unknown = fields.members().iter().map(|(name, _)| &**name).filter(|name| !ORDER.contains(name));
        let (first, conversation) = ORDER.split_at(ORDER.len() - CONVERSATION);
        for name in first.iter().copied().chain(unknown).chain(conversation.iter().copied()) {
            if self.leave_out.contains(&name) {
                continue;
            }
            if let Some(value) = self.value(name) {
                map.serialize_entry(name, &value)?;
            }
        }
        map.end()
    }
}

impl Serialize for MessageRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Body { request: self, leave_out: &[] }.serialize(serializer)
    }
}
