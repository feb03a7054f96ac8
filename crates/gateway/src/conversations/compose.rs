//! From a branch to a request: the messages in their order, the system prompt, thinking in the form of the model's generation, the tools.
//!
//! Blocks go up as they came, byte for byte. Left out is only what the service would refuse: texts without a word, thoughts without their signature, calls of an answer
//! that was cut. A call that nobody answered is answered with the truth, that it was not carried out.

use perennial_history::{Content, Conversation, Role, State, Turn};
use perennial_recovery::is_of_old_generation;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::settings::{Settings, Thinking, USUAL_MODEL};
use super::tools;
use crate::refusal::Refusal;

/// The budget of thinking for models that take one.
const BUDGET_TOKENS: u64 = 4_096;
const LEAST_BUDGET_TOKENS: u64 = 1_024;

/// What the model is asked where it does not take the beginning of its own turn.
const GO_ON: &str = "Your answer was cut off. Go on exactly where it stopped: say nothing of it again, and nothing about this.";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Answer,
    /// The rest of the branch's last turn.
    Rest,
    /// An answer in words: no more calls.
    Words,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    cache_control: Cache,
    messages: Vec<Message>,
}

/// Each question takes all that was said before up again: the service keeps it for five minutes, and reads it at a tenth of the price.
#[derive(Serialize)]
#[serde(tag = "type", rename = "ephemeral")]
struct Cache {}

#[derive(Debug, Serialize)]
struct Message {
    role: Role,
    content: Vec<Box<RawValue>>,
}

/// What is looked at of a block.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    signature: Option<String>,
    id: Option<String>,
    tool_use_id: Option<String>,
}

/// The model that a conversation is asked of.
pub(super) fn model(conversation: &Conversation) -> &str {
    if conversation.model.is_empty() { USUAL_MODEL } else { &conversation.model }
}

/// The request for what follows a branch, and what the user says then.
pub(super) fn compose(
    conversation: &Conversation,
    branch: &[Turn],
    said: Option<&Content>,
    wanted: Wanted,
) -> Result<Vec<u8>, Refusal> {
    let settings = Settings::of(&conversation.settings);
    let model = model(conversation);
    let thinks = settings.thinking != Thinking::Off;
    let mut messages = Messages::default();
    for turn in branch {
        messages.add(turn.role, &turn.content, is_whole(turn))?;
    }
    if let Some(said) = said {
        messages.add(Role::User, said, true)?;
    }
    if wanted == Wanted::Rest {
        messages.ask_for_the_rest(is_of_old_generation(model) && !thinks)?;
    }
    let messages = messages.end()?;
    if messages.is_empty() {
        return Err(Refusal::invalid("there is nothing to ask: the messages have no content"));
    }
    let tools = tools::definitions(&settings.tools);
    let tool_choice = (wanted == Wanted::Words && !tools.is_empty()).then(|| json!({"type": "none"}));
    let (thinking, max_tokens) = thinking(model, &settings);
    let body = Body {
        model,
        max_tokens,
        stream: true,
        system: conversation.system.as_deref().filter(|system| !system.trim().is_empty()),
        thinking,
        tools,
        tool_choice,
        cache_control: Cache {},
        messages,
    };
    serde_json::to_vec(&body)
        .map_err(|error| Refusal::invalid(format!("the request cannot be written: {error}")))
}

/// Whether all blocks of a turn came to their ends.
fn is_whole(turn: &Turn) -> bool {
    let is_cut = matches!(turn.stop_reason.as_deref(), Some("max_tokens" | "model_context_window_exceeded"));
    turn.role == Role::User || (turn.state == State::Completed && !is_cut)
}

/// Thinking in the form of the model's generation, and the limit that leaves room for it.
fn thinking(model: &str, settings: &Settings) -> (Option<Value>, u64) {
    let max_tokens = settings.max_tokens;
    if settings.thinking == Thinking::Off {
        return (None, max_tokens);
    }
    if is_of_old_generation(model) {
        let budget = BUDGET_TOKENS.min(max_tokens / 2).max(LEAST_BUDGET_TOKENS);
        let thinking = json!({"type": "enabled", "budget_tokens": budget});
        return (Some(thinking), max_tokens.max(budget + 1));
    }
    let display = if settings.thinking == Thinking::Omitted { "omitted" } else { "summarized" };
    (Some(json!({"type": "adaptive", "display": display})), max_tokens)
}

/// Messages as they are gathered: those of one side that follow one another are one.
#[derive(Debug, Default)]
struct Messages {
    done: Vec<Message>,
    /// Calls that nobody has answered yet.
    calls: Vec<String>,
}

impl Messages {
    fn add(&mut self, role: Role, content: &Content, is_whole: bool) -> Result<(), Refusal> {
        let blocks: Vec<Box<RawValue>> = content.as_json().read().map_err(|error| super::refused(&error))?;
        let mut kept = Vec::with_capacity(blocks.len());
        let mut calls = Vec::new();
        let mut answered = Vec::new();
        for raw in blocks {
            let block: Block = serde_json::from_str(raw.get()).unwrap_or_default();
            if !is_sendable(&block, is_whole) {
                continue;
            }
            if block.kind == "tool_use" {
                calls.extend(block.id.clone());
            }
            answered.extend(block.tool_use_id.clone().filter(|_| block.kind == "tool_result"));
            kept.push(raw);
        }
        // Thoughts alone are no turn.
        if role == Role::Assistant && !is_whole && !kept.iter().any(|raw| kind(raw) == "text") {
            return Ok(());
        }
        if kept.is_empty() {
            return Ok(());
        }
        if role == Role::User {
            let missing = std::mem::take(&mut self.calls);
            let missing = missing.into_iter().filter(|call| !answered.contains(call));
            let mut content = missing.map(|call| not_carried_out(&call)).collect::<Result<Vec<_>, _>>()?;
            content.append(&mut kept);
            kept = content;
        }
        match self.done.last_mut() {
            Some(last) if last.role == role => last.content.append(&mut kept),
            _ => self.done.push(Message { role, content: kept }),
        }
        self.calls.extend(calls);
        Ok(())
    }

    /// The last turn is to be gone on with: by itself, or because the user asks for it.
    fn ask_for_the_rest(&mut self, by_itself: bool) -> Result<(), Refusal> {
        let Some(last) = self.done.last_mut().filter(|last| last.role == Role::Assistant) else {
            // Nothing of it came: it is asked for again.
            return Ok(());
        };
        if !by_itself {
            return self.add(Role::User, &Content::text(GO_ON), true);
        }
        if let Some(text) = last.content.last_mut().filter(|raw| kind(raw) == "text") {
            let block: Block = serde_json::from_str(text.get()).unwrap_or_default();
            let said = block.text.unwrap_or_default();
            // The service takes no blanks at the end of a beginning.
            *text = raw(&json!({"type": "text", "text": said.trim_end()}))?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<Vec<Message>, Refusal> {
        if !self.calls.is_empty() && self.done.last().is_some_and(|last| last.role == Role::Assistant) {
            let content = std::mem::take(&mut self.calls).into_iter().map(|call| not_carried_out(&call));
            self.done.push(Message { role: Role::User, content: content.collect::<Result<_, _>>()? });
        }
        Ok(self.done)
    }
}

/// Whether the service takes a block; of an answer that was cut it takes its words.
fn is_sendable(block: &Block, is_whole: bool) -> bool {
    match block.kind.as_str() {
        "text" => block.text.as_deref().is_none_or(|text| !text.trim().is_empty()),
        "thinking" => block.signature.as_deref().is_some_and(|signature| !signature.is_empty()),
        _ => is_whole,
    }
}

fn kind(raw: &RawValue) -> String {
    serde_json::from_str::<Block>(raw.get()).unwrap_or_default().kind
}

fn not_carried_out(call: &str) -> Result<Box<RawValue>, Refusal> {
    raw(
        &json!({"type": "tool_result", "tool_use_id": call, "is_error": true, "content": "This call was not carried out."}),
    )
}

fn raw(value: &Value) -> Result<Box<RawValue>, Refusal> {
    serde_json::value::to_raw_value(value)
        .map_err(|error| Refusal::invalid(format!("the request cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(model: &str, settings: &Value) -> Conversation {
        let conversation = json!({
            "type": "conversation", "id": "conv_1", "title": "", "model": model, "system": null, "settings": settings,
            "created_at": "2026-11-26T08:00:00Z", "updated_at": "2026-11-26T08:00:00Z", "head": null, "live": null, "version": 1,
        });
        serde_json::from_value(conversation).unwrap()
    }

    fn turn(role: &str, state: &str, stop_reason: Option<&str>, content: &str) -> Turn {
        let turn = format!(
            r#"{{"type":"turn","id":"turn_1","parent":null,"role":"{role}","content":{content},"state":"{state}","stream":null,
            "stop_reason":{},"usage":null,"error":null,"model":null,"by":null,"continues":null,
            "created_at":"2026-11-26T08:00:00Z","ended_at":null}}"#,
            serde_json::to_string(&stop_reason).unwrap()
        );
        serde_json::from_str(&turn).unwrap()
    }

    fn composed(model: &str, settings: &Value, branch: &[Turn], wanted: Wanted) -> String {
        String::from_utf8(compose(&conversation(model, settings), branch, None, wanted).unwrap()).unwrap()
    }

    #[test]
    fn blocks_go_up_to_the_byte() {
        let thought =
            r#"[{"type": "thinking","thinking":"caf\u00e9","signature":"s=="},{"type":"text","text":"A"}]"#;
        let branch = [
            turn("user", "completed", None, r#"[{"type":"text","text":"Q"}]"#),
            turn("assistant", "completed", Some("end_turn"), thought),
            turn("user", "completed", None, r#"[{"type":"text","text":"R"}]"#),
        ];
        let body = composed("claude-sonnet-5-5", &json!({"max_tokens": 7}), &branch, Wanted::Answer);
        assert!(body.contains(thought), "{body}");
        assert!(
            body.starts_with(r#"{"model":"claude-sonnet-5-5","max_tokens":7,"stream":true,"cache_control":{"type":"ephemeral"},"messages":["#),
            "{body}"
        );
    }

    #[test]
    fn what_was_cut_goes_up_without_what_is_refused() {
        let asked = turn("user", "completed", None, r#"[{"type":"text","text":"Q"}]"#);
        let half = r#"[{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"So"},{"type":"tool_use","id":"t","name":"n","input":{"INVALID_JSON":"{"}}]"#;
        let only_thought =
            r#"[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":" "}]"#;
        for (state, stop_reason, content, roles) in [
            ("cancelled", None, half, vec!["user", "assistant", "user"]),
            ("completed", Some("max_tokens"), half, vec!["user", "assistant", "user"]),
            ("interrupted", None, only_thought, vec!["user"]),
            ("failed", None, "[]", vec!["user"]),
        ] {
            let branch = [asked.clone(), turn("assistant", state, stop_reason, content), asked.clone()];
            let body: Value =
                serde_json::from_str(&composed("claude-sonnet-5-5", &json!({}), &branch, Wanted::Answer))
                    .unwrap();
            let messages = body["messages"].as_array().unwrap();
            assert_eq!(
                messages.iter().map(|message| message["role"].as_str().unwrap()).collect::<Vec<_>>(),
                roles
            );
            assert!(!body.to_string().contains("INVALID_JSON") && !body.to_string().contains("hm"), "{body}");
        }
    }

    #[test]
    fn a_call_that_nobody_carried_out_is_answered_with_that() {
        let call = r#"[{"type":"tool_use","id":"t1","name":"n","input":{}},{"type":"tool_use","id":"t2","name":"n","input":{}}]"#;
        let given = r#"[{"type":"tool_result","tool_use_id":"t2","content":"2"}]"#;
        let branch = [
            turn("user", "completed", None, r#"[{"type":"text","text":"Q"}]"#),
            turn("assistant", "completed", Some("tool_use"), call),
            turn("user", "completed", None, given),
        ];
        for until in [2, 3] {
            let body: Value = serde_json::from_str(&composed(
                "claude-sonnet-5-5",
                &json!({}),
                &branch[..until],
                Wanted::Answer,
            ))
            .unwrap();
            let results = body["messages"][2]["content"].as_array().unwrap();
            assert_eq!(results.iter().map(|one| &one["tool_use_id"]).collect::<Vec<_>>(), ["t1", "t2"]);
            assert_eq!(
                (&results[0]["is_error"], results[1]["is_error"].is_null()),
                (&json!(true), until == 3)
            );
        }
    }

    #[test]
    fn the_rest_is_asked_for_in_the_way_of_the_models_generation() {
        let branch = [
            turn("user", "completed", None, r#"[{"type":"text","text":"Q"}]"#),
            turn("assistant", "cancelled", None, r#"[{"type":"text","text":"So far "}]"#),
        ];
        let last = |model, settings| {
            let body: Value =
                serde_json::from_str(&composed(model, &settings, &branch, Wanted::Rest)).unwrap();
            let last = body["messages"].as_array().unwrap().last().unwrap().clone();
            (
                last["role"].as_str().unwrap().to_owned(),
                last["content"][0]["text"].as_str().unwrap().to_owned(),
            )
        };
        assert_eq!(last("claude-haiku-4-5", json!({})), ("assistant".to_owned(), "So far".to_owned()));
        let go_on = ("user".to_owned(), GO_ON.to_owned());
        assert_eq!(last("claude-haiku-4-5", json!({"thinking": true})), go_on);
        assert_eq!(last("claude-sonnet-5-5", json!({})), go_on);
    }

    #[test]
    fn thinking_has_the_form_of_the_models_generation() {
        for (model, settings, thinking) in [
            ("claude-sonnet-5-5", json!({}), Value::Null),
            (
                "claude-sonnet-5-5",
                json!({"thinking": true}),
                json!({"type": "adaptive", "display": "summarized"}),
            ),
            (
                "claude-sonnet-5-5",
                json!({"thinking": "omitted"}),
                json!({"type": "adaptive", "display": "omitted"}),
            ),
            (
                "claude-haiku-4-5",
                json!({"thinking": true, "max_tokens": 500}),
                json!({"type": "enabled", "budget_tokens": 1024}),
            ),
        ] {
            let branch = [turn("user", "completed", None, r#"[{"type":"text","text":"Q"}]"#)];
            let body: Value =
                serde_json::from_str(&composed(model, &settings, &branch, Wanted::Answer)).unwrap();
            assert_eq!(body["thinking"], thinking, "{model}");
            assert!(body["thinking"]["budget_tokens"].as_u64() < body["max_tokens"].as_u64());
        }
    }
}
