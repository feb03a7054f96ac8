//! The hot path gives what the slow path gives, or steps back.

use proptest::prelude::*;

use super::delta;
use crate::Event;

#[track_caller]
fn check(data: &str, taken: bool) {
    let hot = delta(data.as_bytes());
    assert_eq!(hot.is_some(), taken, "{data}");
    if let Some(hot) = hot {
        assert_eq!(
            hot,
            Event::decode_by_name("content_block_delta", data).expect("the slow path reads it"),
            "{data}"
        );
    }
}

#[test]
fn the_usual_forms_are_taken() {
    for (kind, field) in
        [("text_delta", "text"), ("input_json_delta", "partial_json"), ("thinking_delta", "thinking")]
    {
        for text in ["", "Hello", "a \\\"b\\\" \\\\ \\n\\t\\r\\/\\b\\f", "\u{65e5}\u{672c} \u{1f980}"] {
            for pad in ["", " ", "              "] {
                for index in [0, 7, 10, 123_456_789] {
                    check(
                        &format!(
                            r#"{{"type":"content_block_delta","index":{index},"delta":{{"type":"{kind}","{field}":"{text}"}}{pad}}}"#
                        ),
                        true,
                    );
                }
            }
        }
    }
}

#[test]
fn anything_else_goes_the_slow_way() {
    let usual = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#;
    for (from, to) in [
        ("\"a\"", "\"\\u00e9\""),
        ("\"a\"}", "\"a\",\"more\":1}"),
        ("\"a\"}}", "\"a\"},\"more\":1}"),
        ("\"a\"}}", "\"a\"}} x"),
        ("\"a\"}}", "\"a\"}} "),
        ("\"a\"", "\"a long enough text for words of eight bytes\u{2}\""),
        ("\"a\"}}", "\"a\"}"),
        ("\"a\"", "\"a"),
        ("\"a\"", "null"),
        ("\"a\"", "\"\u{1}\""),
        ("\"a\"", "\"\\x\""),
        (":0,", ":00,"),
        (":0,", ":-1,"),
        (":0,", ":1.5,"),
        (":0,", ":99999999999999999999,"),
        ("text_delta", "other_delta"),
        ("{\"type\":\"content", "{ \"type\":\"content"),
    ] {
        check(&usual.replace(from, to), false);
    }
}

/// JSON strings with every kind of escape, and now and then something that is no JSON.
fn string_body() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        2 => "[a-z ]{60,80}",
        6 => "[a-zA-Z ,.{}:\u{e9}\u{65e5}\u{1f980}]{0,12}",
        2 => prop::sample::select(vec!["\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\ud83e\\udd80", "\\t"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["\\", "\"", "\u{1}", "\\ud83e", "\\x", "\n"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn hot_equals_slow(
        body in string_body(),
        kind in prop::sample::select(vec![("text_delta", "text"), ("input_json_delta", "partial_json"), ("thinking_delta", "thinking"), ("text_delta", "thinking")]),
        index in prop_oneof![(0u64..40).prop_map(|n| n.to_string()), "[0-9]{1,20}"],
        pads in (" {0,3}", " {0,3}"),
    ) {
        let data = format!(r#"{{"type":"content_block_delta","index":{index},"delta":{{"type":"{}","{}":"{body}"}}{}}}{}"#, kind.0, kind.1, pads.0, pads.1);
        if let Some(hot) = delta(data.as_bytes()) {
            prop_assert_eq!(Some(hot), Event::decode_by_name("content_block_delta", &data).ok());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..80)) {
        let usual = br#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""#;
        let _ = delta(&data);
        let _ = delta(&[&usual[..], &data].concat());
    }
}
