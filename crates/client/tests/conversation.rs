//! The history of a conversation stays one that the service accepts, whatever happens to an answer.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use perennial::protocol::EventDecoder;
use perennial::{Conversation, Message, MessageRequest, Next, Transcript};
use serde_json::{Value, json};

/// What the events give; blocks are (start, deltas), the last one open if `open`.
fn transcript(blocks: &[(Value, Vec<Value>)], open: bool, end: Option<Value>) -> Transcript {
    let mut events =
        vec![json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "content": []}})];
    for (index, (start, deltas)) in blocks.iter().enumerate() {
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        for delta in deltas {
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        if !open || index + 1 < blocks.len() {
            events.push(json!({"type": "content_block_stop", "index": index}));
        }
    }
    if let Some(end) = end {
        events.push(json!({"type": "message_delta", "delta": end}));
        events.push(json!({"type": "message_stop"}));
    }
    let body: String = events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect();
    let mut decoder = EventDecoder::new();
    let mut transcript = Transcript::new();
    let mut input = body.as_bytes();
    while let Some(received) = decoder.next_event(&mut input) {
        transcript.apply(&received.unwrap().event.unwrap());
    }
    transcript
}

fn text(text: &str) -> (Value, Vec<Value>) {
    (json!({"type": "text", "text": ""}), vec![json!({"type": "text_delta", "text": text})])
}

fn thinking(signature: &str) -> (Value, Vec<Value>) {
    let start = json!({"type": "thinking", "thinking": "", "signature": ""});
    (start, vec![json!({"type": "signature_delta", "signature": signature})])
}

fn call(id: &str, input: &str) -> (Value, Vec<Value>) {
    let start = json!({"type": "tool_use", "id": id, "name": "t", "input": {}});
    (start, vec![json!({"type": "input_json_delta", "partial_json": input})])
}

fn server_call(id: &str) -> (Value, Vec<Value>) {
    (json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": {}}), vec![])
}

fn server_result(id: &str) -> (Value, Vec<Value>) {
    (json!({"type": "web_search_tool_result", "tool_use_id": id, "content": []}), vec![])
}

fn ended(blocks: &[(Value, Vec<Value>)], stop: &str) -> Message {
    transcript(blocks, false, Some(json!({"stop_reason": stop}))).message()
}

fn begun() -> Conversation {
    let mut conversation = Conversation::new(MessageRequest::new("m", 9));
    conversation.user("Q");
    conversation
}

fn body(conversation: &mut Conversation) -> Value {
    let request = conversation.request();
    request.check().unwrap();
    serde_json::to_value(request).unwrap()
}

/// The messages after the first question.
fn history(conversation: &mut Conversation) -> Value {
    let mut messages = body(conversation)["messages"].as_array().unwrap().clone();
    assert_eq!(messages.remove(0), json!({"role": "user", "content": "Q"}));
    Value::from(messages)
}

fn kinds(message: &Value) -> Vec<&str> {
    message["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect()
}

#[test]
fn an_answer_goes_in_and_the_user_goes_on() {
    let mut conversation = begun();
    assert_eq!(conversation.append(&ended(&[thinking("sig"), text("A")], "end_turn")), Next::Answered);
    conversation.user("Q2");
    assert_eq!(
        history(&mut conversation),
        json!([
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "sig"}, {"type": "text", "text": "A"}]},
            {"role": "user", "content": "Q2"},
        ])
    );
}

#[test]
fn results_answer_the_calls_in_their_order_and_before_the_user() {
    let mut conversation = begun();
    let answer = ended(&[call("a", "{}"), call("b", r#"{"x": 1}"#)], "tool_use");
    assert_eq!(conversation.append(&answer), Next::RunTools);
    let calls: Vec<String> = conversation.calls().map(|call| call.id.clone()).collect();
    assert_eq!(calls, ["a", "b"]);
    assert!(conversation.answer_error("b", "broken"));
    assert!(conversation.answer("a", "fine"));
    assert!(!conversation.answer("c", "never asked for"));
    assert_eq!(conversation.calls().count(), 0);
    conversation.user("and be quick");
    let history = history(&mut conversation);
    assert_eq!(
        history[1],
        json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "fine"},
            {"type": "tool_result", "tool_use_id": "b", "content": "broken", "is_error": true},
            {"type": "text", "text": "and be quick"},
        ]})
    );
}

#[test]
fn every_call_gets_a_result_even_if_nobody_ran_it() {
    let mut conversation = begun();
    let answer = ended(&[call("a", "{}"), call("b", r#"{"x": "#)], "max_tokens");
    assert_eq!(conversation.append(&answer), Next::Cut);
    // Only usable input is offered for running.
    assert_eq!(conversation.calls().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["a"]);
    let history = history(&mut conversation);
    assert_eq!(history[0]["content"][1]["input"], json!({"INVALID_JSON": "{\"x\": "}));
    let results = history[1]["content"].as_array().unwrap();
    assert_eq!(results[0]["content"], "This call was not run.");
    assert_eq!(results[1]["content"], r#"{"INVALID_JSON":"{\"x\": "}"#);
    assert!(results.iter().all(|result| result["is_error"] == true));
}

#[test]
fn paused_and_compacted_turns_are_sent_back_as_they_are() {
    for stop in ["pause_turn", "compaction"] {
        let mut conversation = begun();
        assert_eq!(conversation.append(&ended(&[text("A"), server_call("s")], stop)), Next::Resume);
        let history = history(&mut conversation);
        assert_eq!(kinds(&history[0]), ["text", "server_tool_use"]);
        assert_eq!(history.as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_refused_turn_leaves_no_trace() {
    let mut conversation = begun();
    conversation.append(&ended(&[text("A")], "end_turn"));
    let before = history(&mut conversation);
    conversation.user("something bad");
    conversation.append(&ended(&[call("a", "{}")], "tool_use"));
    conversation.answer("a", "x");
    let _ = conversation.request();
    assert_eq!(conversation.append(&ended(&[text("I can")], "refusal")), Next::Refused);
    assert_eq!(history(&mut conversation), before);
    assert_eq!(conversation.calls().count(), 0);
}

#[test]
fn a_dropped_turn_is_given_back() {
    let mut conversation = begun();
    conversation.append(&ended(&[text("A")], "end_turn"));
    conversation.user("Q2");
    conversation.append(&ended(&[call("a", "{}")], "tool_use"));
    assert_eq!(conversation.drop_turn().len(), 2);
    assert_eq!(conversation.messages().len(), 2);
    assert_eq!(conversation.calls().count(), 0);
}

#[test]
fn empty_answers_and_blank_blocks_are_left_out() {
    let mut conversation = begun();
    assert_eq!(conversation.append(&ended(&[], "end_turn")), Next::Answered);
    assert_eq!(conversation.append(&ended(&[text("\n\n"), text("A")], "end_turn")), Next::Answered);
    conversation.user("Q2");
    let history = history(&mut conversation);
    assert_eq!(history[0]["content"], json!([{"type": "text", "text": "A"}]));
    assert_eq!(history.as_array().unwrap().len(), 2);
}

/// Which blocks of a cut answer are kept.
fn check_kept(blocks: &[(Value, Vec<Value>)], open: bool, expected: &[&str], next: Next) {
    let mut conversation = begun();
    assert_eq!(conversation.keep_partial(&transcript(blocks, open, None)), next, "{blocks:?}");
    conversation.user("go on");
    let history = history(&mut conversation);
    if expected.is_empty() {
        assert_eq!(history, json!([{"role": "user", "content": "go on"}]), "{blocks:?}");
    } else {
        assert_eq!(kinds(&history[0]), expected, "{blocks:?}");
    }
}

#[test]
fn of_a_cut_answer_stays_what_may_be_sent_back() {
    let search = [server_call("s"), server_result("s")];
    check_kept(&[], false, &[], Next::Cut);
    check_kept(&[text("half a")], true, &["text"], Next::Cut);
    check_kept(&[text(" ")], true, &[], Next::Cut);
    check_kept(&[thinking("x")], true, &[], Next::Cut);
    check_kept(&[thinking("x")], false, &[], Next::Cut);
    check_kept(&[thinking("x"), text("half")], true, &["thinking", "text"], Next::Cut);
    check_kept(&[thinking("x"), text("A"), call("a", "{\"x")], true, &["thinking", "text"], Next::Cut);
    check_kept(&[thinking("x"), call("a", "{}")], true, &[], Next::Cut);
    check_kept(&[text("A"), call("a", "{}"), text("b")], true, &["text", "tool_use", "text"], Next::RunTools);
    check_kept(&[text("A"), server_call("s")], false, &["text"], Next::Cut);
    let blocks = [&search[..], &[text("found")]].concat();
    check_kept(&blocks, true, &["server_tool_use", "web_search_tool_result", "text"], Next::Cut);
    let fallback = json!({"type": "fallback", "from": {"model": "x"}, "to": {"model": "y"}});
    let blocks = [thinking("x"), call("a", "{}"), (fallback, vec![]), text("B")];
    check_kept(&blocks, true, &["fallback", "text"], Next::Cut);
}

#[test]
fn what_was_kept_can_be_dropped_again() {
    let mut conversation = begun();
    conversation.keep_partial(&transcript(&[text("half")], true, None));
    assert_eq!(conversation.drop_turn().len(), 2);
    assert!(conversation.messages().is_empty());
}

#[test]
fn a_container_is_named_while_the_turn_goes_on_and_not_after() {
    let in_container = |blocks: &[(Value, Vec<Value>)], stop: &str| {
        let end =
            json!({"stop_reason": stop, "container": {"id": "cnt_1", "expires_at": "2026-11-20T12:00:00Z"}});
        transcript(blocks, false, Some(end)).message()
    };
    let mut conversation = begun();
    conversation.append(&in_container(&[text("A")], "pause_turn"));
    assert_eq!(body(&mut conversation)["container"], "cnt_1");
    conversation.user("Q2");
    assert_eq!(body(&mut conversation).get("container"), None);

    let request = MessageRequest::new("m", 9).field("container", json!({"skills": ["s"]}));
    let mut conversation = Conversation::new(request);
    conversation.user("Q");
    conversation.append(&in_container(&[text("A")], "pause_turn"));
    assert_eq!(body(&mut conversation)["container"], json!({"skills": ["s"], "id": "cnt_1"}));
    conversation.user("Q2");
    assert_eq!(body(&mut conversation)["container"], json!({"skills": ["s"]}));
}
