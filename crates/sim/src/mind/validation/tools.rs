//! Definitions of tools, and the choice among them.

use std::collections::HashSet;

use serde_json::Value;

use super::{Case, Checked, extra, object, output, refuse, required, unknown_tag};

/// Types of tools that the service knows, without their dates.
const TYPED: &[&str] = &[
    "bash",
    "text_editor",
    "computer",
    "memory",
    "web_search",
    "web_fetch",
    "code_execution",
    "tool_search_tool_regex",
    "tool_search_tool_bm25",
    "advisor",
    "mcp_toolset",
    "browser",
];
const FIELDS: &[&str] = &[
    "type",
    "name",
    "description",
    "input_schema",
    "strict",
    "eager_input_streaming",
    "defer_loading",
    "allowed_callers",
    "input_examples",
    "cache_control",
];
const CHOICES: &[&str] = &["auto", "any", "tool", "none"];
const MOST_STRICT: usize = 20;

pub(super) fn check(case: &Case<'_>) -> Checked {
    let Some(tools) = case.request.get("tools") else { return check_choice(case) };
    let Some(tools) = tools.as_array() else { return refuse("tools: Input should be a valid list") };
    let mut names = HashSet::new();
    for (at, tool) in tools.iter().enumerate() {
        definition(tool, &format!("tools.{at}"))?;
        if tool["name"].as_str().is_some_and(|name| !names.insert(name)) {
            return refuse("tools: Tool names must be unique.");
        }
    }
    let strict = tools.iter().filter(|tool| tool["strict"] == true).count();
    if strict > MOST_STRICT {
        return refuse(format!(
            "Too many strict tools ({strict}). The maximum number of strict tools supported is {MOST_STRICT}. Try reducing \
             the number of tools marked as strict."
        ));
    }
    check_choice(case)
}

pub(super) fn check_model(case: &Case<'_>) -> Checked {
    let choice = case.request.get("tool_choice").and_then(|choice| choice["type"].as_str());
    if !matches!(choice, Some("any" | "tool")) {
        return Ok(());
    }
    if !case.model.forced_tools {
        return refuse(format!(
            "tool_choice: forcing tool use is not supported for {}. Use 'auto' or 'none'.",
            case.model.id
        ));
    }
    if case.request.get("thinking").is_some_and(|thinking| thinking["type"] == "enabled") {
        return refuse("Thinking may not be enabled when tool_choice forces tool use.");
    }
    Ok(())
}

fn definition(tool: &Value, path: &str) -> Checked {
    let fields = object(tool, path)?;
    if let Some(kind) = fields.get("type").and_then(Value::as_str).filter(|kind| *kind != "custom") {
        let known = TYPED.iter().any(|known| {
            kind.strip_prefix(known).is_some_and(|date| date.is_empty() || date.starts_with('_'))
        });
        return if known { Ok(()) } else { unknown_tag(path, kind, TYPED) };
    }
    let path = format!("{path}.custom");
    let Some(name) = required(fields, "name", &path)?.as_str() else {
        return refuse(format!("{path}.name: Input should be a valid string"));
    };
    let fits = (1..=128).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-".contains(&c));
    if !fits {
        return refuse(format!("{path}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"));
    }
    if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return extra(format!("{path}.{name}"));
    }
    if fields.get("description").is_some_and(|text| !text.is_string() && !text.is_null()) {
        return refuse(format!("{path}.description: Input should be a valid string"));
    }
    let schema = object(required(fields, "input_schema", &path)?, &format!("{path}.input_schema"))?;
    if required(schema, "type", &format!("{path}.input_schema"))? != "object" {
        return refuse(format!("{path}.input_schema.type: Input should be 'object'"));
    }
    if fields.get("strict") == Some(&Value::Bool(true)) {
        output::strict_schema(&tool["input_schema"], &path)?;
    }
    Ok(())
}

fn check_choice(case: &Case<'_>) -> Checked {
    let Some(choice) = case.request.get("tool_choice") else { return Ok(()) };
    let fields = object(choice, "tool_choice")?;
    let kind = required(fields, "type", "tool_choice")?.as_str().unwrap_or_default();
    if !CHOICES.contains(&kind) {
        return unknown_tag("tool_choice", kind, CHOICES);
    }
    for name in fields.keys() {
        let fits = match name.as_str() {
            "type" => true,
            "name" => kind == "tool",
            "disable_parallel_tool_use" => kind != "none",
            _ => false,
        };
        if !fits {
            return extra(format!("tool_choice.{kind}.{name}"));
        }
    }
    let tools = case.request.list("tools");
    if tools.is_empty() && (kind == "any" || kind == "tool") {
        return refuse("tool_choice: tool_choice may only be specified while providing tools");
    }
    if kind == "tool" {
        let name = required(fields, "name", "tool_choice.tool")?;
        if !tools.iter().any(|tool| tool["name"] == *name) {
            return refuse(format!(
                "Tool '{}' not found in provided tools",
                name.as_str().unwrap_or_default()
            ));
        }
    }
    Ok(())
}
