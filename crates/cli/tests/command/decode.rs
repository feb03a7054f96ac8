//! `perennial decode`.

use serde_json::Value;

use crate::rig::{Ran, fixtures, perennial, run, run_with_input};

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":1.0,\"output_tokens\":1}}}\n\n";
const TEXT: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello \\u00e9\"}}\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
const END: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const ERROR: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":\"req_9\"}\n\n";
const BAD: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":\n\n";

fn decode(form: &str, stream: &str) -> Ran {
    run_with_input(&["decode", form, "-"], stream.as_bytes())
}

#[test]
fn the_exit_code_tells_the_end_and_the_message_is_printed_all_the_same() {
    let whole = format!("{START}{TEXT}{END}");
    for (stream, code, text, said) in [
        (whole.clone(), 0, Some("Hello é"), ""),
        (whole.trim_end().to_owned(), 0, Some("Hello é"), ""),
        (whole.replace('\n', "\r\n"), 0, Some("Hello é"), ""),
        (format!("{START}{TEXT}"), 7, Some("Hello é"), "truncated after 1 finished content blocks"),
        (format!("{START}{TEXT}{ERROR}"), 1, Some("Hello é"), "overloaded_error: Overloaded (request req_9)"),
        (format!("{START}{TEXT}{BAD}{END}"), 1, Some("Hello é"), "event 5 is unreadable"),
        (ERROR.to_owned(), 1, None, "overloaded_error"),
        (String::new(), 7, None, "nothing of the answer came"),
    ] {
        let ran = decode("--message", &stream);
        assert_eq!(ran.code, code, "{stream}: {}", ran.err);
        let message: Value = serde_json::from_str(&ran.out).unwrap();
        let first = message["content"][0]["text"].as_str();
        assert_eq!(first, text, "{stream}");
        assert!(ran.err.contains(said), "{}", ran.err);
        assert_eq!(ran.err.is_empty(), code == 0, "{}", ran.err);
        for form in ["--events", "--text"] {
            assert_eq!(decode(form, &stream).code, code, "{form}: {stream}");
        }
    }
}

#[test]
fn what_is_no_stream_is_not_taken_for_a_truncated_one() {
    let error = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}";
    for (input, code, said) in [
        (&b"{\"type\":\"message\"}"[..], 2, "no event stream: it is JSON"),
        (b"<html></html>", 2, "no event stream: it is a page"),
        (b"root:x:0:0:root\n\nmore\n", 2, "no event stream"),
        (b"\x1f\x8b\x08\0", 2, "gzip"),
        (error.as_bytes(), 1, "an error answer: overloaded_error: Overloaded"),
        (format!("HTTP/1.1 529 \r\nx: y\r\n\r\n{error}").as_bytes(), 1, "(HTTP 529): overloaded_error"),
    ] {
        for form in ["--message", "--events", "--text", "--lint"] {
            let ran = run_with_input(&["decode", form], input);
            let shown = String::from_utf8_lossy(input);
            assert_eq!((ran.code, &*ran.out), (code, ""), "{form} {shown}: {}", ran.err);
            assert!(ran.err.contains(said) && ran.err.lines().count() == 1, "{form} {shown}: {}", ran.err);
        }
    }
    // The headers of `curl -i` are no part of the stream, and do no harm.
    let with_head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{START}{TEXT}{END}");
    for form in ["--message", "--events", "--text", "--lint"] {
        assert_eq!(decode(form, &with_head).code, 0, "{form}");
    }
    assert_eq!(decode("--lint", &with_head).out, "");
}

#[test]
fn the_message_is_as_it_came() {
    let ran = decode("--message", &format!("{START}{TEXT}{END}"));
    assert_eq!(
        ran.out,
        "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"Hello é\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":1.0,\"output_tokens\":2}}\n"
    );
    assert_eq!(run_with_input(&["decode"], format!("{START}{TEXT}{END}").as_bytes()).out, ran.out);
}

#[test]
fn events_are_numbered_lines() {
    let ran = decode(
        "--events",
        &format!(
            ": hi\n\n{START}event: odd\ndata: [1.0]\n\ndata: [DONE]\n\nevent: odd\ndata: no json\n\n{END}"
        ),
    );
    let lines: Vec<&str> = ran.out.lines().collect();
    let seen: Vec<(u64, String)> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| (line["number"].as_u64().unwrap(), line["event"].as_str().unwrap().to_owned()))
        .collect();
    let names: Vec<&str> = seen.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["message_start", "odd", "odd", "message_delta", "message_stop"]);
    assert!(seen.iter().zip(1..).all(|((number, _), expected)| *number == expected));
    assert_eq!(lines[1], "{\"number\":2,\"event\":\"odd\",\"data\":[1.0]}");
    assert_eq!(lines[2], "{\"number\":3,\"event\":\"odd\",\"text\":\"no json\"}");
}

#[test]
fn text_comes_in_the_order_of_the_blocks() {
    let delta = |index: u8, text: &str| {
        format!(
            "data: {{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        )
    };
    let start = |index: u8| {
        format!(
            "data: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\n"
        )
    };
    let stream =
        [START, &start(0), &delta(0, "a"), &start(1), &delta(1, "x"), &delta(0, "b"), &delta(1, "y"), END]
            .concat();
    assert_eq!(decode("--text", &stream).out, "abxy\n");
}

#[test]
fn lint_prints_findings_and_nothing_for_a_right_stream() {
    let right = decode("--lint", &format!("{START}{TEXT}{END}"));
    assert_eq!((right.code, &*right.out, &*right.err), (0, "", ""));
    let wrong = decode("--lint", &format!("{START}{TEXT}{TEXT}{END}"));
    assert_eq!(wrong.code, 1);
    assert!(wrong.out.starts_with("event 5: BlockTaken: "), "{}", wrong.out);
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &["decode", "--message", "--lint"][..],
        &["decode", "--mesage"],
        &["decode", "/nowhere/at/all"],
        &["decode", "/"],
        &["decod"],
        &[],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, &*ran.out), (2, ""), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.is_empty());
    }
}

#[test]
fn help_and_version_are_answers() {
    for arguments in [&["--help"][..], &["decode", "--help"], &["ask", "--help"], &["--version"]] {
        let ran = run(arguments);
        assert_eq!((ran.code, &*ran.err), (0, ""));
        if arguments.contains(&"--help") {
            assert!(ran.out.contains("Exit codes:") && ran.out.contains("130  interrupted"), "{}", ran.out);
        }
    }
}

#[test]
fn a_large_capture_is_read_in_pieces() {
    // 60 MB of input whose message is small.
    let ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n".repeat(1000);
    let mut child = perennial(&["decode", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    use std::io::Write as _;
    stdin.write_all(START.as_bytes()).unwrap();
    for _ in 0..1600 {
        stdin.write_all(ping.as_bytes()).unwrap();
    }
    if let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", child.id())) {
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < 40_000, "{peak} kB for a capture that is read in pieces");
    }
    stdin.write_all(END.as_bytes()).unwrap();
    drop(stdin);
    assert_eq!(Ran::from(child.wait_with_output().unwrap()).code, 0);
}

#[test]
fn recorded_streams_are_complete_and_right() {
    let Some(folder) = fixtures("recorded") else { return };
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let path = path.to_str().unwrap();
        let ran = run(&["decode", path]);
        assert_eq!((ran.code, &*ran.err), (0, ""), "{path}");
        serde_json::from_str::<Value>(&ran.out).unwrap();
        // A few captures have the body of a second answer behind the first, which is reported once.
        let lint = run(&["decode", "--lint", path]);
        let second = lint.out.lines().count() == 1 && lint.out.ends_with("`message_start` after the end\n");
        assert!((lint.code, &*lint.out) == (0, "") || (lint.code == 1 && second), "{path}: {}", lint.out);
    }
}
