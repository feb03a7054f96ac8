//! The tools that the gateway has for conversations: what the model is told of them, and what they give.
//!
//! Each is safe by itself, whatever the model writes: none evaluates a program, reads a file or runs a command, and only `fetch` leaves the gateway, to hosts that the
//! operator named. What a tool refuses it says in words, to the model.

mod calculator;
mod clock;
mod fetch;
mod search;

use perennial_history::{Conversations, Turn};
use serde_json::{Value, json};

use super::fold::Call;
use crate::service::Service;

pub use self::fetch::FetchPolicy;

/// Their names.
pub(super) const NAMES: [&str; 4] = ["calculator", "clock", "fetch", "search"];

/// So many calls of one answer are carried out.
const MAX_CALLS: usize = 32;
/// The most characters of what one call gives.
const MAX_RESULT_CHARS: usize = 40_000;

/// What a tool gave, or why it did not.
pub(super) type Given = Result<String, String>;

/// What the model is told of the tools of a conversation.
pub(super) fn definitions(names: &[String]) -> Vec<Value> {
    NAMES
        .iter()
        .filter(|known| names.iter().any(|name| name == *known))
        .map(|name| definition(name))
        .collect()
}

fn definition(name: &str) -> Value {
    let (description, properties, required) = match name {
        "calculator" => (
            "Computes an arithmetic expression exactly enough to rely on: + - * / % ^, parentheses, the constants pi and e, and the functions sqrt, abs, round, floor, ceil, ln, log10, log2, exp, sin, cos, tan, min and max.",
            json!({"expression": {"type": "string", "description": "Such as (3 + 4) * 2^10 / sqrt(2)"}}),
            json!(["expression"]),
        ),
        "clock" => (
            "Tells the present date and time.",
            json!({"time_zone": {"type": "string", "description": "An IANA name such as Europe/Berlin; UTC without one"}}),
            json!([]),
        ),
        "fetch" => (
            "Fetches a page or a document by its address and gives its text. Only some hosts are allowed; a refusal says which.",
            json!({"url": {"type": "string", "description": "An address that begins with http:// or https://"}}),
            json!(["url"]),
        ),
        _ => (
            "Searches this conversation, all of its branches, for words, and gives the places where they stand.",
            json!({"query": {"type": "string", "description": "Words to look for"}}),
            json!(["query"]),
        ),
    };
    json!({
        "name": name,
        "description": description,
        "input_schema": {"type": "object", "properties": properties, "required": required},
    })
}

/// The tools, for pages.
pub(super) fn told() -> Vec<Value> {
    let told = |name: &&str| json!({"name": name, "description": definition(name)["description"]});
    NAMES.iter().map(told).collect()
}

/// Carries calls out, one after the other: the blocks that answer them.
pub(super) async fn run(
    service: &Service,
    conversations: &Conversations,
    turn: &Turn,
    calls: &[Call],
) -> Vec<Value> {
    let mut results = Vec::with_capacity(calls.len());
    for (number, call) in calls.iter().enumerate() {
        if number >= MAX_CALLS {
            results.push(failed(call, "Too many calls at once: this one was not carried out."));
            continue;
        }
        let given = match call.name.as_str() {
            "calculator" => text(call, "expression").and_then(calculator::compute),
            "clock" => clock::now(call.input["time_zone"].as_str()),
            "fetch" => match text(call, "url") {
                Ok(url) => fetch::fetch(&service.fetch, url).await,
                Err(missing) => Err(missing),
            },
            "search" => match text(call, "query") {
                Ok(words) => search::search(conversations, &turn.conversation, words).await,
                Err(missing) => Err(missing),
            },
            other => Err(format!("There is no tool {other:.60}.")),
        };
        results.push(match given {
            Ok(text) => json!({"type": "tool_result", "tool_use_id": call.id, "content": shortened(text)}),
            Err(why) => failed(call, &why),
        });
    }
    results
}

/// The block that says why a call gave nothing.
pub(super) fn failed(call: &Call, why: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": call.id, "is_error": true, "content": why})
}

fn text<'a>(call: &'a Call, name: &str) -> Result<&'a str, String> {
    call.input[name].as_str().ok_or_else(|| format!("`{name}` is missing: it is a text."))
}

fn shortened(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(MAX_RESULT_CHARS) {
        text.truncate(at);
        text.push_str("\n[the rest is left out]");
    }
    if text.trim().is_empty() { "(nothing)".to_owned() } else { text }
}
