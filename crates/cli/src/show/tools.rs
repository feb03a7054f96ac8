//! Tool calls in one line each.

use perennial_protocol::{ContentBlock, ServerToolResult, ToolInput};
use serde_json::Value;

/// How much of an input is shown.
const LONGEST: usize = 160;

/// What is said of a call once its input is whole, or will not be.
pub(crate) fn line(block: &ContentBlock) -> Option<String> {
    let (call, place) = match block {
        ContentBlock::ToolUse(call) => (call, ""),
        ContentBlock::ServerToolUse(call) => (call, " (by the service)"),
        ContentBlock::McpToolUse(call) => (call, " (by a server)"),
        _ => return None,
    };
    let input = match &call.input {
        ToolInput::Complete(raw) => arguments(raw.get()),
        unusable => {
            format!("{}: its input was cut, so it must not be run", short(unusable.text()))
        }
    };
    Some(format!("tool {} {input}{place}", call.name))
}

/// What is said of a result; only where the tool failed.
pub(crate) fn failure(result: &ServerToolResult) -> Option<String> {
    let content: Value = serde_json::from_str(result.content.get()).ok()?;
    let code = content.get("error_code").and_then(Value::as_str);
    match (code, result.is_error) {
        (Some(code), _) => Some(format!("the tool failed: {code}")),
        (None, Some(true)) => Some("the tool failed".to_owned()),
        _ => None,
    }
}

/// The name of a call's tool.
pub(crate) fn name(block: &ContentBlock) -> Option<&str> {
    match block {
        ContentBlock::ToolUse(call) | ContentBlock::ServerToolUse(call) | ContentBlock::McpToolUse(call) => {
            Some(&call.name)
        }
        _ => None,
    }
}

/// The members of an object as `name=value`, so that they can be read at a glance.
fn arguments(json: &str) -> String {
    let Ok(Value::Object(members)) = serde_json::from_str(json) else { return short(json) };
    let each = members.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    short(&each.join(" "))
}

fn short(text: &str) -> String {
    let text = text.replace('\n', " ");
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_line() {
        let call = |input: &str| {
            let block = format!(r#"{{"type":"tool_use","id":"t","name":"get_weather","input":{input}}}"#);
            line(&serde_json::from_str(&block).unwrap()).unwrap()
        };
        assert_eq!(call(r#"{"city":"Paris","days":2}"#), "tool get_weather city=\"Paris\" days=2");
        assert_eq!(call("{}"), "tool get_weather ");
        let long = call(&format!(r#"{{"text":"{}"}}"#, "é".repeat(500)));
        assert_eq!(long.chars().count(), "tool get_weather ".len() + LONGEST + 1);
    }
}
