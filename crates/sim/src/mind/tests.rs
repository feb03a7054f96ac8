use std::time::Duration;

use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Manners, Mind, tokens};
use crate::answer::{Answer, Block, Display};

fn request(model: &str, question: &str) -> Value {
    json!({"model": model, "max_tokens": 4096, "messages": [{"role": "user", "content": question}]})
}

fn with(mut request: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

fn answer(request: &Value, manners: &str) -> Answer {
    Mind::new(7).answer(request, &manners.parse().unwrap())
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-version", "2026-10-21".parse().unwrap());
    headers
}

fn text(answer: &Answer) -> String {
    let texts = answer.blocks.iter().map(|block| match block {
        Block::Text { text, .. } => text.as_str(),
        _ => "",
    });
    texts.collect()
}

/// Name and input of each call.
fn calls(answer: &Answer) -> Vec<(String, Value)> {
    let calls = answer.blocks.iter().filter_map(|block| match block {
        Block::ToolUse { name, input, .. } => Some((
            name.clone(),
            if input.is_empty() { json!({}) } else { serde_json::from_str(input).unwrap() },
        )),
        _ => None,
    });
    calls.collect()
}

/// The blocks as a faithful client sends them back.
fn echo(answer: &Answer) -> Value {
    let blocks = answer.blocks.iter().map(|block| match block {
        Block::Text { text, .. } => json!({"type": "text", "text": text}),
        Block::Thinking { thinking, signature, .. } => {
            json!({"type": "thinking", "thinking": thinking, "signature": signature})
        }
        Block::RedactedThinking { data } => json!({"type": "redacted_thinking", "data": data}),
        Block::ToolUse { kind, id, name, input, .. } => {
            let input: Value = serde_json::from_str(input).unwrap_or_else(|_| json!({}));
            json!({"type": kind, "id": id, "name": name, "input": input})
        }
        Block::Whole(block) => block.clone(),
        Block::Compaction { content } => json!({"type": "compaction", "content": content}),
    });
    Value::Array(blocks.collect())
}

fn weather() -> Value {
    json!({"name": "get_weather", "description": "Get the current weather in a given location", "input_schema": {"type": "object",
        "properties": {"location": {"type": "string", "description": "City"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
        "required": ["location"]}})
}

fn stocks() -> Value {
    json!({"name": "get_stock_price", "description": "Price of a share", "input_schema": {"type": "object",
        "properties": {"ticker": {"type": "string"}}, "required": ["ticker"]}})
}

#[test]
fn short_questions_get_short_answers() {
    for (question, part) in [
        ("Say hello", "simulator"),
        ("Who are you?", "Perennial's simulator"),
        ("What is 17 * 23?", "**391**"),
        ("Reply with exactly: ping", "ping"),
        ("Count to 5", "1, 2, 3, 4, 5"),
        ("What is the capital of France?", "Paris"),
    ] {
        let said = text(&answer(&request("claude-opus-4-7", question), ""));
        assert!(said.contains(part) && said.len() < 500, "{question}: {said}");
    }
}

#[test]
fn long_answers_are_about_as_long_as_asked() {
    for (question, wanted) in [
        ("Write 300 words about rain", 400),
        ("Write an essay of 2000 tokens on the sea", 2000),
        ("Write 50,000 tokens about streams", 50_000),
        ("Explain server-sent events in 1200 words", 1600),
    ] {
        let request =
            with(request("claude-opus-4-7", &question.replace(',', "")), &json!({"max_tokens": 128_000}));
        let answer = answer(&request, "");
        let got = answer.usage.output_tokens;
        assert!(got * 100 > wanted * 85 && got * 100 < wanted * 115, "{question}: {got}");
        assert_eq!(answer.stop_reason, "end_turn");
    }
    let answer = answer(&request("claude-opus-4-7", "Explain rain"), "tokens=2500");
    assert!((2200..2800).contains(&answer.usage.output_tokens));
}

#[test]
fn no_passage_of_a_long_text_comes_twice() {
    let said = text(&answer(
        &with(request("claude-opus-4-7", "Write 20000 tokens about rain"), &json!({"max_tokens": 64000})),
        "",
    ));
    let bytes = said.as_bytes();
    // A passage of 200 bytes that came twice would hold an aligned window of 100.
    let aligned: std::collections::HashSet<_> = bytes.chunks_exact(100).collect();
    let twice =
        (0..bytes.len() - 100).filter(|at| at % 100 != 0 && aligned.contains(&bytes[*at..at + 100])).count();
    assert_eq!(aligned.len(), bytes.len() / 100);
    assert_eq!(twice, 0);
}

#[test]
fn a_conversation_remembers() {
    let messages = json!([{"role": "user", "content": "My name is Ada."}, {"role": "assistant", "content": "Hello Ada"}, {"role": "user", "content": "What is my name?"}]);
    assert!(
        text(&answer(&with(request("claude-opus-4-7", ""), &json!({"messages": messages})), ""))
            .contains("Ada")
    );
    let messages = json!([{"role": "user", "content": "Explain black holes"}, {"role": "assistant", "content": "..."}, {"role": "user", "content": "Explain photosynthesis, too"}]);
    assert!(
        text(&answer(&with(request("claude-opus-4-7", ""), &json!({"messages": messages})), ""))
            .contains("*black holes*")
    );
}

#[test]
fn the_same_seed_and_request_give_the_same_answer() {
    for question in ["Explain rain", "Say hello", "What is the weather in Oslo?"] {
        let request = with(
            request("claude-opus-5-5", question),
            &json!({"tools": [weather()], "thinking": {"type": "adaptive", "display": "summarized"}}),
        );
        assert_eq!(answer(&request, ""), answer(&request, ""));
    }
    let request = request("claude-opus-4-7", "Explain rain");
    assert_ne!(
        Mind::new(1).answer(&request, &Manners::default()),
        Mind::new(2).answer(&request, &Manners::default())
    );
}

#[test]
fn a_tool_is_called_when_it_fits() {
    let ask = |question: &str, fields: Value| {
        let request = with(
            with(request("claude-opus-4-7", question), &json!({"tools": [weather(), stocks()]})),
            &fields,
        );
        answer(&request, "")
    };
    let one = ask("What's the weather in San Francisco in celsius?", json!({}));
    assert_eq!(
        calls(&one),
        [("get_weather".to_owned(), json!({"location": "San Francisco", "unit": "celsius"}))]
    );
    assert_eq!(one.stop_reason, "tool_use");
    assert!(matches!(&one.blocks[0], Block::Text { .. }));
    let many = ask("How is the weather in Paris, London and Tokyo?", json!({}));
    let places: Vec<_> = calls(&many).into_iter().map(|(_, input)| input["location"].clone()).collect();
    assert_eq!(places, ["Paris", "London", "Tokyo"]);
    let both = ask("Get the weather and the stock price", json!({}));
    assert_eq!(calls(&both).len(), 2);
    assert_eq!(ask("Explain black holes", json!({})).stop_reason, "end_turn");
    let none = ask("What's the weather in Oslo?", json!({"tool_choice": {"type": "none"}}));
    assert_eq!((calls(&none).len(), none.stop_reason.as_str()), (0, "end_turn"));
    let forced = ask("Explain black holes", json!({"tool_choice": {"type": "any"}}));
    assert_eq!((calls(&forced).len(), forced.blocks.len()), (1, 1));
    let named =
        ask("Explain black holes", json!({"tool_choice": {"type": "tool", "name": "get_stock_price"}}));
    assert_eq!(calls(&named)[0].0, "get_stock_price");
    let single = ask(
        "How is the weather in Paris, London and Tokyo?",
        json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
    );
    assert_eq!(calls(&single).len(), 1);
}

#[test]
fn an_agent_loop_ends_with_the_results_in_prose() {
    let mind = Mind::new(7);
    let mut request = with(
        request("claude-opus-5-5", "What's the weather in Oslo and Rome?"),
        &json!({"tools": [weather()]}),
    );
    let first = mind.answer(&request, &Manners::default());
    assert_eq!(first.stop_reason, "tool_use");
    let messages = request["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": echo(&first)}));
    let results: Vec<_> = first
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::ToolUse { id, .. } => Some(json!({"type": "tool_result", "tool_use_id": id, "content": "{\"temperature\": 21, \"sky\": \"clear\"}"})),
            _ => None,
        })
        .collect();
    messages.push(json!({"role": "user", "content": results}));
    assert_eq!(mind.validate(&request, &headers()), Ok(()));
    let last = mind.answer(&request, &Manners::default());
    assert_eq!(last.stop_reason, "end_turn");
    assert!(text(&last).contains("temperature is **21**"), "{}", text(&last));
    assert_ne!(first.id, last.id);
}

#[test]
fn thinking_follows_the_generation_and_the_display() {
    let ask = |model: &str, thinking: Value| {
        let answer = answer(&with(request(model, "Explain rain"), &json!({"thinking": thinking})), "");
        answer.blocks.into_iter().find_map(|block| match block {
            Block::Thinking { thinking, display, tokens, signature } => {
                Some((thinking.is_empty(), display, tokens > 0, !signature.is_empty()))
            }
            _ => None,
        })
    };
    let hidden = Some((true, Display::Omitted, true, true));
    let shown = Some((false, Display::Summarized, true, true));
    assert_eq!(ask("claude-sonnet-4-5", Value::Null), None);
    assert_eq!(ask("claude-sonnet-4-5", json!({"type": "enabled", "budget_tokens": 1024})), shown);
    assert_eq!(ask("claude-opus-4-7", Value::Null), None);
    assert_eq!(ask("claude-opus-4-7", json!({"type": "adaptive"})), hidden);
    assert_eq!(ask("claude-opus-5", Value::Null), hidden);
    assert_eq!(ask("claude-opus-5", json!({"type": "disabled"})), None);
    assert_eq!(ask("claude-fable-5-2", json!({"type": "adaptive", "display": "summarized"})), shown);
    assert_eq!(ask("claude-sonnet-5-5", json!({"type": "between_tools"})), None);
    assert_eq!(
        ask("claude-opus-5-5", json!({"type": "adaptive", "display": "updates"})),
        Some((false, Display::Updates, true, true))
    );
    let note = answer(
        &with(
            request("claude-sonnet-5-5", "What's the weather in Oslo?"),
            &json!({"tools": [weather()], "thinking": {"type": "between_tools"}}),
        ),
        "",
    );
    assert!(matches!(&note.blocks[..], [Block::Thinking { .. }, Block::ToolUse { .. }]), "{:?}", note.blocks);
}

#[test]
fn thinking_that_comes_back_must_be_what_it_was() {
    let mind = Mind::new(7);
    for (model, bound) in [("claude-opus-4-6", false), ("claude-opus-5-5", true)] {
        let fields = json!({"tools": [weather()], "thinking": {"type": "adaptive", "display": "summarized"}, "system": "Be brief."});
        let first = with(request(model, "What's the weather in Oslo?"), &fields);
        let said = mind.answer(&first, &Manners::default());
        let mut next = first.clone();
        let messages = next["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": echo(&said)}));
        let id = echo(&said).as_array().unwrap().last().unwrap()["id"].clone();
        messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "21 degrees"}]}));
        let verdict = |change: &dyn Fn(&mut Value)| {
            let mut request = next.clone();
            change(&mut request);
            mind.validate(&request, &headers()).map_err(|refused| refused.message).err().unwrap_or_default()
        };
        assert_eq!(verdict(&|_| {}), "");
        assert_eq!(
            verdict(
                &|request| request["messages"][0]["content"] = json!([{"type": "text", "text": "What's the weather in Oslo?", "cache_control": {"type": "ephemeral"}}])
            ),
            ""
        );
        let invalid = "messages.1.content.0: Invalid `signature` in `thinking` block";
        assert_eq!(
            verdict(&|request| request["messages"][1]["content"][0]["thinking"] = json!("I think otherwise")),
            invalid
        );
        assert_eq!(
            verdict(&|request| request["messages"][1]["content"][0]["signature"] = json!("")),
            invalid
        );
        let other = if bound {
            "messages.1.content.0: `thinking` block is bound to a different conversation"
        } else {
            ""
        };
        assert_eq!(
            verdict(&|request| request["messages"][0]["content"] = json!("What's the weather in Rome?")),
            other
        );
        assert_eq!(verdict(&|request| request["system"] = json!("Be long.")), other);
        let other =
            if bound { "messages.1.content.0: `thinking` block is bound to a different model" } else { "" };
        let sibling = if bound { "claude-fable-5-2" } else { "claude-sonnet-4-6" };
        assert_eq!(verdict(&|request| request["model"] = json!(sibling)), other);
        let mut lenient = headers();
        lenient.insert("anthropic-beta", "thinking-binding-controls-2026-08-01".parse().unwrap());
        let mut changed = next.clone();
        changed["system"] = json!("Be long.");
        changed["thinking"]["block_binding"] = json!({"prefix_mismatch_behavior": "drop_block"});
        assert_eq!(mind.validate(&changed, &lenient), Ok(()));
        let dropped = mind.answer(&changed, &Manners::default());
        assert_eq!(dropped.extra_start.contains_key("input_transformations"), bound);
    }
}

#[test]
fn redacted_thinking_comes_back_only_as_it_was() {
    let mind = Mind::new(7);
    let mut request = request("claude-sonnet-4-5", "Explain rain");
    let said = answer(&request, "redacted_thinking");
    assert!(matches!(said.blocks[0], Block::RedactedThinking { .. }));
    let messages = request["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": echo(&said)}));
    messages.push(json!({"role": "user", "content": "Go deeper"}));
    assert_eq!(mind.validate(&request, &headers()), Ok(()));
    request["messages"][1]["content"][0]["data"] = json!("AAAA");
    assert_eq!(
        mind.validate(&request, &headers()).unwrap_err().message,
        "messages.1.content.0: Invalid `data` in `redacted_thinking` block"
    );
}

#[test]
fn structured_output_fits_its_schema() {
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["name", "age", "tags", "address"], "properties": {
        "name": {"type": "string"}, "age": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}},
        "address": {"type": "object", "additionalProperties": false, "required": ["city"], "properties": {"city": {"type": "string"}}}}});
    let answer = answer(
        &with(
            request("claude-opus-4-7", "Describe Ada who is 36 and lives in London"),
            &json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}),
        ),
        "",
    );
    let value: Value = serde_json::from_str(&text(&answer)).unwrap();
    assert_eq!(value["age"], 36);
    assert!(
        value["name"].is_string() && value["tags"].is_array() && value["address"]["city"].is_string(),
        "{value}"
    );
}

#[test]
fn server_tools_give_results_and_citations() {
    let tool = json!({"type": "web_search_20250305", "name": "web_search"});
    let answer = answer(
        &with(
            request("claude-opus-4-7", "Search the web for the latest Rust news"),
            &json!({"tools": [tool]}),
        ),
        "",
    );
    let kinds: Vec<_> = answer
        .blocks
        .iter()
        .map(|block| match block {
            Block::ToolUse { kind, .. } => *kind,
            Block::Whole(whole) => whole["type"].as_str().unwrap(),
            Block::Text { citations, .. } if !citations.is_empty() => "cited",
            Block::Text { .. } => "text",
            _ => "other",
        })
        .collect();
    assert_eq!(
        kinds,
        ["text", "server_tool_use", "web_search_tool_result", "text", "cited", "text", "cited", "text"]
            .map(|kind| kind)
    );
    assert_eq!(
        answer.usage.server_tool_use,
        Some(json!({"web_search_requests": 1, "web_fetch_requests": 0}))
    );
    assert!(answer.usage.final_input_tokens > Some(answer.usage.input_tokens));
}

#[test]
fn a_container_expires_by_the_clock_of_the_simulator() {
    let mind = Mind::new(7).since("2026-11-20T10:00:00Z".parse().unwrap());
    let tool = json!({"type": "code_execution_20250825", "name": "code_execution"});
    let ask = |fields: &Value| {
        let request = with(request("claude-opus-4-7", "Run code to add 2 and 3"), &json!({"tools": [tool]}));
        let manners = Manners { at: Duration::from_millis(90_500), ..Manners::default() };
        mind.answer(&with(request, fields), &manners).container.unwrap()
    };
    let container = ask(&json!({}));
    assert_eq!(container["expires_at"], "2026-11-20T10:06:30.500000Z");
    assert!(container["id"].as_str().unwrap().starts_with("container_"));
    assert_eq!(ask(&json!({"container": "container_mine"}))["id"], "container_mine");
    assert_eq!(ask(&json!({"container": {"id": "container_mine"}}))["id"], "container_mine");
}

#[test]
fn a_paused_turn_is_sent_back_and_ends() {
    let mind = Mind::new(7);
    let tool = json!({"type": "web_search_20250305", "name": "web_search"});
    let mut request = with(request("claude-opus-5", "Search for rain"), &json!({"tools": [tool]}));
    let paused = answer(&request, "pause_turn");
    assert_eq!(paused.stop_reason, "pause_turn");
    request["messages"].as_array_mut().unwrap().push(json!({"role": "assistant", "content": echo(&paused)}));
    assert_eq!(mind.validate(&request, &headers()), Ok(()));
    let rest = answer(&request, "");
    assert_eq!(rest.stop_reason, "end_turn");
    let Block::Whole(result) = &rest.blocks[0] else { panic!("{:?}", rest.blocks) };
    assert_eq!(result["tool_use_id"], echo(&paused).as_array().unwrap().last().unwrap()["id"]);
}

#[test]
fn manners_show_rare_things() {
    let ask = |manners: &str| answer(&request("claude-fable-5", "Explain server-sent events"), manners);
    let refused = ask("refuse=start:cyber");
    assert_eq!((refused.blocks.len(), refused.stop_reason.as_str()), (0, "refusal"));
    assert_eq!(refused.stop_details.unwrap()["category"], "cyber");
    let refused = ask("refuse=middle");
    assert!(!text(&refused).is_empty() && text(&ask("")).starts_with(&text(&refused)));
    let fell = ask("fallback");
    assert_eq!(fell.model, "claude-opus-4-8");
    assert!(
        matches!(&fell.blocks[0], Block::Whole(whole) if whole["type"] == "fallback" && whole["to"]["model"] == "claude-opus-4-8")
    );
    assert_eq!(fell.usage.extra_final["iterations"][1]["type"], "fallback_message");
    let fell = ask("fallback=middle");
    assert_eq!(fell.model, "claude-fable-5");
    assert_eq!(text(&fell), text(&ask("")));
    let outputs: u64 = fell.usage.extra_final["iterations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["output_tokens"].as_u64().unwrap())
        .sum();
    assert_eq!(outputs, fell.usage.output_tokens);
    assert!(matches!(&ask("compaction").blocks[0], Block::Compaction { content: Some(_) }));
    assert!(matches!(&ask("compaction=failed").blocks[0], Block::Compaction { content: None }));
    assert_eq!(ask("compaction=pause").stop_reason, "compaction");
    assert_eq!(text(&ask("answer=a%20b")), "a b");
    let all = answer(
        &with(request("claude-opus-4-7", "Hi"), &json!({"tools": [weather(), stocks()]})),
        "tools=all",
    );
    assert_eq!(calls(&all).len(), 2);
}

#[test]
fn a_limit_of_zero_warms_the_cache() {
    let mind = Mind::new(7);
    let system =
        json!([{"type": "text", "text": "word ".repeat(3000), "cache_control": {"type": "ephemeral"}}]);
    let warm = with(request("claude-opus-4-7", "Hi"), &json!({"max_tokens": 0, "system": system}));
    let first = mind.answer(&warm, &Manners::default());
    assert_eq!((first.blocks.len(), first.usage.output_tokens), (0, 0));
    assert!(first.usage.cache_creation_5m >= 3000);
    let later = Manners { at: Duration::from_secs(100), ..Manners::default() };
    let second = mind.answer(&with(warm, &json!({"max_tokens": 100})), &later);
    assert_eq!(second.usage.cache_read, first.usage.cache_creation_5m);
    assert_eq!(second.usage.cache_creation_5m, 0);
}

#[test]
fn counting_gives_the_input_of_the_usage() {
    let mind = Mind::new(7);
    let request = with(
        request("claude-opus-4-7", "What's the weather in Oslo?"),
        &json!({"tools": [weather()], "system": "Be brief."}),
    );
    assert_eq!(mind.count_tokens(&request), mind.answer(&request, &Manners::default()).usage.input_tokens);
}

#[test]
fn what_came_along_is_named() {
    let content = json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAABBBB"}}, {"type": "text", "text": "What is this?"}]);
    let said = text(&answer(
        &with(request("claude-opus-4-7", ""), &json!({"messages": [{"role": "user", "content": content}]})),
        "",
    ));
    assert!(said.starts_with("I received an image (`image/png`, 6 bytes)."), "{said}");
}

#[test]
fn odd_requests_do_not_panic() {
    for request in [
        json!({}),
        json!(null),
        json!({"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]}),
        json!({"messages": [1, {"role": "system", "content": 3}], "tools": [7, {"type": "web_search_1"}], "fallbacks": 3}),
        json!({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}], "tools": [{"name": "f", "input_schema": true}], "tool_choice": {"type": "any"}}),
    ] {
        for manners in [
            "",
            "refuse=middle",
            "fallback=middle",
            "pause_turn",
            "compaction",
            "redacted_thinking",
            "tools=all",
        ] {
            let answer = answer(&request, manners);
            assert!(!answer.id.is_empty());
        }
    }
}

fn model() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["claude-sonnet-4-5", "claude-opus-4-7", "claude-opus-5-5"])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn limits_are_exact_and_usage_adds_up(
        seed in any::<u64>(), model in model(), most in 1u64..600, stop in proptest::sample::select(vec!["", "the", "|", "\n\n", "。"]),
        question in proptest::sample::select(vec!["Explain server-sent events", "Write a Rust function to sort", "为什么天空是蓝色的？", "Count to 90"]),
    ) {
        let mind = Mind::new(seed);
        let fields = json!({"max_tokens": most, "stop_sequences": if stop.is_empty() { json!([]) } else { json!([stop]) }});
        let whole = mind.answer(&request(model, question), &Manners::default());
        let cut = mind.answer(&with(request(model, question), &fields), &Manners::default());
        let thought = cut.usage.thinking_tokens.unwrap_or(0);
        prop_assert_eq!(cut.usage.output_tokens, thought + tokens::count(&text(&cut)));
        prop_assert!(text(&whole).starts_with(&text(&cut)));
        prop_assert!(cut.usage.output_tokens <= most);
        match cut.stop_reason.as_str() {
            "max_tokens" => prop_assert_eq!(cut.usage.output_tokens, most),
            "stop_sequence" => {
                prop_assert_eq!(cut.stop_sequence.as_deref(), Some(stop));
                let with_stop = text(&cut) + stop;
                prop_assert!(text(&whole).starts_with(&with_stop));
                prop_assert_eq!(with_stop.find(stop), Some(text(&cut).len()));
            }
            "end_turn" => prop_assert_eq!(text(&cut), text(&whole)),
            other => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn any_text_is_answered(question in "\\PC{0,80}", seed in any::<u64>()) {
        let request = request("claude-opus-5-5", &question);
        let answer = Mind::new(seed).answer(&request, &Manners::default());
        prop_assert_eq!(&answer.stop_reason, "end_turn");
        prop_assert!(!text(&answer).is_empty());
    }
}
