//! The shape of single content blocks.

use serde_json::{Map, Value};

use super::{Case, Checked, extra, object, one_of, refuse, required, unknown_tag};

/// Types of blocks that a message may have, GA and beta.
const TYPES: &[&str] = &[
    "text",
    "image",
    "document",
    "search_result",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "container_upload",
    "mcp_tool_use",
    "mcp_tool_result",
    "mcp_tool_listing",
    "compaction",
    "fallback",
    "advisor_tool_result",
    "connector_text",
    "tool_reference",
];
const TEXT: &[&str] = &["type", "text", "citations", "cache_control"];
const IMAGE: &[&str] = &["type", "source", "cache_control"];
const DOCUMENT: &[&str] = &["type", "source", "title", "context", "citations", "cache_control"];
const TOOL_USE: &[&str] = &["type", "id", "name", "input", "cache_control", "caller", "toolset_name"];
const TOOL_RESULT: &[&str] = &["type", "tool_use_id", "content", "is_error", "cache_control"];
const THINKING: &[&str] = &["type", "thinking", "signature"];
const REDACTED: &[&str] = &["type", "data"];

pub(super) fn check(case: &Case<'_>, block: &Value, role: &str, path: &str) -> Checked {
    let Some(fields) = block.as_object() else {
        return refuse(format!("{path}: Input does not match the expected shape."));
    };
    let kind = required(fields, "type", path)?.as_str().unwrap_or_default();
    if !TYPES.contains(&kind) {
        return unknown_tag(path, kind, TYPES);
    }
    let inner = format!("{path}.{kind}");
    match kind {
        "text" => {
            only(fields, TEXT, &inner)?;
            text(fields, "text", &inner)?;
            let has_citations = fields
                .get("citations")
                .and_then(Value::as_array)
                .is_some_and(|citations| !citations.is_empty());
            if case.strict_version && role == "user" && has_citations {
                return refuse(format!(
                    "{inner}.citations: Citations are not permitted on text blocks of user messages"
                ));
            }
        }
        "image" => {
            placed(role, "user", kind, path)?;
            only(fields, IMAGE, &inner)?;
            image(required(fields, "source", &inner)?, &format!("{inner}.source"))?;
        }
        "document" => {
            if role == "assistant" && case.strict_version {
                return refuse(format!(
                    "{path}: `document` blocks are not permitted in `assistant` messages"
                ));
            }
            only(fields, DOCUMENT, &inner)?;
            let path = format!("{inner}.source");
            let source = object(required(fields, "source", &inner)?, &path)?;
            tagged(source, &path, &["base64", "text", "content", "url", "file"])?;
        }
        "tool_use" => {
            placed(role, "assistant", kind, path)?;
            only(fields, TOOL_USE, &inner)?;
            let id = text(fields, "id", &inner)?;
            if id.is_empty() || !id.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-".contains(&c)) {
                return refuse(format!("{inner}.id: String should match pattern '^[a-zA-Z0-9_-]+$'"));
            }
            text(fields, "name", &inner)?;
            object(required(fields, "input", &inner)?, &format!("{inner}.input"))?;
        }
        "tool_result" => {
            placed(role, "user", kind, path)?;
            only(fields, TOOL_RESULT, &inner)?;
            text(fields, "tool_use_id", &inner)?;
            if let Some(blocks) = fields.get("content").and_then(Value::as_array) {
                for (at, block) in blocks.iter().enumerate() {
                    check(case, block, "user", &format!("{inner}.content.{at}"))?;
                }
            }
        }
        "thinking" => {
            placed(role, "assistant", kind, path)?;
            only(fields, THINKING, &inner)?;
            text(fields, "thinking", &inner)?;
            text(fields, "signature", &inner)?;
        }
        "redacted_thinking" => {
            placed(role, "assistant", kind, path)?;
            only(fields, REDACTED, &inner)?;
            text(fields, "data", &inner)?;
        }
        "server_tool_use" => {
            placed(role, "assistant", kind, path)?;
            text(fields, "id", &inner)?;
            text(fields, "name", &inner)?;
        }
        _ => {}
    }
    Ok(())
}

fn image(source: &Value, path: &str) -> Checked {
    let source = object(source, path)?;
    if tagged(source, path, &["base64", "url", "file"])? != "base64" {
        return Ok(());
    }
    let path = format!("{path}.base64");
    let kinds = &["image/jpeg", "image/png", "image/gif", "image/webp"];
    one_of(Some(required(source, "media_type", &path)?), &format!("{path}.media_type"), kinds)?;
    if text(source, "data", &path)?.is_empty() {
        return refuse(format!("{path}.data: String should have at least 1 character"));
    }
    Ok(())
}

fn tagged<'v>(
    fields: &'v Map<String, Value>,
    path: &str,
    tags: &[&str],
) -> Result<&'v str, crate::answer::Refused> {
    let tag = required(fields, "type", path)?.as_str().unwrap_or_default();
    if tags.contains(&tag) { Ok(tag) } else { unknown_tag(path, tag, tags) }
}

fn text<'v>(
    fields: &'v Map<String, Value>,
    name: &str,
    path: &str,
) -> Result<&'v str, crate::answer::Refused> {
    let value = required(fields, name, path)?;
    value.as_str().ok_or_else(|| {
        crate::answer::Refused::invalid(format!("{path}.{name}: Input should be a valid string"))
    })
}

fn only(fields: &Map<String, Value>, known: &[&str], path: &str) -> Checked {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => extra(format!("{path}.{name}")),
        None => Ok(()),
    }
}

fn placed(role: &str, right: &str, kind: &str, path: &str) -> Checked {
    if role == right {
        return Ok(());
    }
    let message = path.split(".content").next().unwrap_or(path);
    refuse(format!("{message}: `{kind}` blocks can only be in `{right}` messages"))
}
