//! The forms of thinking that a generation takes, and thinking that comes back in a history.

use serde_json::Value;

use super::super::thinking::{Verdict, history, verify_redacted};
use super::{Case, Checked, extra, integer, object, one_of, refuse, required, unknown_tag};

const FORMS: &[&str] = &["enabled", "disabled", "adaptive", "between_tools"];
const FIELDS: &[&str] = &["type", "budget_tokens", "display", "block_binding"];

pub(super) fn check_shape(case: &Case<'_>) -> Checked {
    let Some(thinking) = case.request.get("thinking") else { return Ok(()) };
    let fields = object(thinking, "thinking")?;
    let form = required(fields, "type", "thinking")?.as_str().unwrap_or_default();
    if !FORMS.contains(&form) {
        return unknown_tag("thinking", form, FORMS);
    }
    for name in fields.keys() {
        let fits = match name.as_str() {
            "type" => true,
            "budget_tokens" => form == "enabled",
            "display" => form == "enabled" || form == "adaptive",
            "block_binding" => case.beta("thinking-binding-controls-"),
            _ => FIELDS.contains(&name.as_str()),
        };
        if !fits {
            return extra(format!("thinking.{form}.{name}"));
        }
    }
    let display = fields.get("display").filter(|display| !display.is_null());
    let displays: &[&str] = if case.beta("thinking-display-updates-") {
        &["summarized", "omitted", "updates"]
    } else {
        &["summarized", "omitted"]
    };
    one_of(display, &format!("thinking.{form}.display"), displays)?;
    if form == "enabled" {
        let path = "thinking.enabled.budget_tokens";
        let budget = integer(required(fields, "budget_tokens", "thinking.enabled")?, path, 1024)?;
        if !case.counting && case.request.max_tokens().is_some_and(|most| budget >= most) {
            return refuse("`max_tokens` must be greater than `thinking.budget_tokens`.");
        }
    }
    Ok(())
}

pub(super) fn check_model(case: &Case<'_>) -> Checked {
    let Some(form) = case.request.get("thinking").and_then(|thinking| thinking["type"].as_str()) else {
        return Ok(());
    };
    let forms = case.model.thinking;
    let effort = case.request.get("output_config").and_then(|config| config["effort"].as_str());
    match form {
        "enabled" if !forms.enabled => refuse(
            "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \
             \"output_config.effort\" to control thinking behavior.",
        ),
        "adaptive" if !forms.adaptive => refuse("adaptive thinking is not supported on this model"),
        "between_tools" if !forms.between_tools => {
            refuse("\"thinking.type.between_tools\" is not supported for this model.")
        }
        "disabled" if !forms.disabled && forms.between_tools => refuse(
            "\"thinking.type.disabled\" is not supported for this model. Use \"thinking.type.between_tools\".",
        ),
        "disabled" if !forms.disabled => refuse(
            "\"thinking.type.disabled\" is not supported for this model. Omit `thinking` or use \
             \"thinking.type.adaptive\".",
        ),
        "disabled" if case.model.id == "claude-opus-5" && matches!(effort, Some("xhigh" | "max")) => {
            refuse("\"thinking.type.disabled\" is only supported at effort 'high' or lower for this model.")
        }
        _ => Ok(()),
    }
}

/// Thinking in a history is unchanged, and in its place.
pub(super) fn check_history(case: &Case<'_>, seed: u64) -> Checked {
    turn_begins_with_thinking(case)?;
    let drops = case.beta("thinking-binding-controls-")
        && case
            .request
            .get("thinking")
            .is_some_and(|thinking| thinking["block_binding"]["prefix_mismatch_behavior"] == "drop_block");
    for (at, place, verdict) in history(seed, case.model, case.request) {
        let path = format!("messages.{at}.content.{place}");
        match verdict {
            Verdict::Genuine => {}
            Verdict::Invalid => return refuse(format!("{path}: Invalid `signature` in `thinking` block")),
            _ if drops => {}
            Verdict::OtherModel => {
                return refuse(format!("{path}: `thinking` block is bound to a different model"));
            }
            Verdict::OtherConversation => {
                return refuse(format!("{path}: `thinking` block is bound to a different conversation"));
            }
        }
    }
    for (at, message) in case.request.list("messages").iter().enumerate() {
        for (place, block) in message["content"].as_array().into_iter().flatten().enumerate() {
            let redacted = block["type"] == "redacted_thinking";
            if redacted && !verify_redacted(seed, block["data"].as_str().unwrap_or_default()) {
                return refuse(format!(
                    "messages.{at}.content.{place}: Invalid `data` in `redacted_thinking` block"
                ));
            }
        }
    }
    Ok(())
}

/// With a thinking budget, the assistant turn that is being continued begins with thinking.
fn turn_begins_with_thinking(case: &Case<'_>) -> Checked {
    if case.request.get("thinking").is_none_or(|thinking| thinking["type"] != "enabled") {
        return Ok(());
    }
    let messages = case.request.list("messages");
    let Some(at) = messages.iter().rposition(|message| message["role"] == "assistant") else { return Ok(()) };
    let answered = messages[at + 1..].iter().any(|message| {
        let blocks = message["content"].as_array();
        blocks.into_iter().flatten().any(|block| block["type"] == "tool_result")
    });
    if at + 1 < messages.len() && !answered {
        return Ok(());
    }
    let first = match &messages[at]["content"] {
        Value::Array(blocks) => blocks.first().and_then(|block| block["type"].as_str()).unwrap_or_default(),
        Value::String(text) if !text.is_empty() => "text",
        _ => return Ok(()),
    };
    if first == "thinking" || first == "redacted_thinking" || first.is_empty() {
        return Ok(());
    }
    refuse(format!(
        "messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When `thinking` is \
         enabled, a final `assistant` message must start with a thinking block (preceding the last set of `tool_use` and \
         `tool_result` blocks). To avoid this requirement, disable `thinking`."
    ))
}
