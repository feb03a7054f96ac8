//! The request: what of it decides about going on, and how another one is made of it.
//!
//! Nothing is written anew: two turns are put in after the last one, and one number is replaced. Every other byte stays, since caches and signatures
//! depend on them.

use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What matters of a request, and where in its body that stands.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    body: &'a [u8],
    pub(crate) model: String,
    pub(crate) stop_sequences: Vec<String>,
    /// An answer in a form that is of one piece.
    pub(crate) is_structured: bool,
    pub(crate) thinks: bool,
    /// What it may think, in tokens; `max_tokens` has to be more than that.
    pub(crate) thinking_budget: u64,
    /// The last turn is the client's own beginning of the answer.
    pub(crate) is_prefilled: bool,
    /// The service keeps the conversation (`protocol.md` §1.10).
    pub(crate) has_thread: bool,
    max_tokens: Option<(u64, Range<usize>)>,
    messages: Range<usize>,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(default)]
    stop_sequences: Option<Vec<String>>,
    #[serde(default)]
    output_config: Option<OutputConfig>,
    #[serde(default)]
    output_format: Option<Value>,
    #[serde(default)]
    thinking: Option<Thinking>,
    #[serde(default)]
    thread: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct OutputConfig {
    #[serde(default)]
    format: Option<Value>,
}

#[derive(Deserialize)]
struct Thinking {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    budget_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Turn {
    #[serde(default)]
    role: String,
}

impl<'a> Request<'a> {
    /// `None` where the body is compressed, or no request.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        let members: Members<'a> = serde_json::from_slice(body).ok()?;
        let turns: Vec<Turn> = serde_json::from_str(members.messages.get()).ok()?;
        let place = |raw: &RawValue| {
            let start = raw.get().as_ptr().addr() - body.as_ptr().addr();
            start..start + raw.get().len()
        };
        let max_tokens = match members.max_tokens {
            Some(raw) => Some((serde_json::from_str(raw.get()).ok()?, place(raw))),
            None => None,
        };
        Some(Self {
            body,
            model: members.model.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default(),
            stop_sequences: members.stop_sequences.unwrap_or_default(),
            is_structured: members.output_format.is_some_and(|format| !format.is_null())
                || members
                    .output_config
                    .and_then(|config| config.format)
                    .is_some_and(|format| !format.is_null()),
            thinking_budget: members
                .thinking
                .as_ref()
                .and_then(|thinking| thinking.budget_tokens)
                .unwrap_or(0),
            thinks: members.thinking.is_some_and(|thinking| thinking.kind != "disabled"),
            is_prefilled: turns.last()?.role == "assistant",
            has_thread: members.thread.is_some(),
            max_tokens,
            messages: place(members.messages),
        })
    }

    /// The client's limit; `None` where there is none.
    pub(crate) fn max_tokens(&self) -> Option<u64> {
        self.max_tokens.as_ref().map(|(most, _)| *most)
    }

    /// The request with more turns after the last, and another `max_tokens`.
    pub(crate) fn with(&self, turns: &[Value], max_tokens: Option<u64>) -> Bytes {
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        let end = self.messages.end - 1;
        let more: String = turns.iter().map(|turn| format!(",{turn}")).collect();
        edits.push((end..end, more));
        if let (Some((_, place)), Some(most)) = (&self.max_tokens, max_tokens) {
            edits.push((place.clone(), most.to_string()));
        }
        edits.sort_by_key(|(place, _)| place.start);
        let mut body = BytesMut::with_capacity(self.body.len() + 1024);
        let mut at = 0;
        for (place, with) in edits {
            body.put(&self.body[at..place.start]);
            body.put(with.as_bytes());
            at = place.end;
        }
        body.put(&self.body[at..]);
        body.freeze()
    }

    /// Whether the model goes on with the beginning of an assistant's turn: those up to 4.5, unless they think. Later ones answer 400
    /// (`protocol.md` §4).
    pub(crate) fn takes_prefill(&self) -> bool {
        !self.thinks && is_of_old_generation(&self.model)
    }
}

/// Whether a model is of generation 4.5 or before: it goes on with the beginning of its own turn where it does not think, and takes a budget where
/// it does. What is not known is taken for newer.
///
/// This is the one list of generations; whoever asks a model in the form of its generation asks here.
///
/// ```
/// assert!(perennial_recovery::is_of_old_generation("claude-haiku-4-5"));
/// assert!(!perennial_recovery::is_of_old_generation("claude-sonnet-5-5"));
/// ```
#[must_use]
pub fn is_of_old_generation(model: &str) -> bool {
    let Some((_, name)) = model.split_once("claude-") else { return false };
    let name = name.split(['@', ':']).next().unwrap_or_default();
    let mut parts = name.split('-');
    let Some(first) = parts.next() else { return false };
    let number = |part: &str| if part.len() <= 2 { part.parse::<u32>().ok() } else { None };
    match first {
        "instant" | "v1" | "v2" => true,
        "opus" | "sonnet" | "haiku" => {
            let Some(major) = parts.next().and_then(number) else { return false };
            // A date, or the end, where there is no second number.
            let minor = parts.next().and_then(number).unwrap_or(0);
            (major, minor) <= (4, 5)
        }
        other => other.split('.').next().and_then(number).is_some_and(|major| major <= 3),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_changed_but_the_turns_and_the_limit() {
        let body = r#"{ "max_tokens" : 1e2, "x":1.50,"messages": [ {"role":"user","content":"\u00e9"} ] , "model":"m"}"#;
        assert!(Request::read(body.as_bytes()).is_none(), "1e2 is no limit that anybody sends");
        let body = body.replace("1e2", "100");
        let request = Request::read(body.as_bytes()).unwrap();
        assert_eq!(request.max_tokens(), Some(100));
        let changed = request.with(&[json!({"role": "assistant", "content": "a"}), json!(1)], Some(70));
        let expected = r#"{ "max_tokens" : 70, "x":1.50,"messages": [ {"role":"user","content":"\u00e9"} ,{"role":"assistant","content":"a"},1] , "model":"m"}"#;
        assert_eq!(std::str::from_utf8(&changed).unwrap(), expected);
        assert!(Request::read(b"\x1f\x8b").is_none());
        assert!(Request::read(br#"{"messages":[]}"#).is_none());
    }

    #[test]
    fn generations_are_told_by_name() {
        for (model, old) in [
            ("claude-3-5-sonnet-20241022", true),
            ("claude-3-opus-latest", true),
            ("claude-2.1", true),
            ("claude-instant-1.2", true),
            ("claude-sonnet-4-20250514", true),
            ("claude-opus-4-1", true),
            ("claude-haiku-4-5", true),
            ("claude-haiku-4-5-20251001", true),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", true),
            ("claude-opus-4-5@20251101", true),
            ("claude-opus-4-6", false),
            ("claude-sonnet-5", false),
            ("claude-sonnet-5-5", false),
            ("claude-haiku-5-5", false),
            ("claude-next", false),
            ("gpt-4", false),
            ("", false),
        ] {
            assert_eq!(is_of_old_generation(model), old, "{model}");
        }
    }
}
