//! Partial tool input by example: what shows when, what is refused where, and what a push says it changed.

use perennial_protocol::{Change, JsonKind, MaxDepth, PartialErrorKind, PartialJson, Segment};
use serde_json::{Value, json};

/// What shows after `text`, in one piece and byte by byte; `None` where there is nothing to show.
#[track_caller]
fn check_shown(text: &str, shown: Option<&Value>) {
    let mut whole = PartialJson::new();
    whole.push(text);
    assert_eq!(whole.error(), None, "{text}");
    assert_eq!(whole.value(), shown, "{text}");

    let mut pieces = PartialJson::new();
    for char in text.chars() {
        pieces.push(char.encode_utf8(&mut [0; 4]));
    }
    assert_eq!(pieces.value(), shown, "{text}, in pieces");
}

#[test]
fn shows_what_is_certain() {
    for (text, shown) in [
        ("", None),
        (" \n", None),
        ("{", Some(json!({}))),
        (r#"{"a"#, Some(json!({}))),
        (r#"{"a""#, Some(json!({}))),
        (r#"{"a":"#, Some(json!({}))),
        (r#"{"a":""#, Some(json!({"a": ""}))),
        (r#"{"a":"b"#, Some(json!({"a": "b"}))),
        (r#"{"a":"b","c"#, Some(json!({"a": "b"}))),
        (r#"{"a":t"#, Some(json!({}))),
        (r#"{"a":true"#, Some(json!({"a": true}))),
        (r#"{"a":[{"b":[null"#, Some(json!({"a": [{"b": [null]}]}))),
        ("[1", Some(json!([]))),
        ("[1,", Some(json!([1]))),
        ("[1.5e3]", Some(json!([1500.0]))),
        ("[-0, 18446744073709551616]", Some(json!([-0.0, 18446744073709551616.0]))),
        ("12", None),
        ("12 ", Some(json!(12))),
        (r#""a"#, Some(json!("a"))),
    ] {
        check_shown(text, shown.as_ref());
    }
}

#[test]
fn shows_an_escape_when_it_is_whole() {
    for (text, shown) in [
        (r#""a\"#, "a"),
        (r#""a\n"#, "a\n"),
        (r#""a\"b\\c\/d\b\f\r\t""#, "a\"b\\c/d\u{8}\u{c}\r\t"),
        (r#""a\u00"#, "a"),
        (r#""a\u00e9"#, "aé"),
        (r#""a\u00E9""#, "aé"),
        (r#""a\ud83d"#, "a"),
        (r#""a\ud83d\ude0"#, "a"),
        (r#""a\ud83d\ude00"#, "a😀"),
        // The other half cannot come any more.
        (r#""a\ud83db"#, "a\u{fffd}b"),
        (r#""a\ud83d\n"#, "a\u{fffd}\n"),
        (r#""a\ud83d\u0041"#, "a\u{fffd}A"),
        (r#""a\ud83d\ud83d\ude00"#, "a\u{fffd}😀"),
        (r#""a\ud83d""#, "a\u{fffd}"),
        (r#""a\ude00"#, "a\u{fffd}"),
    ] {
        check_shown(text, Some(&json!(shown)));
    }
}

#[test]
fn a_repeated_key_replaces_at_once_and_keeps_its_place_in_the_end() {
    for (text, shown) in [
        (r#"{"a":1,"b":2,"a":3"#, r#"{"a":1,"b":2}"#),
        (r#"{"a":1,"b":2,"a":3,"#, r#"{"a":3,"b":2}"#),
        (r#"{"a":1,"b":2,"c":3,"a":"x"#, r#"{"c":3,"b":2,"a":"x"}"#),
        (r#"{"a":1,"b":2,"c":3,"a":"x"}"#, r#"{"a":"x","b":2,"c":3}"#),
        (r#"{"a":1,"b":2,"a":[],"b":{"c":1},"d":4,"b":5}"#, r#"{"a":[],"b":5,"d":4}"#),
        (r#"{"":{"":1,"":[1,2]},"":{"":"#, r#"{"":{}}"#),
    ] {
        let mut json = PartialJson::new();
        json.push(text);
        assert_eq!(json.value().unwrap().to_string(), shown, "{text}");
    }
}

#[test]
fn refuses_with_place_and_reason() {
    for (text, kept, error) in [
        ("x", "null", "found 'x' at byte 0, expected a value"),
        ("{x", "{}", "found 'x' at byte 1, expected a key in quotes or }"),
        ("{,", "{}", "found ',' at byte 1, expected a key in quotes or }"),
        (r#"{"a" 1"#, "{}", "found '1' at byte 5, expected a colon after the key"),
        (r#"{"a":1,}"#, r#"{"a":1}"#, "found '}' at byte 7, expected a key in quotes"),
        (r#"{"a":1]"#, r#"{"a":1}"#, "found ']' at byte 6, expected a comma or }"),
        ("[,", "[]", "found ',' at byte 1, expected a value or ]"),
        ("[1,]", "[1]", "found ']' at byte 3, expected a value"),
        ("[1 é", "[1]", "found 'é' at byte 3, expected a comma or ]"),
        ("[trux", "[]", "found 'x' at byte 4, expected true"),
        ("[01", "[]", "found '1' at byte 2, expected no digit after a leading zero"),
        ("[-x", "[]", "found 'x' at byte 2, expected a digit"),
        ("[1.]", "[]", "found ']' at byte 3, expected a digit"),
        ("[1e]", "[]", "found ']' at byte 3, expected a sign or a digit of the exponent"),
        ("[1, 1e999 ]", "[1]", "the number at byte 4 is out of range"),
        (
            "[\"a\nb",
            r#"["a"]"#,
            "found '\\n' at byte 3, expected control characters in a string to be escaped",
        ),
        (r#"["é\é"#, r#"["é"]"#, "found 'é' at byte 5, expected an escape: one of \" \\ / b f n r t u"),
        (r#"["\u00g"#, r#"[""]"#, "found 'g' at byte 6, expected four hexadecimal digits after \\u"),
        ("{} x", "{}", "found 'x' at byte 3, expected nothing after the value"),
        ("\u{feff}{}", "null", "found '\\u{feff}' at byte 0, expected a value"),
    ] {
        for size in [1, text.len()] {
            let mut json = PartialJson::new();
            for piece in text.chars().collect::<Vec<_>>().chunks(size) {
                json.push(&piece.iter().collect::<String>());
            }
            assert_eq!(json.error().map(ToString::to_string).as_deref(), Some(error), "{text}");
            assert_eq!(json.value().unwrap_or(&Value::Null).to_string(), kept, "{text}");
            assert!(!json.is_complete(), "{text}");
            let before = json.value().cloned();
            assert!(json.push("]}\"").is_empty(), "{text}");
            assert_eq!(json.value(), before.as_ref(), "{text}");
        }
    }
}

#[test]
fn depth_is_limited() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    for (limit, levels, fits) in
        [(MaxDepth::default(), 127, true), (MaxDepth::default(), 128, false), (MaxDepth::new(2), 3, false)]
    {
        let mut json = PartialJson::with_max_depth(limit);
        json.push(&nested(levels));
        assert_eq!(json.is_complete(), fits, "{levels} levels");
        let error = json.error().map(|error| (error.kind(), error.offset()));
        let wanted = (!fits).then(|| (PartialErrorKind::Depth, usize::from(limit.levels())));
        assert_eq!(error, wanted, "{levels} levels");
    }
    assert!(serde_json::from_str::<Value>(&nested(127)).is_ok());
    assert!(serde_json::from_str::<Value>(&nested(128)).is_err());
}

#[test]
fn the_end_decides_over_a_lone_number_and_names_a_cut() {
    for (text, complete, value) in [
        ("12", true, Some(json!(12))),
        ("1.", false, None),
        ("[1", false, Some(json!([]))),
        ("", false, None),
        (r#"{"a":"b"#, false, Some(json!({"a": "b"}))),
        ("{} ", true, Some(json!({}))),
    ] {
        let mut json = PartialJson::new();
        json.push(text);
        json.finish();
        assert_eq!(json.is_complete(), complete, "{text}");
        let error = json.error().map(|error| (error.kind(), error.offset()));
        assert_eq!(error, (!complete).then_some((PartialErrorKind::Truncated, text.len())), "{text}");
        assert_eq!(json.into_value(), value, "{text}");
    }
}

#[test]
fn garbage_after_the_end_takes_completeness_back() {
    let mut json = PartialJson::new();
    json.push(r#"{"a":1}"#);
    assert!(json.is_complete());
    json.push("\n ");
    assert!(json.is_complete());
    json.push("{");
    assert!(!json.is_complete());
    assert_eq!(json.error().map(|error| (error.kind(), error.offset())), Some((PartialErrorKind::Syntax, 9)));
    assert_eq!(json.value(), Some(&json!({"a": 1})));
}

/// A change in short: path, text in quotes for strings, `+` for new, `.` for final.
fn brief(change: &Change<'_>) -> String {
    let text = if change.kind() == JsonKind::String { format!("{:?}", change.text()) } else { String::new() };
    let (new, last) = (if change.is_new() { "+" } else { "" }, if change.is_final() { "." } else { "" });
    format!("{}{text}{new}{last}", change.path())
}

#[test]
fn growth_tells_what_a_fragment_changed() {
    let mut json = PartialJson::new();
    for (fragment, changes) in [
        ("", vec![]),
        (r#"{"pa"#, vec!["+"]),
        (r#"th":"#, vec![]),
        (r#" ""#, vec![r#"/path""+"#]),
        ("src/", vec![r#"/path"src/""#]),
        (r"m\", vec![r#"/path"m""#]),
        ("n", vec![r#"/path"\n""#]),
        (r"\", vec![]),
        ("u002", vec![]),
        ("0", vec![r#"/path" ""#]),
        (r#"", "#, vec![r#"/path""."#]),
        (r#""edits": [{"at": 1"#, vec!["/edits+", "/edits/0+"]),
        (r#"2, "a~/b": "new"}, "#, vec!["/edits/0/at+.", r#"/edits/0/a~0~1b"new"+."#, "/edits/0."]),
        (r#"[], tr"#, vec!["/edits/1+."]),
        ("ue]}", vec!["/edits/2+.", "/edits.", "."]),
        (" ", vec![]),
        ("!", vec![]),
    ] {
        let growth = json.push(fragment);
        assert_eq!(growth.changes().map(|change| brief(&change)).collect::<Vec<_>>(), changes, "{fragment}");
        assert_eq!(growth.is_empty(), changes.is_empty(), "{fragment}");
    }
}

/// Keys of earlier pushes are thrown away from time to time; those in use must survive it.
#[test]
fn paths_stay_right_over_many_keys() {
    let members: Vec<_> =
        (0..400).map(|i| format!(r#""member number {i:04}":{{"inner":["x{i}"]}}"#)).collect();
    let text = format!(r#"{{"outermost":[{{{}}}]}}"#, members.join(","));
    for size in [1, 3, 10, 64, 1000] {
        let mut json = PartialJson::new();
        let mut paths = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            let growth = json.push(str::from_utf8(piece).unwrap());
            let strings =
                growth.changes().filter(|change| change.kind() == JsonKind::String && change.is_final());
            paths.extend(strings.map(|change| change.path().to_string()));
        }
        let wanted: Vec<_> = (0..400).map(|i| format!("/outermost/0/member number {i:04}/inner/0")).collect();
        assert_eq!(paths, wanted, "in pieces of {size}");
        assert_eq!(json.value(), Some(&serde_json::from_str(&text).unwrap()), "in pieces of {size}");
    }
}

#[test]
fn a_path_finds_its_value_and_can_be_matched() {
    let mut json = PartialJson::new();
    let growth = json.push(r#"{"items": [{"name": "a"}, {"name": "b"#);
    let names: Vec<_> = growth
        .changes()
        .filter(|change| {
            matches!(
                change.path().segments()[..],
                [Segment::Key("items"), Segment::Index(_), Segment::Key("name")]
            )
        })
        .map(|change| (change.value().and_then(Value::as_str), change.is_final()))
        .collect();
    assert_eq!(names, [(Some("a"), true), (Some("b"), false)]);
    assert_eq!(growth.value(), Some(&json!({"items": [{"name": "a"}, {"name": "b"}]})));
    assert_eq!(growth.changes().len(), json.growth().changes().len());
}
