use std::collections::BTreeMap;

use perennial_protocol::{ContentBlock, Message, Raw};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

fn raw(json: &str) -> Raw {
    Raw::new(json).unwrap()
}

/// Holds a request's exact body against what it should be.
fn check(request: &MessageRequest, expected: &str) {
    request.check().unwrap();
    assert_eq!(serde_json::to_string(request).unwrap(), expected);
}

fn base() -> MessageRequest {
    MessageRequest::new("m", 9).user("Hi")
}

#[test]
fn the_least_request() {
    check(&base(), r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#);
}

#[test]
fn equal_calls_in_any_order_make_equal_bytes() {
    let one = base().system("S").temperature(0.5).thinking(Thinking::adaptive()).effort(Effort::Low);
    let other = MessageRequest::new("m", 9)
        .effort(Effort::Low)
        .thinking(Thinking::adaptive())
        .temperature(0.5)
        .user("Hi")
        .system("S");
    check(
        &one,
        r#"{"model":"m","max_tokens":9,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"},"temperature":0.5,"system":"S","messages":[{"role":"user","content":"Hi"}]}"#,
    );
    assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&other).unwrap());
}

/// One field set, as it stands in the body.
fn check_field(request: &MessageRequest, name: &str, expected: &Value) {
    request.check().unwrap();
    let body = serde_json::to_value(request).unwrap();
    assert_eq!(&body[name], expected, "{name}");
}

#[test]
fn every_typed_field() {
    let table: Vec<(MessageRequest, &str, Value)> = vec![
        (base().model(models::CLAUDE_OPUS_5_5), "model", json!("claude-opus-5-5")),
        (base().max_tokens(0), "max_tokens", json!(0)),
        (base().cache(Cache::FiveMinutes), "cache_control", json!({"type": "ephemeral"})),
        (base().cache(Cache::OneHour), "cache_control", json!({"type": "ephemeral", "ttl": "1h"})),
        (
            base().system(Block::text("S").cache(Cache::OneHour)),
            "system",
            json!([{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]),
        ),
        (
            base().thinking(Thinking::enabled(1024)),
            "thinking",
            json!({"type": "enabled", "budget_tokens": 1024}),
        ),
        (
            base().thinking(Thinking::adaptive().display(Display::Summarized)),
            "thinking",
            json!({"type": "adaptive", "display": "summarized"}),
        ),
        (
            base().thinking(Thinking::between_tools().display(Display::Updates)),
            "thinking",
            json!({"type": "between_tools", "display": "updates"}),
        ),
        (base().thinking(Thinking::disabled()), "thinking", json!({"type": "disabled"})),
        (
            base().thinking(
                Thinking::adaptive().display(Display::Omitted).field("block_binding", json!({"x": 1})),
            ),
            "thinking",
            json!({"type": "adaptive", "display": "omitted", "block_binding": {"x": 1}}),
        ),
        (base().tool_choice(ToolChoice::auto()), "tool_choice", json!({"type": "auto"})),
        (
            base().tool_choice(ToolChoice::any().no_parallel()),
            "tool_choice",
            json!({"type": "any", "disable_parallel_tool_use": true}),
        ),
        (base().tool_choice(ToolChoice::tool("t")), "tool_choice", json!({"type": "tool", "name": "t"})),
        (base().tool_choice(ToolChoice::none()), "tool_choice", json!({"type": "none"})),
        (base().effort(Effort::ExtraHigh), "output_config", json!({"effort": "xhigh"})),
        (
            base().effort(Effort::Max).output_schema(json!({"type": "object"})),
            "output_config",
            json!({"effort": "max", "format": {"type": "json_schema", "schema": {"type": "object"}}}),
        ),
        (base().stop_sequences(["a", "b"]), "stop_sequences", json!(["a", "b"])),
        (base().user_id("u1"), "metadata", json!({"user_id": "u1"})),
        (base().service_tier(ServiceTier::StandardOnly), "service_tier", json!("standard_only")),
        (base().container("c1"), "container", json!("c1")),
        (base().context_management(json!({"edits": []})), "context_management", json!({"edits": []})),
        (base().default_fallbacks(), "fallbacks", json!("default")),
        (base().fallbacks(["x", "y"]), "fallbacks", json!([{"model": "x"}, {"model": "y"}])),
        (base().temperature(1.0), "temperature", json!(1.0)),
        (base().top_p(0.5), "top_p", json!(0.5)),
        (base().top_k(5), "top_k", json!(5)),
        (base().field("hologram", json!({"on": true})), "hologram", json!({"on": true})),
        (base().field("messages", raw("[]")), "messages", json!([])),
    ];
    for (request, name, expected) in table {
        check_field(&request, name, &expected);
    }
}

#[test]
fn fallbacks_bring_their_beta_once() {
    let request = base().default_fallbacks().fallbacks(["x"]).beta("mine");
    let betas: Vec<&str> = request.betas().collect();
    assert_eq!(betas, ["server-side-fallback-2026-07-01", "mine"]);
}

#[test]
fn every_block() {
    let table: Vec<(Block, Value)> = vec![
        (Block::text("x"), json!({"type": "text", "text": "x"})),
        (
            Block::image(Source::bytes("image/png", [1, 2, 255])),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AQL/"}}),
        ),
        (
            Block::image(Source::url("https://e/x")),
            json!({"type": "image", "source": {"type": "url", "url": "https://e/x"}}),
        ),
        (
            Block::document(Source::file("f1")).title("T").context("C").citations(),
            json!({"type": "document", "source": {"type": "file", "file_id": "f1"}, "title": "T", "context": "C", "citations": {"enabled": true}}),
        ),
        (
            Block::document(Source::text("words")),
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}}),
        ),
        (
            Block::document(Source::content([Block::text("a")])),
            json!({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}}),
        ),
        (
            Block::tool_result("t1", "fine"),
            json!({"type": "tool_result", "tool_use_id": "t1", "content": "fine"}),
        ),
        (
            Block::tool_error("t1", vec![Block::text("no")]),
            json!({"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "no"}], "is_error": true}),
        ),
        (Block::of("new").field("n", 1), json!({"type": "new", "n": 1})),
    ];
    for (block, expected) in table {
        assert_eq!(serde_json::to_value(&block).unwrap(), expected);
    }
}

#[test]
fn raw_is_sent_as_given_and_taken_apart_only_to_be_changed() {
    let text = r#"{ "type":"odd",  "n": 1.50, "big": 123456789012345678901234567890 }"#;
    assert_eq!(serde_json::to_string(&Block::raw(raw(text))).unwrap(), text);
    assert_eq!(
        serde_json::to_string(&Block::raw(raw(text)).field("n", 2).cache(Cache::FiveMinutes)).unwrap(),
        r#"{"type":"odd","n":2,"big":123456789012345678901234567890,"cache_control":{"type":"ephemeral"}}"#
    );
    let message = r#"{"role":"user" , "content":[]}"#;
    check(
        &MessageRequest::new("m", 9).message(InputMessage::raw(raw(message))).field("x", raw("1.0e0")),
        r#"{"model":"m","max_tokens":9,"x":1.0e0,"messages":[{"role":"user" , "content":[]}]}"#,
    );
}

#[test]
fn roles() {
    let request =
        base().assistant("Hello").message(InputMessage::system("Be brief")).user([Block::text("x")]);
    let roles: Vec<String> = request.conversation().iter().map(InputMessage::role).collect();
    assert_eq!(roles, ["user", "assistant", "system", "user"]);
    request.check().unwrap();
}

/// Holds the fault of a request against its kind, its place and a word of its text.
fn check_fault(request: &MessageRequest, kind: RequestErrorKind, at: &str, word: &str) {
    let fault = request.check().unwrap_err();
    assert_eq!((fault.kind(), fault.at()), (kind, at), "{fault}");
    assert!(fault.to_string().contains(word), "{fault}");
}

#[test]
fn what_can_never_be_right_is_not_sent() {
    use RequestErrorKind::{Invalid, Missing, NotAnObject, NotJson};
    let unwritable: BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
    check_fault(&MessageRequest::new("m", 1), Missing, "messages", ".user(");
    check_fault(&MessageRequest::new(" ", 1).user("x"), Missing, "model", "name a model");
    check_fault(&MessageRequest::new("m", 1).user(""), Missing, "messages[0]: content", "say something");
    check_fault(
        &base().assistant(vec![]).user("x"),
        Missing,
        "messages[1]: content",
        "leave the message out",
    );
    check_fault(&base().field("stream", true), Invalid, "stream", "leave it out");
    check_fault(&base().thinking(Thinking::enabled(1023)), Invalid, "thinking", "1024");
    check_fault(&base().field("x", &unwritable), NotJson, "x", "another shape");
    check_fault(
        &base().user([Block::text("x"), Block::raw(raw("[1]"))]),
        NotAnObject,
        "messages[1]: content[1]: a content block",
        "`[1]`",
    );
    check_fault(
        &base().system(Block::raw(raw("1"))),
        NotAnObject,
        "system: content[0]: a content block",
        "`1`",
    );
    check_fault(&base().message(InputMessage::raw(raw("\"x\""))), NotAnObject, "messages[1]: a message", "x");
    check_fault(&base().tool(Tool::new("", json!({}))), Missing, "tools[0]: name", "needs a name");
    check_fault(&base().tool(Tool::raw(raw("{}"))), Missing, "tools[0]: name", "needs a name");
    check_fault(&base().tool(Tool::new("a", json!(1))), Invalid, "tools[0]: input_schema", "object");
    let twice = base().tool(Tool::new("a", json!({}))).tool(Tool::new("a", json!({})));
    check_fault(&twice, Invalid, "tools[1]", "`a`");
}

#[test]
fn a_faulty_request_cannot_be_written_either() {
    let error = serde_json::to_string(&base().user(Block::raw(raw("[1]")))).unwrap_err();
    assert!(error.to_string().contains("must be an object"), "{error}");
}

/// The weather at a place, now.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct GetWeather {
    /// A city, such as `Oslo`.
    #[schemars(length(max = 40))]
    city: String,
    days: Option<u8>,
    #[serde(default)]
    unit: Unit,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Unit {
    /// Degrees Celsius.
    #[default]
    Celsius,
    Kelvin,
}

#[test]
fn a_tool_from_a_type() {
    let tool =
        serde_json::to_value(Tool::of::<GetWeather>().eager_input_streaming().defer_loading()).unwrap();
    assert_eq!(tool["name"], "get_weather");
    assert_eq!(tool["description"], "The weather at a place, now.");
    assert_eq!(tool["eager_input_streaming"], true);
    assert_eq!(tool["defer_loading"], true);
    let schema = &tool["input_schema"];
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["required"], json!(["city"]));
    assert_eq!(
        schema["properties"]["city"],
        json!({"type": "string", "description": "A city, such as `Oslo`.", "maxLength": 40})
    );
    assert_eq!(schema.get("$schema"), None);
    assert_eq!(schema.get("title"), None);
    assert_eq!(schema.get("description"), None);
}

#[test]
fn a_strict_schema_keeps_to_the_grammar_and_says_the_rest_in_words() {
    let tool = serde_json::to_value(Tool::of::<GetWeather>().strict()).unwrap();
    assert_eq!(tool["strict"], true);
    let schema = &tool["input_schema"];
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        schema["properties"]["city"],
        json!({"type": "string", "description": "A city, such as `Oslo`.\n\n{maxLength: 40}"})
    );
    assert_eq!(
        schema["properties"]["days"],
        json!({"anyOf": [{"type": "integer", "description": "{minimum: 0, maximum: 255}"}, {"type": "null"}]})
    );
    let text = schema.to_string();
    for word in ["oneOf", "\"maximum\"", "uint8"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

#[test]
fn names_of_tools() {
    for (name, expected) in [
        ("GetWeather", "get_weather"),
        ("HTTPGet", "http_get"),
        ("Get2Things", "get2_things"),
        ("already_snake", "already_snake"),
        ("Pair_of_u8", "pair_of_u8"),
        ("Größe", "gr__e"),
    ] {
        assert_eq!(schema::snake_case(name), expected);
    }
}

#[test]
fn server_tools_and_raw_tools_are_as_given() {
    let tool = Tool::server("web_search_20250305", "web_search").field("max_uses", 3);
    assert_eq!(
        serde_json::to_string(&tool).unwrap(),
        r#"{"type":"web_search_20250305","name":"web_search","max_uses":3}"#
    );
    tool.check().unwrap();
    Tool::raw(raw(r#"{"type":"toolset_2027"}"#)).check().unwrap();
}

#[test]
fn a_count_is_of_the_same_request_without_what_it_does_not_take() {
    let request = base()
        .system("S")
        .stop_sequences(["x"])
        .temperature(1.0)
        .user_id("u")
        .service_tier(ServiceTier::Auto)
        .thinking(Thinking::adaptive())
        .tool(Tool::new("t", json!({})))
        .field("speed", "fast")
        .field("novelty", 1);
    let body = serde_json::to_value(request.for_count()).unwrap();
    let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["messages", "model", "novelty", "speed", "system", "thinking", "tools"]);
}

fn answer(stop: &str, text: &str) -> Message {
    raw(&json!({"id": "msg_1", "role": "assistant", "stop_reason": stop, "content": [{"type": "text", "text": text}]}).to_string())
        .parse()
        .unwrap()
}

#[test]
fn output_is_parsed_only_when_it_is_whole() {
    let whole = r#"{"city":"Oslo","days":null,"unit":"Kelvin"}"#;
    let expected = GetWeather { city: "Oslo".into(), days: None, unit: Unit::Kelvin };
    assert_eq!(answer("end_turn", whole).parse_output::<GetWeather>().unwrap(), expected);
    // Whole JSON, and still not read: the answer was refused or cut.
    assert!(answer("refusal", whole).parse_output::<GetWeather>().unwrap_err().is_refused());
    for stop in ["max_tokens", "model_context_window_exceeded", "pause_turn", "tool_use", "new_reason"] {
        assert!(answer(stop, whole).parse_output::<GetWeather>().unwrap_err().is_unfinished(), "{stop}");
    }
    let error = answer("end_turn", "Sure!").parse_output::<GetWeather>().unwrap_err();
    assert_eq!(error.text(), Some("Sure!"));
    let silent: Message = raw(r#"{"stop_reason":"end_turn","content":[]}"#).parse().unwrap();
    assert!(silent.parse_output::<GetWeather>().is_err());
}

#[test]
fn a_type_asked_for_becomes_a_closed_schema() {
    let body = serde_json::to_value(base().output::<GetWeather>()).unwrap();
    let format = &body["output_config"]["format"];
    assert_eq!(format["type"], "json_schema");
    assert_eq!(format["schema"]["additionalProperties"], false);
}

#[test]
fn unusable_input_is_handed_back() {
    let block = |input: Value| -> ContentBlock {
        serde_json::from_value(
            json!({"type": "tool_use", "id": "t1", "name": "n", "input": input, "toolset_name": "s"}),
        )
        .unwrap()
    };
    let usable = block(json!({"a": 1}));
    assert_eq!(Block::unusable_input(usable.as_tool_use().unwrap()), None);
    let unusable = block(json!("{\"a\": 1"));
    let result = Block::unusable_input(unusable.as_tool_use().unwrap()).unwrap();
    let result = serde_json::to_value(result).unwrap();
    assert_eq!(result["is_error"], true);
    assert_eq!(result["tool_use_id"], "t1");
    assert_eq!(result["toolset_name"], "s");
    let content: Value = serde_json::from_str(result["content"].as_str().unwrap()).unwrap();
    assert_eq!(content, json!({"INVALID_JSON": "\"{\\\"a\\\": 1\""}));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,6}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever is put in comes out, once, and a message read back raw is written the same.
    #[test]
    fn round_trip(
        text in "\\PC*",
        name in "[a-z_]{3,12}",
        value in any_json(),
        member in any_json(),
    ) {
        prop_assume!(!["stream", "model", "thinking", "messages"].contains(&name.as_str()));
        let request = MessageRequest::new("m", 7)
            .user([Block::text(&text).field(name.clone(), &member), Block::of("x")])
            .field(name.clone(), &value);
        prop_assert!(request.check().is_ok());
        let body = serde_json::to_string(&request).unwrap();
        let read: Value = serde_json::from_str(&body).unwrap();
        prop_assert_eq!(&read[&name], &value);
        let expected = if name == "text" { &member } else { &Value::from(text) };
        prop_assert_eq!(&read["messages"][0]["content"][0]["text"], expected);
        prop_assert_eq!(&read["messages"][0]["content"][0][&name], &member);

        #[derive(Deserialize)]
        struct Read { messages: Vec<Raw> }
        let messages: Read = serde_json::from_str(&body).unwrap();
        let again = MessageRequest::new("m", 7)
            .messages(messages.messages.into_iter().map(InputMessage::raw))
            .field(name, &value);
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), body);
    }
}
