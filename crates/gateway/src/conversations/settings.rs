//! What a conversation is asked with: whether the model thinks, how long its answers may be, which tools it has.

use perennial_history::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tools;
use crate::refusal::Refusal;

/// The model of a conversation of which nobody said one.
pub(super) const USUAL_MODEL: &str = "claude-sonnet-5-5";
const USUAL_MAX_TOKENS: u64 = 8_192;

/// The settings of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) thinking: Thinking,
    pub(super) max_tokens: u64,
    /// Names of tools of the gateway's.
    pub(super) tools: Vec<String>,
}

/// Whether the model thinks before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Thinking {
    #[default]
    Off,
    /// And what it thinks is shown, in short.
    Shown,
    /// And what it thinks is not sent.
    Omitted,
}

impl Default for Settings {
    fn default() -> Self {
        Self { thinking: Thinking::Off, max_tokens: USUAL_MAX_TOKENS, tools: Vec::new() }
    }
}

impl Settings {
    /// What a request says, if it makes sense.
    pub(super) fn check(&self) -> Result<Json, Refusal> {
        if self.max_tokens == 0 {
            return Err(Refusal::invalid("settings.max_tokens: 1 or more"));
        }
        if let Some(unknown) = self.tools.iter().find(|name| !tools::NAMES.contains(&name.as_str())) {
            let known = tools::NAMES.join(", ");
            return Err(Refusal::invalid(format!(
                "settings.tools: there is no tool `{unknown:.60}`; there are {known}"
            )));
        }
        Json::of(self).map_err(|error| super::refused(&error))
    }

    /// What stands in the history; the usual where another version wrote it.
    pub(super) fn of(json: &Json) -> Self {
        json.read().unwrap_or_default()
    }
}

impl Serialize for Thinking {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => to.serialize_bool(false),
            Self::Shown => to.serialize_bool(true),
            Self::Omitted => to.serialize_str("omitted"),
        }
    }
}

impl<'de> Deserialize<'de> for Thinking {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::Bool(false) | Value::Null => Ok(Self::Off),
            Value::Bool(true) => Ok(Self::Shown),
            Value::String(word) if word == "omitted" => Ok(Self::Omitted),
            _ => Err(serde::de::Error::custom("thinking is true, false or \"omitted\"")),
        }
    }
}
