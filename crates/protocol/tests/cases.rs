//! The sequence, content and usage cases of `protocol.md` §7, by number.

use perennial_protocol::{
    BlockStatus, ContentBlock, Delta, Effect, End, Event, EventDecoder, Ignored, InputFault, Place,
    StopReason, ToolInput, Transcript,
};

fn events(body: &str) -> Vec<Event<'static>> {
    let mut decoder = EventDecoder::new();
    let mut input = body.as_bytes();
    let mut events = Vec::new();
    while let Some(received) = decoder.next_event(&mut input) {
        events.extend(received.expect("readable").event.map(Event::into_owned));
    }
    events
}

/// Writes events given as JSON, named by their type, and folds them.
fn fold(events: &[&str]) -> (Transcript, Vec<Effect>) {
    let body: String = events.iter().map(|json| format!("data: {json}\n\n")).collect();
    let mut transcript = Transcript::new();
    let effects = self::events(&body).iter().map(|event| transcript.apply(event)).collect();
    (transcript, effects)
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","role":"assistant","model":"m","content":[],"usage":{"input_tokens":10,"output_tokens":1}}}"#;
const TEXT: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const TOOL: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}"#;
const HI: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
const STOP0: &str = r#"{"type":"content_block_stop","index":0}"#;
const END_TURN: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;
const PING: &str = r#"{"type":"ping"}"#;
const ERROR: &str = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;

fn input(json: &str) -> String {
    let piece = serde_json::to_string(json).expect("JSON");
    format!(
        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"input_json_delta","partial_json":{piece}}}}}"#
    )
}

fn tool_input(pieces: &[&str], stop_reason: &str) -> ToolInput {
    let pieces: Vec<String> = pieces.iter().map(|piece| input(piece)).collect();
    let end = END_TURN.replace("end_turn", stop_reason);
    let mut events = vec![START, TOOL];
    events.extend(pieces.iter().map(String::as_str));
    events.extend([STOP0, &end, STOP]);
    match fold(&events).0.into_message().content.remove(0) {
        ContentBlock::ToolUse(call) => call.input,
        other => panic!("{other:?}"),
    }
}

#[test]
fn case_18_pings_anywhere_change_nothing() {
    let (plain, _) = fold(&[START, TEXT, HI, STOP0, END_TURN, STOP]);
    let (pings, effects) =
        fold(&[PING, START, PING, TEXT, PING, HI, PING, STOP0, PING, END_TURN, PING, STOP, PING]);
    assert_eq!(plain.message(), pings.message());
    assert_eq!(pings.end(), End::Complete { stop_reason: Some(StopReason::EndTurn) });
    assert_eq!(effects.iter().filter(|effect| **effect == Effect::Nothing).count(), 7);
}

#[test]
fn case_19_unknown_events_are_kept() {
    for body in [
        "event: later\ndata: not json\n\n",
        "event: later\ndata: {\"type\":\"later\",\"n\":1.50}\n\n",
        "data: {\"type\":\"later\"}\n\n",
    ] {
        let [Event::Unknown(event)] = &events(body)[..] else { panic!("{body}") };
        assert_eq!(event.name, "later");
        assert!(body.contains(&*event.data));
    }
}

#[test]
fn case_10_to_13_names_types_and_markers() {
    assert_eq!(events("data: {\"type\":\"ping\"}\n\n"), [Event::Ping]);
    assert_eq!(events("event: ping\ndata: anything\n\n"), [Event::Ping]);
    assert_eq!(events("event: ping\ndata: {\"type\":\"message_stop\"}\n\n"), [Event::MessageStop]);
    assert_eq!(
        events("event: content_block_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
        [Event::MessageStop]
    );
    assert_eq!(events("data: [DONE]\n\nevent: ping\n\nevent: message_stop\ndata:\n\n: comment\n\n"), []);
}

/// A byte that breaks the word `data`, or the name, must not take a delta along without a word.
#[test]
fn an_event_whose_data_is_gone_is_an_error() {
    let lost = |body: &[u8]| {
        let mut decoder = EventDecoder::new();
        let error = decoder.next_event(&mut &body[..]).unwrap().err();
        error.is_some_and(|error| error.is_without_data())
    };
    for body in [
        &b"event: content_block_delta\n\n"[..],
        b"event: message_stop\nda\xffta: {}\n\n",
        b"event: content_bl\xff\n\n",
    ] {
        assert!(lost(body), "{body:?}");
    }
    for body in
        [&b"event: ping\n\n"[..], b"event: news\n\n", b": content_block_delta\n\n", b"data: [DONE]\n\n"]
    {
        assert!(!lost(body), "{body:?}");
    }
}

#[test]
fn case_14_only_a_whole_message_stop_counts_without_its_blank_line() {
    for (last, finished) in [
        ("event: message_stop\ndata: {\"type\":\"message_stop\"}", true),
        ("event: ping\ndata: {\"type\":\"ping\"}", false),
        ("event: message_stop\ndata: {\"type\":", false),
    ] {
        let mut decoder = EventDecoder::new();
        let mut input = last.as_bytes();
        assert!(decoder.next_event(&mut input).is_none());
        assert_eq!(decoder.finish().is_some(), finished, "{last}");
    }
}

#[test]
fn case_20_21_unknown_blocks_and_deltas_are_kept() {
    let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"later","n":1.50}}"#;
    let delta = r#"{"type":"content_block_delta","index":0,"delta":{"type":"later_delta","x":[1]}}"#;
    let (transcript, _) = fold(&[START, start, delta, HI, STOP0, END_TURN, STOP]);
    let ContentBlock::Other(block) = &transcript.message().content[0] else { panic!("not kept") };
    assert_eq!((block.kind.as_str(), block.start.get()), ("later", r#"{"type":"later","n":1.50}"#));
    let deltas: Vec<&str> = block.deltas.iter().map(|raw| raw.get()).collect();
    assert_eq!(deltas, [r#"{"type":"later_delta","x":[1]}"#, r#"{"type":"text_delta","text":"Hi"}"#]);
    let (transcript, _) = fold(&[START, TEXT, HI, delta, HI, STOP0]);
    assert_eq!(transcript.text(), "HiHi");
    assert_eq!(transcript.unknown_deltas(0)[0].get(), r#"{"type":"later_delta","x":[1]}"#);
}

#[test]
fn case_23_blocks_are_keyed_by_index() {
    let at = |json: &str, index: u64| json.replace("\"index\":0", &format!("\"index\":{index}"));
    let say = |index: u64, text: &str| at(HI, index).replace("Hi", text);
    let events = [
        at(TEXT, 4),
        at(TEXT, 1),
        say(1, "a"),
        say(4, "c"),
        say(1, "b"),
        at(STOP0, 1),
        say(4, "d"),
        at(STOP0, 4),
    ];
    let mut all = vec![START];
    all.extend(events.iter().map(String::as_str));
    let (transcript, _) = fold(&all);
    assert_eq!(transcript.indices().collect::<Vec<_>>(), [1, 4]);
    assert_eq!(transcript.text(), "abcd");
}

#[test]
fn case_24_25_27_what_does_not_fit_is_left_out_and_said() {
    let (_, effects) = fold(&[
        HI,
        START,
        HI,
        STOP0,
        TEXT,
        TEXT,
        input("x").as_str(),
        STOP0,
        STOP0,
        HI,
        START,
        END_TURN,
        STOP,
        HI,
        ERROR,
    ]);
    let ignored: Vec<Ignored> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Ignored(why) => Some(*why),
            _ => None,
        })
        .collect();
    assert_eq!(
        ignored,
        [
            Ignored::BeforeStart,
            Ignored::NoSuchBlock,
            Ignored::NoSuchBlock,
            Ignored::BlockTaken,
            Ignored::DoesNotFit,
            Ignored::BlockFinished,
            Ignored::BlockFinished,
            Ignored::SecondStart,
            Ignored::AfterEnd,
            Ignored::AfterEnd,
        ]
    );
}

#[test]
fn case_26_a_missing_block_stop_is_flagged() {
    let (transcript, _) = fold(&[START, TEXT, HI, END_TURN, STOP]);
    assert_eq!(transcript.block_status(0), Some(BlockStatus::ClosedByWhatFollowed));
    assert!(transcript.end().is_complete());
}

#[test]
fn case_27_another_message_cuts_the_first() {
    let other = START.replace("msg_1", "msg_2");
    let (transcript, _) = fold(&[START, TEXT, HI, &other, TEXT, HI, STOP0, END_TURN, STOP]);
    assert_eq!(transcript.text(), "Hi");
    assert!(matches!(transcript.end(), End::Truncated(_)), "{}", transcript.end());
}

#[test]
fn case_29_31_ends() {
    let place = |events: &[&str]| match fold(events).0.end() {
        End::Truncated(truncation) => truncation.place,
        other => panic!("{other}"),
    };
    assert_eq!(place(&[]), Place::BeforeStart);
    assert_eq!(place(&[PING]), Place::BeforeStart);
    assert_eq!(place(&[START]), Place::BeforeContent);
    assert_eq!(place(&[START, TEXT, HI]), Place::InBlock { index: 0, kind: "text".to_owned() });
    assert_eq!(place(&[START, TEXT, HI, STOP0]), Place::BetweenBlocks);
    assert_eq!(place(&[START, TEXT, HI, STOP0, END_TURN]), Place::BeforeStop);
    for events in [
        &[ERROR][..],
        &[START, ERROR],
        &[START, TEXT, HI, ERROR],
        &[START, TEXT, HI, STOP0, END_TURN, ERROR, STOP],
    ] {
        assert!(matches!(fold(events).0.end(), End::Failed(_)));
    }
    assert!(fold(&[START, END_TURN, STOP, ERROR]).0.end().is_complete());
}

#[test]
fn case_30_errors_in_any_form() {
    for (data, kind, message) in [
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded","details":null}}"#,
            "overloaded_error",
            "Overloaded",
        ),
        (
            r#"{"type":"error","error":{"type":"new_error","message":"m"},"request_id":null}"#,
            "new_error",
            "m",
        ),
        ("upstream went away", "api_error", "upstream went away"),
        ("{}", "api_error", "{}"),
    ] {
        let [Event::Error(error)] = &events(&format!("event: error\ndata: {data}\n\n"))[..] else {
            panic!("{data}")
        };
        assert_eq!((error.kind.as_str(), error.message.as_str()), (kind, message));
    }
}

#[test]
fn case_35_thinking_is_kept_to_the_byte() {
    let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#;
    let bare = r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking"}}"#;
    let sign = |signature: &str| {
        format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"signature_delta","signature":"{signature}"}}}}"#
        )
    };
    let (transcript, _) = fold(&[START, start, &sign("one"), &sign("two+/="), STOP0]);
    let written = serde_json::to_string(&transcript.message().content[0]).expect("JSON");
    assert_eq!(written, r#"{"type":"thinking","thinking":"","signature":"two+/="}"#);
    let (transcript, _) = fold(&[START, bare, &sign("s"), STOP0]);
    assert_eq!(
        serde_json::to_string(&transcript.message().content[0]).expect("JSON"),
        r#"{"type":"thinking","signature":"s"}"#
    );
}

#[test]
fn case_37_38_tool_input() {
    let whole = |input: &ToolInput| input.json().map(|raw| raw.get().to_owned());
    let fault = |input: &ToolInput| match input {
        ToolInput::Unusable { fault, .. } => Some(*fault),
        _ => None,
    };
    for (pieces, expected) in [
        (&[][..], "{}"),
        (&[""], "{}"),
        (&["", "{\"a\"", ": 12345678901234567890.50", "}"], "{\"a\": 12345678901234567890.50}"),
        (&["{\"a\":\"\\u00", "e9\"}"], "{\"a\":\"\\u00e9\"}"),
        (&["{\"a\":1,\"a\":2}"], "{\"a\":1,\"a\":2}"),
        (&["{\"a\":\"\\ud83d\"}"], "{\"a\":\"\\ud83d\"}"),
    ] {
        assert_eq!(whole(&tool_input(pieces, "tool_use")).as_deref(), Some(expected));
    }
    for (pieces, stop_reason, expected) in [
        (&["{\"a\": 1"][..], "tool_use", InputFault::Truncated),
        (&["{\"a\": 1"], "max_tokens", InputFault::Truncated),
        (&[""], "max_tokens", InputFault::Truncated),
        (&["[1]"], "tool_use", InputFault::NotAnObject),
        (&["{} x"], "tool_use", InputFault::NotJson),
        (&["{\"a\": x}"], "tool_use", InputFault::NotJson),
    ] {
        let input = tool_input(pieces, stop_reason);
        assert_eq!(fault(&input), Some(expected), "{pieces:?}");
        assert_eq!(input.text(), pieces.concat());
        let written = serde_json::to_value(&input).expect("JSON");
        assert_eq!(written, serde_json::json!({"INVALID_JSON": pieces.concat()}));
    }
    // Input given at the start stays, and fragments replace it.
    let preset = TOOL.replace("{}}", "{\"p\":1}}");
    let (transcript, _) = fold(&[START, &preset, STOP0]);
    assert_eq!(
        transcript.message().tool_calls().next().and_then(|call| whole(&call.input)).as_deref(),
        Some("{\"p\":1}")
    );
    let (transcript, _) = fold(&[START, &preset, &input("{\"q\":2}"), STOP0]);
    assert_eq!(
        transcript.message().tool_calls().next().and_then(|call| whole(&call.input)).as_deref(),
        Some("{\"q\":2}")
    );
}

#[test]
fn an_unfinished_call_is_not_executable() {
    let (transcript, _) = fold(&[START, TOOL, &input("{\"a\":1}")]);
    assert_eq!(transcript.message().tool_calls().count(), 0);
    assert_eq!(transcript.into_message().tool_calls().count(), 0);
    let (transcript, _) = fold(&[START, TOOL, &input("{\"a\":1}"), STOP0]);
    assert_eq!(transcript.message().tool_calls().count(), 1);
}

#[test]
fn case_41_compaction_is_set() {
    let start =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"compaction","content":"old"}}"#;
    let delta = r#"{"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":"new","encrypted_content":"e"}}"#;
    let (transcript, _) = fold(&[START, start, delta, STOP0]);
    let written = serde_json::to_string(&transcript.message().content[0]).expect("JSON");
    assert_eq!(written, r#"{"type":"compaction","content":"new","encrypted_content":"e"}"#);
    let (transcript, _) = fold(&[START, start, &delta.replace("\"new\"", "null"), STOP0]);
    assert!(
        matches!(&transcript.message().content[0], ContentBlock::Compaction(block) if block.content.is_none())
    );
}

#[test]
fn case_42_43_fallback_and_refusal_forbid_earlier_calls() {
    let fallback = r#"{"type":"content_block_start","index":1,"content_block":{"type":"fallback","from":{"model":"m"},"to":{"model":"n"}}}"#;
    let stop1 = r#"{"type":"content_block_stop","index":1}"#;
    let (transcript, _) = fold(&[START, TOOL, &input("{}"), STOP0, fallback, stop1, END_TURN, STOP]);
    let message = transcript.message();
    assert_eq!((message.tool_calls().count(), message.model.as_str()), (0, "n"));
    let kinds: Vec<String> = message.to_turn().content.iter().map(|block| block.kind().to_owned()).collect();
    assert_eq!(kinds, ["fallback"]);
    let refusal = END_TURN.replace("end_turn", "refusal");
    let (transcript, _) = fold(&[START, TOOL, STOP0, &refusal, STOP]);
    assert_eq!((transcript.message().tool_calls().count(), transcript.end()), (0, End::Refused));
}

#[test]
fn case_44_usage_is_overwritten_and_null_never_erases() {
    let usage =
        |json: &str| format!(r#"{{"type":"message_delta","delta":{{"stop_reason":null}},"usage":{json}}}"#);
    let (transcript, _) = fold(&[
        START,
        END_TURN,
        &usage(r#"{"output_tokens":40,"input_tokens":null,"cache_read_input_tokens":7}"#),
        &usage(r#"{"output_tokens":41,"input_tokens":300,"cache_read_input_tokens":null}"#),
        r#"{"type":"message_delta","delta":{}}"#,
        STOP,
    ]);
    let message = transcript.message();
    assert_eq!(message.stop_reason, Some(StopReason::EndTurn));
    let usage = message.usage;
    assert_eq!(
        (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens),
        (Some(300), Some(41), Some(7))
    );
    assert_eq!(usage.total_input_tokens(), 307);
    let (transcript, _) = fold(&[r#"{"type":"message_start","message":{"id":"x"}}"#, STOP]);
    assert_eq!(transcript.message().usage.output_tokens, None);
}

#[test]
fn case_46_members_that_come_late() {
    let late = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","container":{"id":"c","expires_at":"t"}},"usage":{"output_tokens":1},"context_management":{"applied_edits":[]}}"#;
    let message = fold(&[START, late, STOP]).0.message();
    assert_eq!(message.container.map(|container| container.id).as_deref(), Some("c"));
    assert_eq!(
        message.context_management.map(|raw| raw.get().to_owned()).as_deref(),
        Some("{\"applied_edits\":[]}")
    );
}

#[test]
fn a_character_cut_between_two_deltas_is_whole_again() {
    let say = |text: &str| HI.replace("Hi", text);
    let text = |pieces: &[&str]| {
        let pieces: Vec<String> = pieces.iter().map(|piece| say(piece)).collect();
        let mut events = vec![START, TEXT];
        events.extend(pieces.iter().map(String::as_str));
        fold(&events).0.text()
    };
    assert_eq!(text(&["a\\ud83e", "\\udd80b"]), "a\u{1f980}b");
    assert_eq!(text(&["\\ud83e", "b"]), "\u{fffd}b");
    assert_eq!(text(&["a", "\\udd80"]), "a\u{fffd}");
    assert_eq!(text(&["\\ud83ex\\udd80", "\\\\ud83e"]), "\u{fffd}x\u{fffd}\\ud83e");
    assert_eq!(text(&["\\ud83e\\ud83e", "\\udd80"]), "\u{fffd}\u{1f980}");
}

#[test]
fn partial_input_is_there_at_every_delta() {
    let body: String = [START, TOOL, &input("{\"city\": \"Ly"), &input("on\", \"n\": 4")]
        .iter()
        .map(|json| format!("data: {json}\n\n"))
        .collect();
    let mut transcript = Transcript::new().following_inputs();
    for event in events(&body) {
        transcript.apply(&event);
    }
    let value = transcript.partial_input(0).and_then(|partial| partial.value()).expect("a value");
    assert_eq!(value["city"], "Lyon");
    assert_eq!(transcript.input_text(0), Some("{\"city\": \"Lyon\", \"n\": 4"));
}

#[test]
fn deltas_know_their_kind() {
    let [Event::ContentBlockDelta { delta, .. }] = &events(&format!("data: {HI}\n\n"))[..] else {
        panic!("a delta")
    };
    assert_eq!((delta.kind().as_ref(), delta), ("text_delta", &Delta::Text("Hi".into())));
}
