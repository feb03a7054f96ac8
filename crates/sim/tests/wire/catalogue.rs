//! Every fault of the catalogue does on the wire what it promises.

use std::time::Duration;

use perennial_sim::{Expect, Fault, Handle, Named};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::raw::{End, PATIENCE, Raw, Seen, ask, instant};

/// Long enough to be sure that nothing comes, short enough for a test.
const QUIET: Duration = Duration::from_millis(300);
/// What `garbage` adds: 64 bytes and a blank line.
const GARBAGE: usize = 66;

fn question() -> Value {
    json!({
        "model": "claude-haiku-4-5", "max_tokens": 400, "stream": true,
        "messages": [{"role": "user", "content": "Explain in a few paragraphs how rivers form."}],
    })
}

async fn meet(handle: &Handle, named: &Named, healthy: &Seen) -> Seen {
    let orders = format!("named={}", named.name);
    let headers = [("perennial-sim", orders.as_str())];
    let mut raw = Raw::post(handle, "/v1/messages", &question(), &headers).await;
    // How much comes before the silence; nothing, not even a head, where there is no number.
    let (expected, quiet) = match named.name {
        "silence-after-headers" => (Some(0), QUIET),
        "stall-mid-text" | "ping-stall-mid-text" => (Some(first(healthy, 6).len()), QUIET),
        "stall-mid-event" => (Some(1_200), QUIET),
        "open-after-stop" => (Some(healthy.body.len()), QUIET),
        "drip" => (Some(first(healthy, 3).len()), QUIET),
        _ if named.expect == Expect::Overdue => (None, QUIET),
        _ => (None, PATIENCE),
    };
    raw.read_on(expected, quiet).await
}

#[tokio::test]
async fn every_fault_of_the_catalogue_does_what_it_promises() {
    let handle = instant().await;
    let healthy = ask(&handle, &question(), "").await;
    assert_eq!((healthy.status, healthy.end), (200, End::Complete));
    assert!(
        healthy.body.len() > 2_000 && healthy.names().len() > 12,
        "too short for the faults: {}",
        healthy.text()
    );
    for named in Fault::catalogue() {
        let begun = Instant::now();
        let seen = meet(&handle, named, &healthy).await;
        check(named, &seen, &healthy, begun.elapsed());
        if named.expect == Expect::Retried {
            let times = named.faults().unwrap().clauses[0].times.unwrap();
            for _ in 1..times {
                check(named, &meet(&handle, named, &healthy).await, &healthy, Duration::ZERO);
            }
            let again = meet(&handle, named, &healthy).await;
            assert!(again.body == healthy.body && again.end == End::Complete, "{}: then well", named.name);
        }
    }
}

/// The events of the answer without a fault, up to `count`.
fn first(healthy: &Seen, count: usize) -> String {
    healthy.text().split_inclusive("\n\n").take(count).collect()
}

fn check(named: &Named, seen: &Seen, healthy: &Seen, took: Duration) {
    let name = named.name;
    let text = seen.text();
    let whole = healthy.text();
    let names = seen.names();
    let (without_stop, _) = whole.split_once("event: message_stop").unwrap();
    let same = |expected: &str, end: End| {
        assert_eq!((seen.status, seen.end), (200, end), "{name}");
        assert!(text == expected, "{name}: {} bytes instead of {}", text.len(), expected.len());
    };
    let refused = |status: u16, kind: &str| {
        assert_eq!((seen.status, seen.end), (status, End::Complete), "{name}");
        assert_eq!(seen.json()["error"]["type"], kind, "{name}");
        assert_eq!(seen.json()["request_id"].as_str(), seen.header("request-id"), "{name}");
    };
    let header =
        |header: &str, value: Option<&str>| assert_eq!(seen.header(header), value, "{name}: {header}");
    // The end of the stream but for its error, which has to be last.
    let failed = |before: &str, kind: &str| {
        assert_eq!((seen.status, seen.end), (200, End::Complete), "{name}");
        let rest = text.strip_prefix(before).unwrap_or_else(|| panic!("{name}: {text}"));
        let error: Value =
            serde_json::from_str(rest.strip_prefix("event: error\ndata: ").unwrap().trim_end()).unwrap();
        assert_eq!(error["error"]["type"], kind, "{name}");
        assert_eq!(error["request_id"].as_str(), seen.header("request-id"), "{name}");
    };
    match name {
        "429-once" => {
            refused(429, "rate_limit_error");
            header("retry-after", Some("1"));
            header("x-should-retry", Some("true"));
            assert!(seen.header("anthropic-ratelimit-requests-limit").is_some());
        }
        "429-ms" => {
            refused(429, "rate_limit_error");
            header("retry-after-ms", Some("40"));
            header("retry-after", None);
        }
        "429-float" => header("retry-after", Some("0.04")),
        "429-date" => header("retry-after", Some("Wed, 21 Oct 2015 07:28:00 GMT")),
        "429-negative" => header("retry-after", Some("-5")),
        "429-soon" => header("retry-after", Some("soon")),
        "429-a-day" => header("retry-after", Some("86400")),
        "429-spend-limit" => {
            refused(429, "rate_limit_error");
            assert_eq!(seen.json()["error"]["details"]["error_code"], "enforced_spend_limit_reached");
            header("x-should-retry", Some("false"));
            header("retry-after", None);
        }
        "529-twice" | "529-always" => {
            refused(529, "overloaded_error");
            header("x-should-retry", Some("true"));
        }
        "500-once" => refused(500, "api_error"),
        "500-final" => {
            refused(500, "api_error");
            header("x-should-retry", Some("false"));
        }
        "502-html" | "413-html" => {
            assert_eq!(seen.status.to_string(), name[..3]);
            assert!(text.starts_with("<html>"), "{name}: {text}");
            header("content-type", Some("text/html"));
            header("request-id", None);
        }
        "503-empty" => assert_eq!((seen.status, seen.body.len(), seen.end), (503, 0, End::Complete)),
        "504-once" => refused(504, "timeout_error"),
        "408-once" => refused(408, "timeout_error"),
        "409-once" => refused(409, "conflict_error"),
        "400-plain" => {
            refused(400, "invalid_request_error");
            header("x-should-retry", Some("false"));
        }
        "400-retryable" => {
            refused(400, "invalid_request_error");
            header("x-should-retry", Some("true"));
        }
        "401-plain" => refused(401, "authentication_error"),
        "402-plain" => refused(402, "billing_error"),
        "403-plain" => refused(403, "permission_error"),
        "404-plain" => refused(404, "not_found_error"),
        "fin-before-headers" => assert_eq!((seen.head.as_str(), seen.end), ("", End::Fin)),
        "rst-before-headers" => assert_eq!((seen.head.as_str(), seen.end), ("", End::Rst)),
        "no-headers" => assert_eq!((seen.head.as_str(), seen.end), ("", End::Open)),
        "slow-headers" => {
            same(&whole, End::Complete);
            assert!(took >= Duration::from_millis(400), "{took:?}");
        }
        "json-200" => {
            assert_eq!((seen.status, seen.end), (200, End::Complete));
            header("content-type", Some("application/json"));
            assert_eq!(seen.json()["content"][0]["text"].as_str().unwrap(), healthy.answer());
        }
        "html-200" => {
            assert_eq!((seen.status, seen.end), (200, End::Complete));
            header("content-type", Some("text/html; charset=utf-8"));
            assert!(text.starts_with("<html>"));
        }
        "empty-200" => {
            same("", End::Complete);
            header("content-type", Some("text/event-stream; charset=utf-8"));
        }
        "fin-before-events" => same("", End::Fin),
        "fin-before-content" => same(&first(healthy, 2), End::Fin),
        "fin-mid-text" => same(&first(healthy, 6), End::Fin),
        "fin-mid-event" => same(&whole[..1_200], End::Fin),
        "fin-before-stop" => same(without_stop, End::Fin),
        "fin-after-stop" => same(&whole, End::Fin),
        "rst-mid-text" => same(&first(healthy, 6), End::Rst),
        "rst-mid-event" => same(&whole[..1_200], End::Rst),
        "end-before-content" => same(&first(healthy, 1), End::Complete),
        "end-mid-text" => same(&first(healthy, 6), End::Complete),
        "end-mid-event" => same(&whole[..1_200], End::Complete),
        "end-before-stop" => same(without_stop, End::Complete),
        "silence-after-headers" => same("", End::Open),
        "stall-mid-text" => same(&first(healthy, 6), End::Open),
        // One ping a second, however long this took.
        "ping-stall-mid-text" => {
            let pings = text.strip_prefix(&first(healthy, 6)).unwrap_or_else(|| panic!("{name}: {text}"));
            assert!(
                pings.split("\n\n").all(|ping| ping.is_empty() || ping.starts_with("event: ping\n")),
                "{name}: {pings}"
            );
            assert_eq!((seen.status, seen.end), (200, End::Open), "{name}");
        }
        "stall-mid-event" => same(&whole[..1_200], End::Open),
        "short-stall" => {
            same(&whole, End::Complete);
            assert!(took >= Duration::from_millis(400), "{took:?}");
        }
        "open-after-stop" => same(&whole, End::Open),
        "error-first" => failed("", "overloaded_error"),
        "error-before-content" => failed(&first(healthy, 1), "overloaded_error"),
        "error-mid-text" => failed(&first(healthy, 6), "overloaded_error"),
        "api-error-mid-text" => failed(&first(healthy, 6), "api_error"),
        "error-before-stop" => failed(without_stop, "api_error"),
        "error-after-stop" => failed(&whole, "api_error"),
        "garbage-between" | "garbage-inside" => {
            let at = if name == "garbage-between" { first(healthy, 6).len() } else { 1_200 };
            assert_eq!(seen.body[..at], healthy.body[..at], "{name}");
            assert_eq!(seen.body[at + GARBAGE..], healthy.body[at..], "{name}");
            assert!(std::str::from_utf8(&seen.body[at..at + GARBAGE]).is_err());
        }
        "not-json" => {
            let data = text
                .split_inclusive("\n\n")
                .nth(6)
                .unwrap()
                .strip_prefix("event: content_block_delta\ndata: ")
                .unwrap();
            assert!(serde_json::from_str::<Value>(data).is_err(), "{data}");
            assert_eq!(names, healthy.names());
        }
        "one-byte-writes" => {
            same(&whole, End::Complete);
            assert!(seen.reads.len() > 50, "{} reads", seen.reads.len());
        }
        "crlf" => same(&whole.replace('\n', "\r\n"), End::Complete),
        "cr" => same(&whole.replace('\n', "\r"), End::Complete),
        "bom" => same(&format!("\u{feff}{whole}"), End::Complete),
        "comments" => same(&whole.replace("event: ", ": a comment\nevent: "), End::Complete),
        "no-names" => {
            let nameless: String =
                whole.split_inclusive('\n').filter(|line| !line.starts_with("event:")).collect();
            same(&nameless, End::Complete);
        }
        "wrong-names" => {
            assert!(names.iter().all(|name| name == "other"));
            assert_eq!(seen.data(), healthy.data());
        }
        "huge-event" => {
            let event = text.split_inclusive("\n\n").nth(6).unwrap();
            assert_eq!(event.len(), 4_000_000);
            assert_eq!(seen.data(), healthy.data());
        }
        "no-message-start" | "no-block-stop" | "no-message-delta" | "no-message-stop" => {
            let dropped = match name {
                "no-message-start" => "message_start",
                "no-block-stop" => "content_block_stop",
                "no-message-delta" => "message_delta",
                _ => "message_stop",
            };
            let rest: String = whole
                .split_inclusive("\n\n")
                .filter(|event| !event.starts_with(&format!("event: {dropped}\n")))
                .collect();
            same(&rest, End::Complete);
        }
        "two-starts" => same(&format!("{}{whole}", first(healthy, 1)), End::Complete),
        "two-message-deltas" => {
            let events: Vec<&str> = whole.split_inclusive("\n\n").collect();
            let delta = events[events.len() - 2];
            same(&whole.replace(delta, &format!("{delta}{delta}")), End::Complete);
        }
        "two-messages" => same(&whole.repeat(2), End::Complete),
        "no-usage" => {
            assert!(whole.contains("\"usage\"") && !text.contains("\"usage\""));
            assert_eq!(names, healthy.names());
            assert_eq!(seen.answer(), healthy.answer());
        }
        "unknown-event" => {
            assert_eq!(names[1], "weather_report");
            assert_eq!(names.len(), healthy.names().len() + 1);
        }
        "unknown-delta" => {
            assert_eq!(seen.data()[2]["delta"]["type"], "glow_delta");
            assert_eq!(seen.answer(), healthy.answer());
        }
        "unknown-block" => {
            let data = seen.data();
            let start = &data[data.len() - 5];
            assert_eq!((&start["index"], &start["content_block"]["type"]), (&json!(1), &json!("hologram")));
            assert_eq!(data[data.len() - 4]["delta"]["type"], "voxel_delta");
            assert_eq!(seen.answer(), healthy.answer());
        }
        "unknown-stop-reason" => {
            let data = seen.data();
            assert_eq!(data[data.len() - 2]["delta"]["stop_reason"], "moonrise");
            assert_eq!(seen.answer(), healthy.answer());
        }
        // One token a second, however long this took.
        "drip" => {
            assert!(text.starts_with(&first(healthy, 3)) && whole.starts_with(&text), "{name}: {text}");
            assert_eq!((seen.status, seen.end), (200, End::Open), "{name}");
        }
        "repetition" => {
            let deltas =
                |seen: &Seen| seen.names().iter().filter(|name| *name == "content_block_delta").count();
            assert_eq!(deltas(seen), deltas(healthy) + 200 * 6);
            let said: String =
                healthy.data()[3..9].iter().map(|event| event["delta"]["text"].as_str().unwrap()).collect();
            assert!(seen.answer().contains(&said.repeat(201)), "{said:?}");
        }
        name => panic!("the catalogue has `{name}`, and nothing shows that it does what it promises"),
    }
}
