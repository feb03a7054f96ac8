//! What this version assumes of the service, by model generation.

use serde_json::{Value, json};

/// A generation of models, told apart by what they accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation {
    pub(super) name: &'static str,
    /// Models of it, the cheapest first.
    pub(super) models: &'static [&'static str],
    /// Whether an answer can be begun for the model.
    pub(super) prefill: bool,
    /// Whether thinking takes a budget.
    pub(super) budget: bool,
}

const fn generation(
    name: &'static str,
    models: &'static [&'static str],
    prefill: bool,
    budget: bool,
) -> Generation {
    Generation { name, models, prefill, budget }
}

pub(super) const GENERATIONS: &[Generation] = &[
    generation("up to 4.5", &["claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5"], true, true),
    generation("4.6", &["claude-sonnet-4-6", "claude-opus-4-6"], false, false),
    generation(
        "4.7 to 5",
        &["claude-sonnet-5", "claude-opus-4-8", "claude-opus-4-7", "claude-opus-5"],
        false,
        false,
    ),
    generation(
        "5.5",
        &["claude-haiku-5-5", "claude-opus-5-5", "claude-fable-5-2", "claude-fable-5-1", "claude-fable-5"],
        false,
        false,
    ),
    generation("Sonnet 5.5", &["claude-sonnet-5-5"], false, false),
];

/// Headers that a stream of the service carries.
pub(super) const HEADERS: &[&str] = &[
    "request-id",
    "anthropic-organization-id",
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-output-tokens-limit",
];

impl Generation {
    /// The generation of a model, by its name; what is not known is taken for the newest.
    pub(super) fn of(model: &str) -> Self {
        GENERATIONS
            .iter()
            .find(|generation| {
                generation.models.iter().any(|known| {
                    model.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with("-2"))
                })
            })
            .copied()
            .unwrap_or(GENERATIONS[GENERATIONS.len() - 2])
    }

    pub(super) fn thinking(self) -> Value {
        if self.budget {
            json!({"type": "enabled", "budget_tokens": 1_024})
        } else {
            json!({"type": "adaptive", "display": "summarized"})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_find_their_generation() {
        for (model, name) in [
            ("claude-haiku-4-5-20251001", "up to 4.5"),
            ("claude-opus-4-6", "4.6"),
            ("claude-sonnet-5", "4.7 to 5"),
            ("claude-sonnet-5-5", "Sonnet 5.5"),
            ("claude-opus-5", "4.7 to 5"),
            ("claude-opus-5-5", "5.5"),
            ("claude-novella-9", "5.5"),
        ] {
            assert_eq!(Generation::of(model).name, name, "{model}");
        }
    }
}
