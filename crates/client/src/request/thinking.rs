//! Extended thinking: whether, how much, and what is shown of it.

use super::object::{Object, request_object};

request_object! {
    /// How the model thinks before and while it answers. Which form a model takes depends on its generation:
    ///
    /// | generation | [`enabled`](Self::enabled) | [`adaptive`](Self::adaptive) | [`disabled`](Self::disabled) |
    /// |---|---|---|---|
    /// | up to 4.5 | yes | no | yes |
    /// | 4.6 | yes (deprecated) | yes | yes |
    /// | Opus 4.7 and 4.8, Sonnet 5, Opus 5 | no | yes, the default on the 5s | yes |
    /// | Fable, Mythos, Opus 5.5 | no | yes, always on | no |
    /// | Sonnet 5.5 | no | yes | no, but [`between_tools`](Self::between_tools) |
    ///
    /// Recent models show no thinking by default: without a [`display`](Self::display) an answer may look as if it did not begin.
    pub struct Thinking, "`thinking`"
}

/// What is shown of the thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Display {
    /// A summary, as it is thought.
    Summarized,
    /// Nothing: thinking blocks carry only their signature. The first word of the answer comes sooner.
    Omitted,
    /// Short notes on what the model is at (needs the beta `thinking-display-updates-2026-08-18`).
    Updates,
}

impl Thinking {
    /// Think with at most `budget_tokens`, at least 1024. For models up to 4.6.
    pub fn enabled(budget_tokens: u32) -> Self {
        Self(Object::tagged("enabled").with("budget_tokens", &budget_tokens))
    }

    /// Think as much as the question needs. For models since 4.6.
    pub fn adaptive() -> Self {
        Self(Object::tagged("adaptive"))
    }

    /// No thinking up front, only notes between tool calls. For Sonnet 5.5.
    pub fn between_tools() -> Self {
        Self(Object::tagged("between_tools"))
    }

    /// No thinking.
    pub fn disabled() -> Self {
        Self(Object::tagged("disabled"))
    }

    /// What is shown of it.
    pub fn display(self, display: Display) -> Self {
        let display = match display {
            Display::Summarized => "summarized",
            Display::Omitted => "omitted",
            Display::Updates => "updates",
        };
        self.field("display", display)
    }
}
