//! Thinking: whether, how much, how it is shown, and the signatures that bind it.
//!
//! A signature says in clear which model made it and holds two keyed hashes: one over model and shown text, one over
//! everything that stood before the block. So a history that was changed, reordered or lost on its way back is found out
//! just as the real service finds it out, and a test of faithful replay is a real test.

use serde_json::{Map, Value, json};

use super::conversation::Request;
use super::digest::{self, Dice};
use super::models::Model;
use super::tokens;
use crate::answer::{Block, Display};

/// What a request wants of thinking, with the defaults of its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) upfront: bool,
    /// Notes between tool calls only.
    pub(super) notes: bool,
    pub(super) display: Display,
}

/// How a signature fares in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Genuine,
    /// Not ours, or the text was changed.
    Invalid,
    /// Ours, but made by another model.
    OtherModel,
    /// Ours, but something before it was changed.
    OtherConversation,
}

const VERSION: u8 = 1;

impl Wanted {
    pub(super) fn of(request: Request<'_>, model: &Model) -> Self {
        let thinking = request.get("thinking");
        let kind = thinking.and_then(|thinking| thinking["type"].as_str());
        let display = match thinking.and_then(|thinking| thinking["display"].as_str()) {
            Some("summarized") => Display::Summarized,
            Some("omitted") => Display::Omitted,
            Some("updates") => Display::Updates,
            _ => model.display,
        };
        let upfront = match kind {
            Some("enabled" | "adaptive") => true,
            Some(_) => false,
            None => model.thinking.by_default,
        };
        Self { upfront, notes: upfront || kind == Some("between_tools"), display }
    }
}

/// A thinking block about a question; the signature comes with [`sign`], when what stands before it is known.
pub(super) fn block(hash: u64, asked: &str, calls: &[&str], display: Display) -> Block {
    let mut dice = Dice::new(digest::of(hash, &["thinking"]));
    let topic: String = asked.split_whitespace().take(12).collect::<Vec<_>>().join(" ");
    let mut steps = vec![match topic.is_empty() {
        true => "There is no question in words here, so I look at what came along.".to_owned(),
        false => format!("The question is: “{topic}”."),
    }];
    if calls.is_empty() {
        steps.push(
            dice.pick(&[
                "I should say first what is certain, then what follows from it.",
                "A short structure will help: the idea, the parts, an example.",
                "The answer should be no longer than the question deserves.",
            ])
            .to_owned(),
        );
        steps.push(
            dice.pick(&[
                "I check the figures once more before I write.",
                "A table might say it better than a paragraph.",
                "I leave out what was not asked for.",
            ])
            .to_owned(),
        );
    } else {
        steps.push(format!(
            "I need {} for this, so I call it with what the question gives me.",
            calls.join(" and ")
        ));
    }
    let thinking = match display {
        Display::Updates => {
            let lines: Vec<_> = steps.iter().map(|step| format!("{step}\n")).collect();
            lines.concat()
        }
        _ => steps.join(" "),
    };
    let tokens = tokens::count(&thinking);
    let shown = if display == Display::Omitted { String::new() } else { thinking };
    Block::Thinking { thinking: shown, signature: String::new(), display, tokens }
}

/// The signature of a block in its place.
pub(super) fn sign(seed: u64, model: &str, thinking: &str, prefix: u64) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(text_mac(seed, model, thinking).to_le_bytes());
    bytes.extend(prefix_mac(seed, model, prefix).to_le_bytes());
    // Real signatures are long; clients that shorten or re-encode long strings shall notice.
    let mut filler = text_mac(seed, model, thinking);
    for _ in 0..16 {
        filler = digest::siphash(seed, filler, b"filler");
        bytes.extend(filler.to_le_bytes());
    }
    bytes.extend(model.as_bytes());
    digest::base64(&bytes)
}

/// Whether a thinking block may stand in a history for `model`, after everything that `prefix` is the hash of.
pub(super) fn verify(seed: u64, model: &Model, thinking: &str, signature: &str, prefix: u64) -> Verdict {
    let Some(bytes) = digest::from_base64(signature) else { return Verdict::Invalid };
    const HEAD: usize = 1 + 8 + 8 + 16 * 8;
    let Some(maker) = bytes.get(HEAD..).and_then(|name| std::str::from_utf8(name).ok()) else {
        return Verdict::Invalid;
    };
    let word =
        |at: usize| bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes);
    if signature != sign_as(seed, maker, thinking, word(9)) {
        return Verdict::Invalid;
    }
    if !model.bound_thinking {
        return Verdict::Genuine;
    }
    if maker != model.id {
        return Verdict::OtherModel;
    }
    if word(9) != Some(prefix_mac(seed, maker, prefix)) {
        Verdict::OtherConversation
    } else {
        Verdict::Genuine
    }
}

/// The signature with this hash of the prefix put in as it is.
fn sign_as(seed: u64, model: &str, thinking: &str, prefix_mac: Option<u64>) -> String {
    let mut bytes = digest::from_base64(&sign(seed, model, thinking, 0)).unwrap_or_default();
    if let (Some(mac), Some(place)) = (prefix_mac, bytes.get_mut(9..17)) {
        place.copy_from_slice(&mac.to_le_bytes());
    }
    digest::base64(&bytes)
}

fn text_mac(seed: u64, model: &str, thinking: &str) -> u64 {
    digest::of(seed, &["thinking", model, thinking])
}

fn prefix_mac(seed: u64, model: &str, prefix: u64) -> u64 {
    digest::of(seed, &["prefix", model, &prefix.to_string()])
}

/// Every thinking block of a history: message, block, and how its signature fares.
pub(super) fn history(seed: u64, model: &Model, request: Request<'_>) -> Vec<(usize, usize, Verdict)> {
    let mut found = Vec::new();
    let mut prefix = Prefix::of_request(seed, request);
    for (at, message) in request.list("messages").iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        let Some(blocks) = message["content"].as_array().filter(|_| role == "assistant") else {
            prefix.message(message);
            continue;
        };
        for (place, block) in blocks.iter().enumerate() {
            if block["type"] == "thinking" {
                let text = |name: &str| block[name].as_str().unwrap_or_default();
                let verdict = verify(seed, model, text("thinking"), text("signature"), prefix.0);
                found.push((at, place, verdict));
            }
            prefix.push(role, block);
        }
    }
    found
}

/// The opaque data of a redacted block.
pub(super) fn redacted(seed: u64, hash: u64) -> String {
    let mut state = digest::of(seed, &["redacted", &hash.to_string()]);
    let mut bytes = Vec::new();
    for _ in 0..20 {
        state = digest::siphash(seed, state, b"redacted");
        bytes.extend(state.to_le_bytes());
    }
    bytes.extend(digest::siphash(seed, 1, &bytes).to_le_bytes());
    digest::base64(&bytes)
}

/// Whether the data of a redacted block came from here.
pub(super) fn verify_redacted(seed: u64, data: &str) -> bool {
    let bytes = digest::from_base64(data).unwrap_or_default();
    bytes
        .split_last_chunk::<8>()
        .is_some_and(|(body, mac)| digest::siphash(seed, 1, body).to_le_bytes() == *mac)
}

/// A running hash over everything that can stand before a thinking block.
///
/// Equal are: a string and one text block of it, fields in another order, fields that are null, marks of the cache.
/// Inside of a tool's input the order of the fields counts, since that is the model's own text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix(pub(super) u64);

impl Prefix {
    pub(super) fn of_request(seed: u64, request: Request<'_>) -> Self {
        let mut prefix = Self(digest::of(seed, &["prefix"]));
        if let Some(system) = request.get("system") {
            prefix.content("system", system);
        }
        for tool in request.list("tools") {
            prefix.push("tool", tool);
        }
        prefix
    }

    /// A whole message.
    pub(super) fn message(&mut self, message: &Value) {
        let role = message["role"].as_str().unwrap_or_default();
        self.content(role, &message["content"]);
    }

    /// One block of a message of this role.
    pub(super) fn push(&mut self, role: &str, block: &Value) {
        self.0 = digest::of(self.0, &[role, &normal(block, false).to_string()]);
    }

    fn content(&mut self, role: &str, content: &Value) {
        match content {
            Value::String(text) => self.push(role, &json!({"type": "text", "text": text})),
            Value::Array(blocks) => blocks.iter().for_each(|block| self.push(role, block)),
            _ => {}
        }
    }
}

fn normal(value: &Value, ordered: bool) -> Value {
    match value {
        Value::Object(fields) if ordered => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), normal(value, true))).collect())
        }
        Value::Object(fields) => {
            let mut names: Vec<_> = fields
                .iter()
                .filter(|(name, value)| match name.as_str() {
                    "cache_control" => false,
                    "caller" => value["type"] != "direct",
                    "citations" => value.as_array().is_some_and(|citations| !citations.is_empty()),
                    _ => !value.is_null(),
                })
                .collect();
            names.sort_by_key(|(name, _)| name.as_str());
            let fields: Map<_, _> = names
                .into_iter()
                .map(|(name, value)| (name.clone(), normal(value, name == "input")))
                .collect();
            Value::Object(fields)
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| normal(item, ordered)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(model: &str, made_by: &str, thinking: &str, prefix: u64, expected: Verdict) {
        let signature = sign(7, made_by, "a thought", 1);
        let model = Model::find(model).unwrap();
        assert_eq!(
            verify(7, model, thinking, &signature, prefix),
            expected,
            "{} {made_by} {thinking} {prefix}",
            model.id
        );
    }

    #[test]
    fn signatures_hold_what_they_bind() {
        let (old, new) = ("claude-sonnet-4-6", "claude-opus-5-5");
        check(old, old, "a thought", 1, Verdict::Genuine);
        check(old, old, "a thought", 2, Verdict::Genuine);
        check(old, new, "a thought", 1, Verdict::Genuine);
        check(old, old, "another thought", 1, Verdict::Invalid);
        check(new, new, "a thought", 1, Verdict::Genuine);
        check(new, new, "a thought ", 1, Verdict::Invalid);
        check(new, new, "a thought", 2, Verdict::OtherConversation);
        check(new, old, "a thought", 1, Verdict::OtherModel);
    }

    #[test]
    fn any_changed_character_of_a_signature_is_found() {
        let model = Model::find("claude-opus-5-5").unwrap();
        let signature = sign(7, model.id, "a thought", 1);
        for at in 0..signature.len() {
            let mut changed = signature.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            if changed != signature {
                assert_ne!(verify(7, model, "a thought", &changed, 1), Verdict::Genuine, "{at}");
            }
        }
        assert_eq!(verify(8, model, "a thought", &signature, 1), Verdict::Invalid);
        assert_eq!(verify(7, model, "a thought", "", 1), Verdict::Invalid);
    }

    #[test]
    fn only_what_matters_changes_the_prefix() {
        let prefix = |message: Value| {
            let request = json!({"system": "s"});
            let mut prefix = Prefix::of_request(7, Request::new(&request));
            prefix.message(&message);
            prefix
        };
        let plain = prefix(json!({"role": "user", "content": "hi"}));
        assert_eq!(
            plain,
            prefix(json!({"role": "user", "content": [{"text": "hi", "type": "text", "citations": null,
            "cache_control": {"type": "ephemeral"}}]}))
        );
        assert_ne!(plain, prefix(json!({"role": "user", "content": "hi "})));
        assert_ne!(plain, prefix(json!({"role": "assistant", "content": "hi"})));
        let call = |input: Value| {
            prefix(json!({"role": "assistant", "content": [{"type": "tool_use", "input": input}]}))
        };
        assert_ne!(call(json!({"a": 1, "b": 2})), call(json!({"b": 2, "a": 1})));
    }
}
