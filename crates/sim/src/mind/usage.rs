//! How many tokens the parts of a prompt have.

use serde_json::Value;

use super::tokens;

/// Tokens around a message: role and separators.
pub(super) const PER_MESSAGE: u64 = 4;
/// What the service says to the model when there are tools at all.
pub(super) const TOOL_PREAMBLE: u64 = tokens::TOOL_PREAMBLE;
/// An image of ordinary size.
const IMAGE: u64 = 1_500;
/// A page of a PDF.
const PAGE: u64 = 1_800;
/// Base64 characters that stand for one page of a PDF.
const PAGE_BYTES: usize = 60_000;

/// The tokens of one definition of a tool.
pub(super) fn tool(tool: &Value) -> u64 {
    without_cache_control(tool)
}

/// The tokens of one content block.
pub(super) fn block(block: &Value) -> u64 {
    match block["type"].as_str() {
        Some("text") => block["text"].as_str().map_or(0, tokens::count),
        Some("thinking") => block["thinking"].as_str().map_or(0, tokens::count),
        Some("redacted_thinking") => 32,
        Some("image") => IMAGE,
        Some("document") => document(block),
        Some("tool_result") => 8 + block.get("content").map_or(0, content),
        _ => without_cache_control(block),
    }
}

fn content(value: &Value) -> u64 {
    match value {
        Value::String(text) => tokens::count(text),
        Value::Array(blocks) => blocks.iter().map(block).sum(),
        _ => 0,
    }
}

fn document(block: &Value) -> u64 {
    let source = &block["source"];
    let body = match (source["type"].as_str(), source["data"].as_str()) {
        (Some("text"), Some(text)) => tokens::count(text),
        (_, Some(data)) => PAGE * (data.len().div_ceil(PAGE_BYTES)) as u64,
        (Some("content"), None) => content(&source["content"]),
        _ => PAGE,
    };
    body + block["title"].as_str().map_or(0, tokens::count)
        + block["context"].as_str().map_or(0, tokens::count)
}

/// Marks of the cache cost nothing.
fn without_cache_control(value: &Value) -> u64 {
    match value.as_object() {
        Some(fields) if fields.contains_key("cache_control") => {
            let mut fields = fields.clone();
            fields.shift_remove("cache_control");
            tokens::count(&Value::Object(fields).to_string())
        }
        _ => tokens::count(&value.to_string()),
    }
}
