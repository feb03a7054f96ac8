use serde_json::{Value, json};

use super::*;

fn answer(blocks: Vec<Block>) -> Answer {
    let mut answer = Answer::new("msg_1", "claude-test");
    answer.blocks = blocks;
    answer.usage.input_tokens = 11;
    answer.usage.cache_creation_5m = 3;
    answer.usage.cache_creation_1h = 4;
    answer.usage.cache_read = 5;
    answer.usage.output_tokens = 99;
    answer
}

fn tool(input: &str, eager: bool) -> Block {
    Block::ToolUse {
        kind: "tool_use",
        id: "toolu_1".to_owned(),
        name: "look".to_owned(),
        input: input.to_owned(),
        eager,
        extra: Map::from_iter([("caller".to_owned(), json!({"type": "direct"}))]),
    }
}

fn thinking(display: Display) -> Block {
    let thinking = "First this.\nThen that.\n".to_owned();
    Block::Thinking { thinking, signature: "c2ln".to_owned(), display, tokens: 40 }
}

/// The deltas of the only block, as JSON.
fn deltas(block: Block) -> Vec<Value> {
    let events = frames(answer(vec![block]), 7)
        .map(|frame| serde_json::from_str::<Value>(frame.data().unwrap()).unwrap());
    events
        .filter(|event| event["type"] == "content_block_delta")
        .map(|event| event["delta"].clone())
        .collect()
}

fn check(block: &Block, expected: &[Value]) {
    assert_eq!(deltas(block.clone()), expected, "{block:?}");
}

#[test]
fn each_block_streams_as_the_service_streams_it() {
    let signature = json!({"type": "signature_delta", "signature": "c2ln"});
    check(&thinking(Display::Omitted), std::slice::from_ref(&signature));
    let update = |text: &str| json!({"type": "thinking_delta", "thinking": text});
    check(&thinking(Display::Updates), &[update("First this.\n"), update("Then that.\n"), signature.clone()]);
    let summarized = deltas(thinking(Display::Summarized));
    assert_eq!(summarized.last(), Some(&signature));
    let said: String = summarized.iter().filter_map(|delta| delta["thinking"].as_str()).collect();
    assert_eq!(said, "First this.\nThen that.\n");

    let fragment = |json: &str| json!({"type": "input_json_delta", "partial_json": json});
    check(&tool("{}", false), &[fragment("")]);
    check(
        &tool(r#"{"place": "Wien", "days": [1, 2]}"#, false),
        &[fragment(""), fragment(r#"{"place": "Wien""#), fragment(r#", "days": [1, 2]"#), fragment("}")],
    );
    let eager = deltas(tool(r#"{"place": "Wien", "days": [1, 2]}"#, true));
    assert!(eager.len() > 3 && eager[0] == fragment(""), "{eager:?}");

    let citation = json!({"type": "char_location", "cited_text": "so"});
    let cited = Block::Text { text: "So".to_owned(), citations: vec![citation.clone()] };
    check(
        &cited,
        &[
            json!({"type": "citations_delta", "citation": citation}),
            json!({"type": "text_delta", "text": "So"}),
        ],
    );
    check(&Block::Compaction { content: None }, &[json!({"type": "compaction_delta", "content": null})]);
    check(&Block::Whole(json!({"type": "fallback"})), &[]);
    check(&Block::RedactedThinking { data: "x".to_owned() }, &[]);
}

#[test]
fn thinking_that_was_cut_has_no_signature_and_sends_none() {
    for display in [Display::Omitted, Display::Updates, Display::Summarized] {
        let mut block = thinking(display);
        if let Block::Thinking { signature, .. } = &mut block {
            signature.clear();
        }
        let sent = deltas(block.clone());
        assert!(sent.iter().all(|delta| delta["type"] == "thinking_delta"), "{display:?}: {sent:?}");
        assert_eq!(sent.is_empty(), display == Display::Omitted);
        let tokens: u64 = frames(answer(vec![block]), 7).map(|frame| frame.tokens).sum();
        assert_eq!(tokens, 40, "{display:?}");
    }
}

#[test]
fn what_is_not_shown_takes_its_time_all_the_same() {
    for display in [Display::Omitted, Display::Updates, Display::Summarized] {
        let tokens: u64 = frames(answer(vec![thinking(display)]), 7).map(|frame| frame.tokens).sum();
        assert_eq!(tokens, 40, "{display:?}");
    }
}

#[test]
fn the_envelope_has_the_figures_in_their_places() {
    let frames: Vec<Frame> = frames(answer(vec![thinking(Display::Omitted), tool("{}", false)]), 7).collect();
    let names: Vec<&str> = frames.iter().map(|frame| &*frame.name).collect();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let event = |at: usize| serde_json::from_str::<Value>(frames[at].data().unwrap()).unwrap();
    let usage = &event(0)["message"]["usage"];
    assert_eq!(
        usage["cache_creation"],
        json!({"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4})
    );
    assert!(usage["output_tokens"].as_u64().unwrap() < 99, "a placeholder");
    assert_eq!(event(1)["content_block"], json!({"type": "thinking", "thinking": "", "signature": ""}));
    assert_eq!(event(5)["index"], 1);
    assert_eq!(event(5)["content_block"]["caller"]["type"], "direct");
    let last = json!({
        "input_tokens": 11, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 5, "output_tokens": 99,
    });
    assert_eq!(event(8)["usage"], last);
    for frame in &frames {
        let text = std::str::from_utf8(&frame.bytes).unwrap();
        assert!(
            text.starts_with(&format!("event: {}\ndata: {{", frame.name)) && text.ends_with("}\n\n"),
            "{text}"
        );
    }
}

#[test]
fn the_folded_message_has_every_block_whole() {
    let blocks = vec![
        thinking(Display::Omitted),
        thinking(Display::Summarized),
        Block::Text { text: "Grüße".to_owned(), citations: Vec::new() },
        tool(r#"{"a":1}"#, false),
        Block::Whole(json!({"type": "fallback"})),
    ];
    let message = message(&answer(blocks));
    let content = message["content"].as_array().unwrap();
    assert_eq!(content[0], json!({"type": "thinking", "thinking": "", "signature": "c2ln"}));
    assert_eq!(content[1]["thinking"], "First this.\nThen that.\n");
    assert_eq!(content[2], json!({"type": "text", "text": "Grüße"}));
    assert_eq!(content[3]["input"], json!({"a": 1}));
    assert_eq!(content[4], json!({"type": "fallback"}));
    assert_eq!(message["usage"]["output_tokens"], 99);
    assert_eq!(message["usage"]["service_tier"], "standard");
    assert_eq!(message["stop_reason"], "end_turn");
}

#[test]
fn the_container_comes_with_the_stop_reason() {
    let mut answer = answer(Vec::new());
    answer.container = Some(json!({"id": "container_1", "expires_at": "2026-11-20T10:35:00.000000Z"}));
    let events: Vec<Value> =
        frames(answer.clone(), 7).map(|frame| serde_json::from_str(frame.data().unwrap()).unwrap()).collect();
    assert_eq!(events[0]["message"].get("container"), None);
    let delta = events[1]["delta"].as_object().unwrap();
    assert_eq!(
        delta.keys().collect::<Vec<_>>(),
        ["stop_reason", "stop_sequence", "stop_details", "container"]
    );
    assert_eq!(delta["container"]["id"], "container_1");
    assert_eq!(message(&answer)["container"], delta["container"]);
}

#[test]
fn an_answer_without_content_is_an_envelope() {
    let names: Vec<_> = frames(answer(Vec::new()), 7).map(|frame| frame.name).collect();
    assert_eq!(names, ["message_start", "message_delta", "message_stop"]);
}
