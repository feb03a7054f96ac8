//! Thinking, asked for in the form of the model's generation.

use perennial_recovery::is_of_old_generation;
use serde_json::{Value, json};

/// The budget of thinking for models that take one.
const BUDGET_TOKENS: u64 = 4_096;

/// Newer models decide themselves how much they think, and keep it to themselves unless it is asked for.
pub(super) fn of(model: &str, max_tokens: u64) -> Value {
    if is_of_old_generation(model) {
        json!({"type": "enabled", "budget_tokens": BUDGET_TOKENS.min(max_tokens / 2).max(1_024)})
    } else {
        json!({"type": "adaptive", "display": "summarized"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_has_its_form() {
        for (model, kind) in [
            ("claude-haiku-4-5", "enabled"),
            ("claude-sonnet-4-5-20250929", "enabled"),
            ("claude-sonnet-4-20250514", "enabled"),
            ("claude-opus-4-6", "adaptive"),
            ("claude-sonnet-5-5", "adaptive"),
            // What is of a later year is no generation of before.
            ("claude-opus-6-20270401", "adaptive"),
            ("claude-sonnet-14-5", "adaptive"),
        ] {
            assert_eq!(of(model, 16_000)["type"], json!(kind), "{model}");
        }
        assert_eq!(of("claude-haiku-4-5", 3_000)["budget_tokens"], json!(1_500));
    }
}
