//! Marks of the prompt cache: what they look like, how many, and in which order.

use serde_json::Value;

use super::{Case, Checked, extra, object, one_of, refuse, required, unknown_tag};

/// The most marks in one request.
const MOST: usize = 4;

pub(super) fn check(case: &Case<'_>) -> Checked {
    let mut marks = Vec::new();
    for (at, tool) in case.request.list("tools").iter().enumerate() {
        mark(tool, &format!("tools.{at}"), &mut marks)?;
    }
    if let Some(Value::Array(blocks)) = case.request.get("system") {
        content(blocks, "system", &mut marks)?;
    }
    for (at, message) in case.request.list("messages").iter().enumerate() {
        if let Some(blocks) = message["content"].as_array() {
            content(blocks, &format!("messages.{at}.content"), &mut marks)?;
        }
    }
    if let Some(whole) = case.request.get("cache_control") {
        marks.push(ttl(whole, "cache_control")?);
    }
    if marks.len() > MOST {
        return refuse(format!(
            "A maximum of {MOST} blocks with cache_control may be provided. Found {}.",
            marks.len()
        ));
    }
    let late = marks.iter().skip_while(|hour| **hour).any(|hour| *hour);
    if late {
        return refuse(
            "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are \
             processed in the following order: `tools`, `system`, `messages`.",
        );
    }
    Ok(())
}

fn content(blocks: &[Value], path: &str, marks: &mut Vec<bool>) -> Checked {
    for (at, block) in blocks.iter().enumerate() {
        let path = format!("{path}.{at}");
        mark(block, &path, marks)?;
        if let Some(inner) = block["content"].as_array().filter(|_| block["type"] == "tool_result") {
            content(inner, &format!("{path}.content"), marks)?;
        }
    }
    Ok(())
}

/// Notes the mark of one block; `true` stands for an hour.
fn mark(block: &Value, path: &str, marks: &mut Vec<bool>) -> Checked {
    let Some(cache_control) = block.get("cache_control").filter(|mark| !mark.is_null()) else {
        return Ok(());
    };
    if block["type"] == "thinking" || block["type"] == "redacted_thinking" {
        return extra(format!("{path}.{}.cache_control", block["type"].as_str().unwrap_or_default()));
    }
    if block["type"] == "text" && block["text"].as_str().is_some_and(str::is_empty) {
        return refuse(format!("{path}.text: cache_control cannot be set for empty text blocks"));
    }
    marks.push(ttl(cache_control, &format!("{path}.cache_control"))?);
    Ok(())
}

fn ttl(cache_control: &Value, path: &str) -> Result<bool, crate::answer::Refused> {
    let fields = object(cache_control, path)?;
    let kind = required(fields, "type", path)?.as_str().unwrap_or_default();
    if kind != "ephemeral" {
        return unknown_tag(path, kind, &["ephemeral"]);
    }
    let ttl = fields.get("ttl").filter(|ttl| !ttl.is_null());
    one_of(ttl, &format!("{path}.ephemeral.ttl"), &["5m", "1h"])?;
    if let Some(name) = fields.keys().find(|name| *name != "type" && *name != "ttl") {
        return extra(format!("{path}.ephemeral.{name}"));
    }
    Ok(ttl.is_some_and(|ttl| ttl == "1h"))
}
