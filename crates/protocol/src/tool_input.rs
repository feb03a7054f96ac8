//! Tool input: JSON that may be run, or text that must not be.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Raw;
use crate::open::Field;

/// The input of a tool call.
///
/// Only [`Complete`](Self::Complete) input may be executed. Input that was cut or is not a JSON object keeps its text; it is never
/// turned into `{}`, since a tool that runs on an empty input instead of the meant one does harm.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ToolInput {
    /// A whole JSON object, as text.
    Complete(Raw),
    /// What arrived, and why it cannot be used. In history it is written as `{"INVALID_JSON": text}`, the form which the
    /// service's documentation gives for it; answer the call with an error result.
    Unusable {
        /// The text as it arrived.
        text: String,
        /// Why it is not usable.
        fault: InputFault,
    },
}

/// Why tool input cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputFault {
    /// The block did not end, or ended where `max_tokens` cut it.
    Truncated,
    /// The text is not JSON.
    NotJson,
    /// The text is JSON but no object.
    NotAnObject,
}

impl ToolInput {
    /// Reads the text that a finished block has gathered.
    #[must_use]
    pub fn finished(text: String) -> Self {
        let fault = match serde_json::from_str::<&serde_json::value::RawValue>(&text) {
            Ok(raw) if raw.get().starts_with('{') => {
                let raw = Raw::new(raw.get()).expect("a raw JSON value is JSON");
                return Self::Complete(raw);
            }
            Ok(_) => InputFault::NotAnObject,
            Err(error) if error.is_eof() => InputFault::Truncated,
            Err(_) => InputFault::NotJson,
        };
        Self::Unusable { text, fault }
    }

    /// Input whose block was cut.
    #[must_use]
    pub fn truncated(text: String) -> Self {
        Self::Unusable { text, fault: InputFault::Truncated }
    }

    /// The JSON object, where the input may be executed.
    #[must_use]
    pub fn json(&self) -> Option<&Raw> {
        match self {
            Self::Complete(raw) => Some(raw),
            Self::Unusable { .. } => None,
        }
    }

    /// The text as it arrived.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Complete(raw) => raw.get(),
            Self::Unusable { text, .. } => text,
        }
    }
}

impl Default for ToolInput {
    fn default() -> Self {
        Self::Complete(Raw::empty_object())
    }
}

impl Field for ToolInput {}

impl Serialize for ToolInput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Complete(raw) => raw.serialize(serializer),
            Self::Unusable { text, .. } => serializer.collect_map([("INVALID_JSON", text)]),
        }
    }
}

impl<'de> Deserialize<'de> for ToolInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        Ok(if raw.is_object() {
            Self::Complete(raw)
        } else {
            Self::Unusable { text: raw.get().to_owned(), fault: InputFault::NotAnObject }
        })
    }
}
