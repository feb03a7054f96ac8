//! What was said before: the conversation that goes on, as the messages of the next request.
//!
//! Finished blocks go back byte for byte as they were received, since signatures cover these bytes. Of an answer that was cut only what the
//! service takes back does: its text, and whole blocks.

use perennial::{ContentBlock, Message, StopReason};
use perennial_history::{Conversation, Query, Role, State, Turn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::history::{Opened, Place, failure};

/// What the model is told about a call that nobody ran.
const NOT_RUN: &str = "This call was not run.";

/// A conversation that goes on.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) opened: Opened,
    pub(crate) conversation: Conversation,
    turns: Vec<Turn>,
}

impl Past {
    /// The conversation of this id, or of this beginning of one; the one that was changed last where none is named.
    pub(crate) async fn find(place: &Place, id: Option<&str>) -> Result<Self, Failure> {
        let opened = place.open().await?;
        let of = &opened.conversations;
        let conversation = match id {
            Some(id) => of.find(id).await.map_err(|error| failure(&error))?,
            None => {
                let mut query = Query::default();
                query.limit = 1;
                let page = of.list(&query).await.map_err(|error| failure(&error))?;
                page.data.into_iter().next().ok_or_else(|| {
                    Failure::new(Exit::Usage, "there is no conversation yet that could go on")
                })?
            }
        };
        let turns = match &conversation.head {
            Some(head) => of.path(head).await.map_err(|error| failure(&error))?,
            None => Vec::new(),
        };
        if turns.last().is_some_and(|turn| !turn.state.is_end()) {
            let message = format!("{}: its last answer is still being written", conversation.id);
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(Self { opened, conversation, turns })
    }

    /// What was set when it began.
    pub(crate) fn setting(&self, name: &str) -> Option<Value> {
        let settings: Value = self.conversation.settings.read().ok()?;
        settings.get(name).cloned()
    }

    /// The messages of the next request: all that was said, and this.
    pub(crate) fn messages(&self, content: &Value) -> Result<Box<RawValue>, Failure> {
        messages(&self.turns, content)
            .map_err(|error| Failure::new(Exit::Other, format!("the conversation cannot be read: {error}")))
    }
}

/// One message, its blocks as JSON.
#[derive(Debug)]
struct Said {
    role: &'static str,
    blocks: Vec<String>,
    /// The calls that wait for a result.
    calls: Vec<String>,
}

/// The messages of a request: these turns, and then what the user says.
pub(crate) fn messages(turns: &[Turn], content: &Value) -> serde_json::Result<Box<RawValue>> {
    let mut messages: Vec<Said> = Vec::new();
    for turn in turns {
        match turn.role {
            Role::User => {
                let blocks = turn.content.blocks().into_iter().map(str::to_owned).collect();
                say(&mut messages, blocks)?;
            }
            // The service demands that a refused turn leaves no trace.
            Role::Assistant if turn.stop_reason.as_deref() == Some("refusal") => {
                messages.pop();
            }
            Role::Assistant => {
                let content = sendable(turn)?;
                let calls = content.iter().filter_map(|block| match block {
                    ContentBlock::ToolUse(call) => Some(call.id.clone()),
                    _ => None,
                });
                let calls = calls.collect();
                let blocks: Vec<String> =
                    content.iter().map(serde_json::to_string).collect::<serde_json::Result<_>>()?;
                if !blocks.is_empty() {
                    messages.push(Said { role: "assistant", blocks, calls });
                }
            }
        }
    }
    let asked = match content {
        Value::String(text) => vec![json!({"type": "text", "text": text}).to_string()],
        Value::Array(blocks) => blocks.iter().map(Value::to_string).collect(),
        other => vec![other.to_string()],
    };
    say(&mut messages, asked)?;
    let messages: Vec<String> = messages
        .iter()
        .map(|said| format!(r#"{{"role":"{}","content":[{}]}}"#, said.role, said.blocks.join(",")))
        .collect();
    RawValue::from_string(format!("[{}]", messages.join(",")))
}

/// The user says. Calls that are still without a result get one first: the service refuses any other order.
fn say(messages: &mut Vec<Said>, blocks: Vec<String>) -> serde_json::Result<()> {
    let calls = messages.last_mut().map(|last| std::mem::take(&mut last.calls)).unwrap_or_default();
    let mut all = Vec::new();
    for id in calls {
        let mut answered = false;
        for block in &blocks {
            let block: Value = serde_json::from_str(block)?;
            answered |= block.get("tool_use_id").and_then(Value::as_str) == Some(&id);
        }
        if !answered {
            let result =
                json!({"type": "tool_result", "tool_use_id": id, "content": NOT_RUN, "is_error": true});
            all.push(result.to_string());
        }
    }
    all.extend(blocks);
    messages.push(Said { role: "user", blocks: all, calls: Vec::new() });
    Ok(())
}

/// The blocks of an answer that may be sent back.
fn sendable(turn: &Turn) -> serde_json::Result<Vec<ContentBlock>> {
    let mut message = Message::default();
    message.content = serde_json::from_str(turn.content.as_str())?;
    message.stop_reason = turn.stop_reason.as_deref().map(StopReason::from);
    let mut content = message.to_turn().content;
    if turn.state != State::Completed {
        content.retain(is_finished);
    }
    let answered: Vec<String> = content
        .iter()
        .filter_map(|block| match block {
            ContentBlock::ServerToolResult(result) => Some(result.tool_use_id.clone()),
            _ => None,
        })
        .collect();
    content.retain(|block| match block {
        ContentBlock::ServerToolUse(call) | ContentBlock::McpToolUse(call) => answered.contains(&call.id),
        ContentBlock::Text(text) => !text.text.trim().is_empty(),
        _ => true,
    });
    // An assistant's message must not end so.
    while matches!(content.last(), Some(ContentBlock::Thinking(_) | ContentBlock::RedactedThinking(_))) {
        content.pop();
    }
    Ok(content)
}

/// Whether a block of an answer that was cut came whole; text may be a part.
fn is_finished(block: &ContentBlock) -> bool {
    match block {
        ContentBlock::Thinking(thinking) => !thinking.signature.is_empty(),
        ContentBlock::ToolUse(call) | ContentBlock::ServerToolUse(call) | ContentBlock::McpToolUse(call) => {
            !call.input.text().contains("INVALID_JSON")
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: &str, state: &str, stop_reason: &str, content: &str) -> Turn {
        serde_json::from_str(&format!(
            r#"{{"type":"turn","id":"turn_1","conversation":"c","parent":null,"role":"{role}","content":{content},
                "state":"{state}","stream":null,"stop_reason":{stop_reason},"usage":null,"cost":null,"error":null,"model":null,
                "by":null,"continues":null,"created_at":"2026-11-26T00:00:00Z","ended_at":null}}"#
        ))
        .unwrap()
    }

    #[test]
    fn what_was_said_goes_back_to_the_byte() {
        let thinking = r#"{"type":"thinking","thinking":"a\u0041 1.0","signature":"c2ln+/=", "later":1.50}"#;
        let turns = [
            turn("user", "completed", "null", r#"[{"type":"text","text":"One"}]"#),
            turn(
                "assistant",
                "completed",
                "\"end_turn\"",
                &format!(r#"[{thinking},{{"type":"text","text":"Two"}}]"#),
            ),
        ];
        let messages = messages(&turns, &json!("Three")).unwrap();
        let signature = r#""signature":"c2ln+/=""#;
        assert!(messages.get().contains(signature) && messages.get().contains("1.50"), "{messages}");
        let read: Value = serde_json::from_str(messages.get()).unwrap();
        assert_eq!(read[0], json!({"role": "user", "content": [{"type": "text", "text": "One"}]}));
        assert_eq!(read[1]["content"][1]["text"], "Two");
        assert_eq!(read[2]["content"][0]["text"], "Three");
    }

    #[test]
    fn of_what_was_cut_only_what_is_taken_back() {
        let turns = [
            turn("user", "completed", "null", r#"[{"type":"text","text":"One"}]"#),
            turn(
                "assistant",
                "interrupted",
                "null",
                r#"[{"type":"thinking","thinking":"whole","signature":"s"},{"type":"text","text":"a par"},
                    {"type":"tool_use","id":"t1","name":"x","input":{"INVALID_JSON":"{\"a"}},
                    {"type":"thinking","thinking":"cut","signature":""}]"#,
            ),
            turn("user", "completed", "null", r#"[{"type":"text","text":"secret"}]"#),
            turn("assistant", "failed", "\"refusal\"", r#"[{"type":"text","text":"I"}]"#),
            turn("user", "completed", "null", r#"[{"type":"text","text":"Run it"}]"#),
            turn(
                "assistant",
                "completed",
                "\"tool_use\"",
                r#"[{"type":"tool_use","id":"t2","name":"x","input":{}}]"#,
            ),
        ];
        let messages = messages(&turns, &json!("Go on")).unwrap();
        let read: Value = serde_json::from_str(messages.get()).unwrap();
        let kinds = |message: &Value| -> Vec<String> {
            let blocks = message["content"].as_array().unwrap();
            blocks.iter().map(|block| block["type"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(kinds(&read[1]), ["thinking", "text"]);
        assert_eq!(read[2]["content"][0]["text"], "Run it");
        assert_eq!(kinds(&read[4]), ["tool_result", "text"]);
        assert_eq!(read[4]["content"][0]["tool_use_id"], "t2");
        assert!(!messages.get().contains("secret"));
    }
}
