//! The catalogue: which models answer, and what each generation accepts.
//!
//! Ids and rules are those that the official SDKs and the documentation name. Where nothing is known (the dates of the
//! newest models, Haiku 5.5's forms of thinking) the entry is this simulator's choice. An id that is not here is unknown
//! (404); names with a colon belong to the wire half (`replay:NAME`, `bench:...`).

use serde_json::{Value, json};

use crate::answer::Display;

/// What a model is called and what it accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Model {
    /// The id in answers, for instance `claude-haiku-4-5-20251001`.
    pub id: &'static str,
    /// The short name in requests that resolves to this id, where there is one.
    pub alias: Option<&'static str>,
    /// For people.
    pub name: &'static str,
    /// RFC 3339.
    pub created_at: &'static str,
    /// Tokens of input and output together.
    pub context_window: u64,
    /// The largest `max_tokens`.
    pub max_output: u64,
    /// The forms of `thinking` it takes.
    pub thinking: ThinkingForms,
    /// Whether a conversation may end with an assistant turn.
    pub prefill: bool,
    /// `thinking.display` when the request does not name one.
    pub display: Display,
    /// Whether signatures are bound to the model and to everything that stood before the block.
    pub bound_thinking: bool,
    /// Whether `tool_choice` `any` and `tool` are taken.
    pub forced_tools: bool,
    /// Fewest tokens of a prefix that the prompt cache keeps.
    pub cache_minimum: u64,
    /// Values of `output_config.effort`.
    pub efforts: &'static [&'static str],
}

/// The forms of `thinking` that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThinkingForms {
    /// `enabled` with `budget_tokens`.
    pub enabled: bool,
    /// `adaptive`.
    pub adaptive: bool,
    /// `disabled`.
    pub disabled: bool,
    /// `between_tools`: notes between tool calls only.
    pub between_tools: bool,
    /// Whether it thinks when the request does not mention thinking.
    pub by_default: bool,
}

const MANUAL: ThinkingForms =
    ThinkingForms { enabled: true, adaptive: false, disabled: true, between_tools: false, by_default: false };
const BOTH: ThinkingForms = ThinkingForms { adaptive: true, ..MANUAL };
const ADAPTIVE: ThinkingForms = ThinkingForms { enabled: false, ..BOTH };
const ADAPTIVE_ON: ThinkingForms = ThinkingForms { by_default: true, ..ADAPTIVE };
const ALWAYS: ThinkingForms = ThinkingForms { disabled: false, ..ADAPTIVE_ON };
const NOTES: ThinkingForms = ThinkingForms { between_tools: true, ..ALWAYS };

const EFFORTS_45: &[&str] = &["low", "medium", "high"];
const EFFORTS_46: &[&str] = &["low", "medium", "high", "max"];
const EFFORTS: &[&str] = &["low", "medium", "high", "xhigh", "max"];

/// The generation up to 4.5; the later ones are told as differences from the one before.
const V4_5: Model = Model {
    id: "",
    alias: None,
    name: "",
    created_at: "",
    context_window: 200_000,
    max_output: 64_000,
    thinking: MANUAL,
    prefill: true,
    display: Display::Summarized,
    bound_thinking: false,
    forced_tools: true,
    cache_minimum: 1024,
    efforts: EFFORTS_45,
};
const V4_6: Model = Model {
    context_window: 1_000_000,
    max_output: 128_000,
    thinking: BOTH,
    prefill: false,
    efforts: EFFORTS_46,
    ..V4_5
};
const V4_7: Model = Model { thinking: ADAPTIVE, display: Display::Omitted, efforts: EFFORTS, ..V4_6 };
const V5: Model = Model { thinking: ADAPTIVE_ON, ..V4_7 };
const FABLE_5: Model = Model { thinking: ALWAYS, ..V5 };
const NEWEST: Model = Model { bound_thinking: true, forced_tools: false, ..FABLE_5 };

static CATALOGUE: &[Model] = &[
    Model { id: "claude-fable-5-2", name: "Claude Fable 5.2", created_at: "2026-10-20T00:00:00Z", ..NEWEST },
    Model {
        id: "claude-mythos-5-2",
        name: "Claude Mythos 5.2",
        created_at: "2026-10-20T00:00:00Z",
        ..NEWEST
    },
    Model { id: "claude-opus-5-5", name: "Claude Opus 5.5", created_at: "2026-10-06T00:00:00Z", ..NEWEST },
    Model {
        id: "claude-sonnet-5-5",
        name: "Claude Sonnet 5.5",
        created_at: "2026-10-06T00:00:00Z",
        thinking: NOTES,
        ..NEWEST
    },
    Model {
        id: "claude-haiku-5-5",
        name: "Claude Haiku 5.5",
        created_at: "2026-10-06T00:00:00Z",
        thinking: ADAPTIVE,
        forced_tools: true,
        ..NEWEST
    },
    Model { id: "claude-fable-5-1", name: "Claude Fable 5.1", created_at: "2026-09-01T00:00:00Z", ..NEWEST },
    Model {
        id: "claude-mythos-5-1",
        name: "Claude Mythos 5.1",
        created_at: "2026-09-01T00:00:00Z",
        ..NEWEST
    },
    Model { id: "claude-fable-5", name: "Claude Fable 5", created_at: "2026-07-01T00:00:00Z", ..FABLE_5 },
    Model { id: "claude-mythos-5", name: "Claude Mythos 5", created_at: "2026-07-01T00:00:00Z", ..FABLE_5 },
    Model { id: "claude-opus-5", name: "Claude Opus 5", created_at: "2026-06-15T00:00:00Z", ..V5 },
    Model { id: "claude-sonnet-5", name: "Claude Sonnet 5", created_at: "2026-06-15T00:00:00Z", ..V5 },
    Model { id: "claude-opus-4-8", name: "Claude Opus 4.8", created_at: "2026-05-15T00:00:00Z", ..V4_7 },
    Model { id: "claude-opus-4-7", name: "Claude Opus 4.7", created_at: "2026-04-14T00:00:00Z", ..V4_7 },
    Model {
        id: "claude-mythos-preview",
        name: "Claude Mythos Preview",
        created_at: "2026-04-07T00:00:00Z",
        ..FABLE_5
    },
    Model { id: "claude-sonnet-4-6", name: "Claude Sonnet 4.6", created_at: "2026-02-17T00:00:00Z", ..V4_6 },
    Model { id: "claude-opus-4-6", name: "Claude Opus 4.6", created_at: "2026-02-04T00:00:00Z", ..V4_6 },
    Model {
        id: "claude-opus-4-5-20251101",
        alias: Some("claude-opus-4-5"),
        name: "Claude Opus 4.5",
        created_at: "2025-11-24T00:00:00Z",
        ..V4_5
    },
    Model {
        id: "claude-haiku-4-5-20251001",
        alias: Some("claude-haiku-4-5"),
        name: "Claude Haiku 4.5",
        created_at: "2025-10-15T00:00:00Z",
        ..V4_5
    },
    Model {
        id: "claude-sonnet-4-5-20250929",
        alias: Some("claude-sonnet-4-5"),
        name: "Claude Sonnet 4.5",
        created_at: "2025-09-29T00:00:00Z",
        ..V4_5
    },
];

impl Model {
    /// Every model, newest first.
    #[must_use]
    pub fn all() -> &'static [Self] {
        CATALOGUE
    }

    /// The model of this id or alias.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|model| model.id == name || model.alias == Some(name))
    }

    /// The entry of `GET /v1/models`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "type": "model",
            "id": self.id,
            "display_name": self.name,
            "created_at": self.created_at,
            "max_input_tokens": self.context_window,
            "max_tokens": self.max_output,
        })
    }

    /// The model that a request with this name is answered by; names that belong to the wire half get the newest Opus.
    pub(super) fn for_request(name: &str) -> &'static Self {
        Self::find(name)
            .or_else(|| Self::find("claude-opus-5-5"))
            .expect("claude-opus-5-5 is in the catalogue")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, enabled: bool, adaptive: bool, disabled: bool, between_tools: bool, prefill: bool) {
        let model = Model::find(name).unwrap();
        let forms = model.thinking;
        assert_eq!(
            (forms.enabled, forms.adaptive, forms.disabled, forms.between_tools, model.prefill),
            (enabled, adaptive, disabled, between_tools, prefill),
            "{name}"
        );
    }

    #[test]
    fn generations_take_what_the_documentation_says() {
        check("claude-sonnet-4-5", true, false, true, false, true);
        check("claude-opus-4-6", true, true, true, false, false);
        check("claude-opus-4-7", false, true, true, false, false);
        check("claude-opus-5", false, true, true, false, false);
        check("claude-fable-5", false, true, false, false, false);
        check("claude-opus-5-5", false, true, false, false, false);
        check("claude-sonnet-5-5", false, true, false, true, false);
    }

    #[test]
    fn an_alias_resolves_to_the_dated_id_and_ids_are_unique() {
        assert_eq!(Model::find("claude-haiku-4-5").unwrap().id, "claude-haiku-4-5-20251001");
        assert_eq!(Model::find("claude-1"), None);
        for model in Model::all() {
            assert_eq!(Model::find(model.id).unwrap(), model);
            assert_eq!(Model::for_request(model.id), model);
        }
    }
}
