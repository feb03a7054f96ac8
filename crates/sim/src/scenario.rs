//! Scenario files: what is answered to which request, in TOML.
//!
//! ```toml
//! # Rules are looked at in order; the first that fits is taken.
//! [[rule]]
//! when = { model = "claude-*", contains = "weather", nth = 1 }
//! orders = "status=529,retry-after=1"
//!
//! [[rule]]
//! when = { contains = "weather" }
//! thinking = "They want to know about the weather."
//! text = "Sunny, 21 degrees."
//!
//! # Steps are used up one after the other, by requests that no rule fits.
//! [[step]]
//! text = "Let me look that up."
//! tools = [{ name = "search", input = { query = "perennial" } }]
//!
//! [[step]]
//! replay = "a-recording"
//! orders = "fin@event=5"
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer::{Answer, Block, Display};
use crate::mind::{digest, tokens};
use crate::orders::Orders;

/// A scenario, read and checked. Clones share what was used up.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Rule>,
    steps: Vec<Script>,
    next_step: AtomicUsize,
}

/// Not a scenario; says where and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAScenario(String);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<RuleText>,
    #[serde(default)]
    step: Vec<Script>,
}

#[derive(Debug, Deserialize)]
struct RuleText {
    #[serde(default)]
    when: When,
    #[serde(flatten)]
    script: Value,
}

#[derive(Debug)]
struct Rule {
    when: When,
    script: Script,
    matched: AtomicU64,
}

/// What a request has to be; what is left out does not matter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    /// `*` stands for anything.
    model: Option<String>,
    /// In the text of the last message.
    contains: Option<String>,
    stream: Option<bool>,
    /// Only the request of this number among those that fit otherwise, from 1.
    nth: Option<u64>,
}

/// What is done with a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Script {
    /// See [`Orders`].
    pub(crate) orders: String,
    /// Another model to answer as, `replay:NAME` included.
    pub(crate) replay: Option<String>,
    text: Option<String>,
    thinking: Option<String>,
    tools: Vec<ToolCall>,
    stop_reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolCall {
    name: String,
    #[serde(default)]
    input: Map<String, Value>,
}

impl Scenario {
    /// Reads a scenario from TOML.
    ///
    /// # Errors
    ///
    /// When the text is no TOML, has unknown fields, or orders that are none.
    pub fn parse(text: &str) -> Result<Self, NotAScenario> {
        let file: File = toml::from_str(text).map_err(|error| NotAScenario(error.to_string()))?;
        let mut rules = Vec::new();
        for (number, rule) in (1..).zip(file.rule) {
            let script: Script = serde_json::from_value(rule.script)
                .map_err(|error| NotAScenario(format!("rule {number}: {error}")))?;
            script.check(&format!("rule {number}"))?;
            if rule.when.nth == Some(0) {
                return Err(NotAScenario(format!("rule {number}: nth counts from 1")));
            }
            rules.push(Rule { when: rule.when, script, matched: AtomicU64::new(0) });
        }
        for (number, step) in (1..).zip(&file.step) {
            step.check(&format!("step {number}"))?;
        }
        Ok(Self { inner: Arc::new(Inner { rules, steps: file.step, next_step: AtomicUsize::new(0) }) })
    }

    /// What is to be done with `request`: the first rule that fits, else the next step, else nothing special.
    pub(crate) fn script(&self, request: &Value) -> Option<Script> {
        if let Some(rule) = self.inner.rules.iter().find(|rule| rule.fits(request)) {
            return Some(rule.script.clone());
        }
        let steps = &self.inner.steps;
        let next = self.inner.next_step.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            (next < steps.len()).then_some(next + 1)
        });
        steps.get(next.ok()?).cloned()
    }
}

impl Rule {
    fn fits(&self, request: &Value) -> bool {
        let when = &self.when;
        let model = request.get("model").and_then(Value::as_str).unwrap_or_default();
        let stream = request.get("stream").and_then(Value::as_bool).unwrap_or(false);
        let fits = when.model.as_deref().is_none_or(|pattern| is_like(model, pattern))
            && when.stream.is_none_or(|wanted| wanted == stream)
            && when.contains.as_deref().is_none_or(|part| last_text(request).contains(part));
        fits && {
            let number = self.matched.fetch_add(1, Ordering::Relaxed) + 1;
            when.nth.is_none_or(|nth| nth == number)
        }
    }
}

impl Script {
    fn check(&self, place: &str) -> Result<(), NotAScenario> {
        self.orders.parse::<Orders>().map_err(|error| NotAScenario(format!("{place}: orders: {error}")))?;
        if self.replay.is_some() && self.is_written() {
            return Err(NotAScenario(format!(
                "{place}: a recording has its own content; leave text and tools out"
            )));
        }
        Ok(())
    }

    /// Whether it says what is answered.
    pub(crate) fn is_written(&self) -> bool {
        self.text.is_some() || self.thinking.is_some() || !self.tools.is_empty()
    }

    /// Puts what is written here in the place of what the mind came up with; the input side of the usage stays, and thinking
    /// is not signed yet.
    pub(crate) fn rewrite(&self, answer: &mut Answer) {
        let mut blocks = Vec::new();
        let mut output = 0;
        if let Some(thinking) = &self.thinking {
            let tokens = tokens::count(thinking);
            output += tokens;
            answer.usage.thinking_tokens = Some(tokens);
            blocks.push(Block::Thinking {
                thinking: thinking.clone(),
                // The mind signs it.
                signature: String::new(),
                display: Display::Summarized,
                tokens,
            });
        }
        if let Some(text) = &self.text {
            output += tokens::count(text);
            blocks.push(Block::Text { text: text.clone(), citations: Vec::new() });
        }
        for (number, tool) in (0u64..).zip(&self.tools) {
            let input = Value::Object(tool.input.clone()).to_string();
            output += tokens::count(&input);
            blocks.push(Block::ToolUse {
                kind: "tool_use",
                id: digest::id("toolu_", digest::siphash(number, 0, answer.id.as_bytes())),
                name: tool.name.clone(),
                input,
                eager: false,
                extra: Map::new(),
            });
        }
        let natural = if self.tools.is_empty() { "end_turn" } else { "tool_use" };
        answer.stop_reason = self.stop_reason.clone().unwrap_or_else(|| natural.to_owned());
        answer.stop_sequence = None;
        answer.usage.output_tokens = output;
        answer.blocks = blocks;
    }
}

/// The text of the last message, all its text blocks joined.
fn last_text(request: &Value) -> String {
    let content = request
        .get("messages")
        .and_then(Value::as_array)
        .and_then(|messages| messages.last()?.get("content"));
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

/// Whether `text` is like `pattern`, in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(tail) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(model: &str, text: &str) -> Value {
        json!({"model": model, "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]})
    }

    #[test]
    fn rules_come_first_and_steps_are_used_up() {
        let scenario = Scenario::parse(
            r#"
            [[rule]]
            when = { model = "claude-*-5", contains = "rain", nth = 2 }
            orders = "bom"
            [[step]]
            text = "one"
            [[step]]
            text = "two"
            "#,
        )
        .unwrap();
        let taken = |model: &str, text: &str| {
            let script = scenario.script(&request(model, text))?;
            Some(script.text.unwrap_or(script.orders))
        };
        assert_eq!(taken("claude-opus-5", "rain?").as_deref(), Some("one"), "the first of two");
        assert_eq!(taken("claude-opus-5", "rain?").as_deref(), Some("bom"), "the second of two");
        assert_eq!(taken("claude-opus-4", "rain?").as_deref(), Some("two"), "another model");
        assert_eq!(taken("claude-opus-5", "sun?"), None, "nothing is left");
    }

    #[test]
    fn wrong_scenarios_say_where_and_why() {
        for (text, part) in [
            ("[[rule]]\norders = \"fim@event=1\"", "rule 1: orders: `fim` is no order; did you mean `fin`?"),
            ("[[step]]\ntxt = \"x\"", "unknown field `txt`"),
            ("[[rule]]\nwhen = { modle = \"x\" }", "unknown field `modle`"),
            ("[[rule]]\ntxt = \"x\"", "unknown field `txt`"),
            ("[[rule]]\nwhen = { nth = 0 }", "counts from 1"),
            ("[[step]]\nreplay = \"a\"\ntext = \"b\"", "step 1: a recording has its own content"),
            ("rules = 1", "unknown field `rules`"),
            ("[[rule", ""),
        ] {
            let message = Scenario::parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (text, pattern, like) in [
            ("abc", "abc", true),
            ("abc", "*", true),
            ("abc", "a*", true),
            ("abc", "*c", true),
            ("abc", "a*c", true),
            ("abc", "a*b*c*", true),
            ("abc", "ab", false),
            ("abc", "*b", false),
            ("aba", "ab*ba", false),
            ("", "*", true),
        ] {
            assert_eq!(is_like(text, pattern), like, "{text} {pattern}");
        }
    }
}
