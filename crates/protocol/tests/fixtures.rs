//! Recorded and hand-written streams against what the official Python SDK (2.10.0) makes of them.
//!
//! Nulls are left out of the comparison on both sides: the SDK writes every field it knows, we write what came. Everything else must be
//! equal, save what [`DEPARTURES`] lists: the places where the SDK is wrong (`protocol.md` §3.9), and what we do instead.

mod support;

use std::fs;

use perennial_protocol::{End, Rule};
use serde_json::Value;
use support::{Stream, fixtures, fold, lint, streams};

/// Streams whose result differs from the SDK's on purpose: the members that differ, ours ("..." stands for a member that
/// [`the_first_of_several_messages_stands`] looks at), and why.
const DEPARTURES: &[(&str, &[(&str, &str)])] = &[
    // Several messages in one body: the SDK writes the later ones into the first, text, usage and all. The first one ended
    // with its `message_stop`; what follows is no part of it.
    (
        "tool_search-vercel-tool_search_bm25_1",
        &[("/content", "..."), ("/stop_reason", "..."), ("/usage", "...")],
    ),
    (
        "tool_search-vercel-tool_search_deferred_bm25",
        &[("/content", "..."), ("/stop_reason", "..."), ("/usage", "...")],
    ),
    (
        "tool_search-vercel-tool_search_deferred_regex",
        &[("/content", "..."), ("/stop_reason", "..."), ("/usage", "...")],
    ),
    // A block after `message_stop`: the same.
    ("own-events_after_message_stop", &[("/content/0/text", "\"Hello, world.\"")]),
    // Another message begins in the middle of the first: the SDK mixes both into `{"value":"Spark{"}` and calls it complete. Ours is
    // the first message, cut, with its call marked unusable.
    (
        "vercel-spliced_message_start",
        &[
            ("/content/0/thinking", "\"I will call the tool.\""),
            ("/content/0/signature", "\"sig-first\""),
            ("/content/1/input", r#"{"INVALID_JSON":"{\"value\":\"Spark"}"#),
            ("/content/2", "-"),
            ("/content/2", "-"),
            ("/stop_reason", "null"),
            ("/usage/output_tokens", "1"),
        ],
    ),
    // Tool input that `max_tokens` cut: the SDK hands out the part that parses as if it were the input. Ours keeps the text, marked.
    (
        "own-tool_input_cut_by_max_tokens",
        &[("/content/1/input", r#"{"INVALID_JSON":"{\"location\": \"Paris\", \"unit"}"#)],
    ),
    ("sdkpy-incomplete_partial_json_response", &[("/content/1/input", "...")]),
    // The SDK renames `from`, a word of Python, in its dump.
    (
        "sdkpy-fallback_response",
        &[("/content/0/from", r#"{"model":"claude-opus-4-7"}"#), ("/content/0/from_", "null")],
    ),
    (
        "vercel-fallback",
        &[("/content/0/from", r#"{"model":"claude-fable-5"}"#), ("/content/0/from_", "null")],
    ),
];

/// How the streams end that do not end complete.
const ENDS: &[(&str, &str)] = &[
    ("own-error_after_message_delta", "failed: overloaded_error: Overloaded"),
    ("own-error_after_message_start", "failed: overloaded_error: Overloaded"),
    ("own-error_api_error_midstream_padded", "failed: api_error: Internal server error"),
    ("own-error_first_event", "failed: overloaded_error: Overloaded"),
    ("own-error_in_thinking", "failed: overloaded_error: Overloaded"),
    ("own-error_in_tool_input", "failed: overloaded_error: Overloaded"),
    ("own-error_overloaded_midstream", "failed: overloaded_error: Overloaded"),
    ("own-no_message_start", "truncated: nothing of the answer came"),
    ("own-truncated_at_event_boundary", "truncated in content block 0 (text)"),
    (
        "own-truncated_before_message_stop",
        "truncated before message_stop; the content is whole (stop reason end_turn)",
    ),
    ("own-truncated_inside_event", "truncated in content block 0 (text)"),
    ("own-truncated_inside_utf8", "truncated in content block 0 (text)"),
    ("sdkpy-refusal_response", "refused"),
    ("sdkpy-stream-a-refusal", "refused"),
    ("sdkpy-stream-a-toolrefusal", "refused"),
    ("vercel-refusal", "refused"),
    ("vercel-spliced_message_start", "truncated in content block 1 (tool_use)"),
];

/// What the lint finds, as (event, rule). All other streams have no finding, recorded ones above all.
const FINDINGS: &[(&str, &[(u64, Rule)])] = &[
    ("own-bad_json_data", &[(6, Rule::Unreadable)]),
    ("own-blocks_interleaved", &[(3, Rule::BlocksOverlap)]),
    ("own-delta_without_start", &[(2, Rule::NoSuchBlock), (3, Rule::NoSuchBlock)]),
    ("own-events_after_message_stop", &[(11, Rule::AfterEnd)]),
    (
        "own-no_event_names",
        &[
            (1, Rule::NameMissing),
            (2, Rule::NameMissing),
            (3, Rule::NameMissing),
            (4, Rule::NameMissing),
            (5, Rule::NameMissing),
            (6, Rule::NameMissing),
            (7, Rule::NameMissing),
            (8, Rule::NameMissing),
            (9, Rule::NameMissing),
        ],
    ),
    ("own-no_final_blank_line", &[(9, Rule::Incomplete)]),
    ("own-no_final_newline", &[(9, Rule::Incomplete)]),
    (
        "own-no_message_start",
        &[
            (1, Rule::StartMissing),
            (2, Rule::StartMissing),
            (3, Rule::StartMissing),
            (4, Rule::StartMissing),
            (5, Rule::StartMissing),
            (6, Rule::StopMissing),
        ],
    ),
    ("own-truncated_at_event_boundary", &[(6, Rule::StopMissing)]),
    ("own-truncated_before_message_stop", &[(8, Rule::StopMissing)]),
    ("own-truncated_inside_event", &[(6, Rule::Incomplete), (6, Rule::StopMissing)]),
    ("own-truncated_inside_utf8", &[(3, Rule::Incomplete), (3, Rule::StopMissing)]),
    ("sdkpy-basic_response", &[(9, Rule::Incomplete)]),
    ("sdkpy-compaction_response", &[(10, Rule::Incomplete)]),
    ("sdkpy-context_management_response", &[(6, Rule::Incomplete)]),
    ("sdkpy-fallback_credit_response", &[(6, Rule::Incomplete)]),
    ("sdkpy-fallback_response", &[(8, Rule::Incomplete)]),
    ("sdkpy-incomplete_partial_json_response", &[(15, Rule::BlockStopMissing), (16, Rule::Incomplete)]),
    ("sdkpy-message_delta_fields_response", &[(6, Rule::Incomplete)]),
    ("sdkpy-message_delta_omitted_usage_response", &[(6, Rule::Incomplete)]),
    ("sdkpy-refusal_response", &[(5, Rule::Incomplete)]),
    ("sdkpy-server_tool_use_response", &[(19, Rule::Incomplete)]),
    ("sdkpy-tool_use_invalid_json_response", &[(15, Rule::Incomplete), (15, Rule::BadToolInput)]),
    ("sdkpy-tool_use_response", &[(15, Rule::Incomplete)]),
    (
        "sdkpy-unknown_events_response",
        &[
            (1, Rule::NameDiffers),
            (2, Rule::StartMissing),
            (10, Rule::NameDiffers),
            (13, Rule::NameDiffers),
            (14, Rule::Incomplete),
        ],
    ),
    ("tool_search-vercel-tool_search_bm25_1", &[(34, Rule::AfterEnd)]),
    ("tool_search-vercel-tool_search_deferred_bm25", &[(34, Rule::AfterEnd)]),
    ("tool_search-vercel-tool_search_deferred_regex", &[(34, Rule::AfterEnd)]),
    ("vercel-duplicate_message_start", &[(2, Rule::StartTwice)]),
    ("vercel-spliced_message_start", &[(8, Rule::OtherMessage), (18, Rule::StopMissing)]),
];

#[test]
fn messages_equal_the_official_sdk() {
    let Some(root) = fixtures() else { return };
    let mut compared = 0;
    let mut failures = Vec::new();
    for (streams_in, expected_in) in [("recorded", "expected"), ("handwritten", "expected_handwritten")] {
        for Stream { name, bytes } in streams(&root.join(streams_in)) {
            let Ok(expected) = fs::read_to_string(root.join(expected_in).join(format!("{name}.json"))) else {
                continue;
            };
            let mut expected: Value = serde_json::from_str(&expected).expect("an expected message is JSON");
            let mut ours = serde_json::to_value(fold(&bytes).message()).expect("a message is JSON");
            let departures =
                DEPARTURES.iter().filter(|departure| departure.0 == name).flat_map(|departure| departure.1);
            for (pointer, value) in departures {
                match *value {
                    "..." => {
                        set(&mut expected, pointer, Value::Null);
                        set(&mut ours, pointer, Value::Null);
                    }
                    "-" => remove(&mut expected, pointer),
                    value => {
                        set(&mut expected, pointer, serde_json::from_str(value).expect("the table has JSON"));
                    }
                }
            }
            compared += 1;
            if without_nulls(&ours) != without_nulls(&expected) {
                failures.push(format!(
                    "{name}:\n{}",
                    difference(&without_nulls(&ours), &without_nulls(&expected), "")
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {compared} differ\n{}", failures.len(), failures.join("\n"));
    println!("{compared} messages compared");
    assert!(compared > 190, "only {compared} fixtures were found");
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn difference(ours: &Value, expected: &Value, at: &str) -> String {
    match (ours, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<_> = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect();
            keys.sort();
            keys.iter()
                .filter(|key| a.get(**key) != b.get(**key))
                .map(|key| {
                    difference(
                        a.get(*key).unwrap_or(&Value::Null),
                        b.get(*key).unwrap_or(&Value::Null),
                        &format!("{at}/{key}"),
                    )
                })
                .collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .map(|(i, (a, b))| difference(a, b, &format!("{at}/{i}")))
            .collect(),
        _ => format!("  {at}\n    ours     {ours}\n    expected {expected}\n"),
    }
}

fn remove(value: &mut Value, pointer: &str) {
    let (parent, index) = pointer.rsplit_once('/').expect("a pointer has a slash");
    let items = value.pointer_mut(parent).and_then(Value::as_array_mut).expect("an array");
    items.remove(index.parse().expect("an index"));
}

fn set(value: &mut Value, pointer: &str, to: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
    let parent = value.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match parent {
        Value::Object(map) => {
            map.insert(key.to_owned(), to);
        }
        Value::Array(items) => items[key.parse::<usize>().expect("an index")] = to,
        other => panic!("{pointer} is within {other}"),
    }
}

#[test]
fn the_first_of_several_messages_stands() {
    let Some(root) = fixtures() else { return };
    let several = DEPARTURES.iter().filter(|departure| departure.0.starts_with("tool_search-"));
    for (name, _) in several {
        let bytes =
            fs::read(root.join("recorded").join(format!("{name}.sse"))).expect("the stream can be read");
        let stop = b"{\"type\":\"message_stop\"}\n\n";
        let end =
            bytes.windows(stop.len()).position(|window| window == stop).expect("a message_stop") + stop.len();
        assert!(end < bytes.len(), "{name} has one message only");
        assert_eq!(fold(&bytes).message(), fold(&bytes[..end]).message(), "{name}");
    }
}

#[test]
fn ends() {
    let Some(root) = fixtures() else { return };
    let mut failures = String::new();
    for folder in ["recorded", "handwritten"] {
        for Stream { name, bytes } in streams(&root.join(folder)) {
            let end = fold(&bytes).end();
            let expected = ENDS.iter().find(|(stream, _)| *stream == name).map(|(_, end)| (*end).to_owned());
            let ok = match &expected {
                Some(expected) => end.to_string() == *expected,
                None => matches!(end, End::Complete { stop_reason: Some(_) }),
            };
            if !ok {
                failures.push_str(&format!("    (\"{name}\", \"{end}\"),\n"));
            }
        }
    }
    assert!(failures.is_empty(), "ends that are not in the table:\n{failures}");
}

#[test]
fn lint_finds_departures_and_nothing_else() {
    let Some(root) = fixtures() else { return };
    let mut failures = String::new();
    for folder in ["recorded", "handwritten"] {
        for Stream { name, bytes } in streams(&root.join(folder)) {
            let found: Vec<(u64, Rule)> =
                lint(&bytes).iter().map(|finding| (finding.event, finding.rule)).collect();
            let expected =
                FINDINGS.iter().find(|(stream, _)| *stream == name).map_or(&[][..], |(_, found)| *found);
            if found != expected {
                let found: String =
                    found.iter().map(|(event, rule)| format!("({event}, Rule::{rule:?}), ")).collect();
                failures.push_str(&format!("    (\"{name}\", &[{}]),\n", found.trim_end_matches(", ")));
            }
        }
    }
    assert!(failures.is_empty(), "findings that are not in the table:\n{failures}");
}
