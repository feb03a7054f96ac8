//! The list of messages: roles, contents, tool calls and their results, and how it ends.

use std::collections::HashSet;

use serde_json::Value;

use super::super::conversation::Request;
use super::{Case, Checked, MOST_MESSAGES, blocks, extra, refuse, required};

const ROLES: &[&str] = &["user", "assistant", "system"];

pub(super) fn check_system(case: &Case<'_>) -> Checked {
    let blocks = match case.request.get("system") {
        None | Some(Value::String(_)) => return Ok(()),
        Some(Value::Array(blocks)) => blocks,
        Some(_) => return refuse("system: Input should be a valid list"),
    };
    for (at, block) in blocks.iter().enumerate() {
        if block["type"] != "text" {
            return refuse(format!("system.{at}.type: Input should be 'text'"));
        }
        blocks::check(case, block, "system", &format!("system.{at}"))?;
        if block["text"].as_str().is_some_and(str::is_empty) && block.get("cache_control").is_none() {
            return refuse("system: text content blocks must be non-empty");
        }
    }
    Ok(())
}

/// Each message by itself.
pub(super) fn check_shape(case: &Case<'_>) -> Checked {
    let Some(messages) = case.request.get("messages").and_then(Value::as_array) else {
        return refuse("messages: Input should be a valid list");
    };
    if messages.is_empty() {
        return refuse("messages: at least one message is required");
    }
    if messages.len() > MOST_MESSAGES {
        return refuse(format!(
            "messages: List should have at most {MOST_MESSAGES} items, not {}",
            messages.len()
        ));
    }
    for (at, message) in messages.iter().enumerate() {
        let path = format!("messages.{at}");
        let Some(fields) = message.as_object() else {
            return refuse(format!("{path}: Input does not match the expected shape."));
        };
        let role = required(fields, "role", &path)?.as_str().unwrap_or_default();
        if !ROLES.contains(&role) {
            return refuse(format!("{path}.role: Input should be 'user', 'assistant' or 'system'"));
        }
        let content = required(fields, "content", &path)?;
        if let Some(name) = fields.keys().find(|name| *name != "role" && *name != "content") {
            return extra(format!("{path}.{name}"));
        }
        match content {
            Value::String(_) => {}
            Value::Array(parts) => {
                for (place, part) in parts.iter().enumerate() {
                    blocks::check(case, part, role, &format!("{path}.content.{place}"))?;
                }
            }
            _ => return refuse(format!("{path}.content: Input should be a valid list")),
        }
    }
    Ok(())
}

/// What holds between the messages.
pub(super) fn check_order(case: &Case<'_>) -> Checked {
    let messages = case.request.list("messages");
    if messages[0]["role"] != "user" {
        return refuse("messages: first message must use the \"user\" role");
    }
    for (at, message) in messages.iter().enumerate() {
        not_empty(at, message, at + 1 == messages.len())?;
    }
    pairs(messages)?;
    ending(case)
}

fn not_empty(at: usize, message: &Value, last: bool) -> Checked {
    let optional = last && message["role"] == "assistant";
    match &message["content"] {
        Value::String(text) if text.is_empty() && !optional => empty(at),
        Value::String(text) if text.trim().is_empty() && !optional => {
            refuse("messages: text content blocks must contain non-whitespace text")
        }
        Value::Array(blocks) if blocks.is_empty() && !optional => empty(at),
        Value::Array(blocks) => {
            for block in blocks.iter().filter(|block| block["type"] == "text") {
                let text = block["text"].as_str().unwrap_or_default();
                if text.is_empty() {
                    return refuse("messages: text content blocks must be non-empty");
                }
                if text.trim().is_empty() && message["role"] == "user" {
                    return refuse("messages: text content blocks must contain non-whitespace text");
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn empty(at: usize) -> Checked {
    refuse(format!(
        "messages.{at}: all messages must have non-empty content except for the optional final assistant message"
    ))
}

/// Each call of a tool is answered in the next message, and each answer has its call in the one before.
fn pairs(messages: &[Value]) -> Checked {
    let mut waiting: Vec<&str> = Vec::new();
    let mut called_at = 0;
    let mut ever = HashSet::new();
    let mut at = 0;
    while at < messages.len() {
        // Messages of one role that stand side by side are one message.
        let role = &messages[at]["role"];
        let end = messages[at..]
            .iter()
            .position(|message| message["role"] != *role)
            .map_or(messages.len(), |length| at + length);
        let turn = (at..end).flat_map(|at| {
            let blocks = messages[at]["content"].as_array().map_or(&[][..], Vec::as_slice);
            (0..).zip(blocks).map(move |(place, block): (usize, &Value)| (at, place, block))
        });
        if role == "user" {
            let mut answered = HashSet::new();
            let mut first = true;
            for (at, place, block) in turn {
                if block["type"] != "tool_result" {
                    first = false;
                    continue;
                }
                let id = block["tool_use_id"].as_str().unwrap_or_default();
                if !waiting.contains(&id) {
                    return refuse(format!(
                        "messages.{at}.content.{place}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each \
                         `tool_result` block must have a corresponding `tool_use` block in the previous message."
                    ));
                }
                // A result behind other content is not "immediately after".
                if first && !answered.insert(id) {
                    return refuse(format!(
                        "messages.{at}.content: each tool_use must have a single result. Found multiple `tool_result` \
                         blocks with id: {id}"
                    ));
                }
            }
            unanswered(called_at, waiting.iter().copied().filter(|id| !answered.contains(id)))?;
            waiting.clear();
        } else if role == "assistant" {
            unanswered(called_at, waiting.drain(..))?;
            called_at = end - 1;
            for (at, place, block) in turn.filter(|(.., block)| block["type"] == "tool_use") {
                let id = block["id"].as_str().unwrap_or_default();
                if !ever.insert(id) {
                    return refuse(format!("messages.{at}.content.{place}: `tool_use` ids must be unique"));
                }
                waiting.push(id);
            }
        }
        at = end;
    }
    unanswered(called_at, waiting.into_iter())
}

fn unanswered<'a>(at: usize, ids: impl Iterator<Item = &'a str>) -> Checked {
    let ids: Vec<_> = ids.collect();
    if ids.is_empty() {
        return Ok(());
    }
    refuse(format!(
        "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block \
         must have a corresponding `tool_result` block in the next message.",
        ids.join(", ")
    ))
}

fn ending(case: &Case<'_>) -> Checked {
    let Some(last) = case.request.list("messages").last().filter(|message| message["role"] == "assistant")
    else {
        return Ok(());
    };
    if paused(case.request) {
        return Ok(());
    }
    if !case.model.prefill {
        return refuse(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        );
    }
    let text = match &last["content"] {
        Value::String(text) => text.as_str(),
        Value::Array(blocks) => blocks.last().and_then(|block| block["text"].as_str()).unwrap_or_default(),
        _ => "",
    };
    if text.ends_with(char::is_whitespace) {
        return refuse("messages: final assistant content cannot end with trailing whitespace");
    }
    Ok(())
}

/// Whether the last turn is one that the service paused: it comes back as it is.
fn paused(request: Request<'_>) -> bool {
    let last = request.list("messages").last().and_then(|message| message["content"].as_array()?.last());
    let kind = last.and_then(|block| block["type"].as_str()).unwrap_or_default();
    kind == "server_tool_use"
        || kind == "mcp_tool_use"
        || kind == "compaction"
        || kind.ends_with("_tool_result")
}
