//! What goes up and what comes down is what was sent.

use std::io::Write as _;

use serde_json::json;

use crate::rig::{MODEL, Rig, fixtures, question, quick, receive, simulator};

#[tokio::test]
async fn streams_come_down_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let stop = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    let odd = [
        ("lf", format!("event: new_thing\ndata: {{\"type\":\"new_thing\",\"n\":1.50}}\n\n{stop}")),
        ("crlf", stop.replace('\n', "\r\n")),
        ("cr", stop.replace('\n', "\r")),
        ("bom", format!("\u{feff}: comment\nid: 7\nretry: 10\n{stop}")),
        ("trailing", format!("{stop}event: later\ndata: {{}}\n\n: more")),
        ("no_blank_line", stop.trim_end().to_owned()),
    ];
    for (name, body) in &odd {
        let mut file = std::fs::File::create(folder.path().join(format!("{name}.sse"))).unwrap();
        file.write_all(body.as_bytes()).unwrap();
    }
    let rig = Rig::with(simulator().replay_dir(folder.path()), |gateway| gateway.clocks(quick())).await;
    for (name, body) in odd {
        let expected = match name {
            // A complete end that lacks its blank line gets it, so that every reader sees the event.
            "no_blank_line" => body + "\n\n",
            // The beginning of an event is none.
            "trailing" => body.replace(": more", ""),
            _ => body,
        };
        let answer = rig.ask(&question(&format!("replay:{name}"), true), "").await;
        assert_eq!((answer.status, answer.text()), (200, &*expected), "{name}");
    }
    for model in [MODEL, "bench:deltas=3000,chars=12", "bench:tool_bytes=100000,piece=10"] {
        for orders in ["", "flush=event", "crlf", "tiny=true"].iter().take(if model == MODEL { 2 } else { 1 })
        {
            let direct = rig.ask_directly(&question(model, true), orders).await;
            let relayed = rig.ask(&question(model, true), orders).await;
            // The simulator names messages after requests where no mind makes them.
            if model == MODEL {
                assert!(direct.body == relayed.body, "{model} {orders}");
            }
            assert_eq!(direct.body.len(), relayed.body.len(), "{model} {orders}");
        }
    }
}

#[tokio::test]
async fn recorded_streams_come_down_byte_for_byte() {
    for kind in ["recorded", "handwritten"] {
        let Some(folder) = fixtures(kind) else { return };
        let rig = Rig::with(simulator().replay_dir(&folder), |gateway| gateway.clocks(quick())).await;
        let mut seen = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let recorded = std::fs::read(&path).unwrap();
            let answer = rig.ask(&question(&format!("replay:{name}"), true), "").await;
            // Bodies that were cut get an end, in place of an event that was cut; the others are what they were.
            let whole = if recorded.ends_with(b"\n") {
                &recorded[..]
            } else {
                let text = std::str::from_utf8(&recorded).unwrap();
                &text.as_bytes()[..text.rfind("\n\n").map_or(0, |at| at + 2)]
            };
            if DAMAGED.contains(&name) {
                // What cannot be read, or lacks what should stand before it, is where the answer is cut.
                let at = answer.body.windows(12).position(|window| window == b"event: error").unwrap();
                assert!(whole.starts_with(&answer.body[..at]), "{name}");
                continue;
            }
            if SEVERAL.contains(&name) {
                // An answer ends once; behind that come pings at most.
                let first = first_message(whole);
                let behind = answer.body.strip_prefix(first).map(String::from_utf8_lossy);
                assert!(
                    first.len() < whole.len() && behind.is_some_and(|behind| !behind.contains("_")),
                    "{name}"
                );
                continue;
            }
            assert!(answer.body.starts_with(whole), "{name}");
            if kind == "recorded" {
                assert_eq!(answer.body.len(), recorded.len(), "{name}");
            }
            seen += 1;
        }
        assert!(seen > 60, "only {seen} streams in {}", folder.display());
    }
}

/// Streams in which an event cannot be read, or the beginning is missing.
const DAMAGED: [&str; 2] = ["own-bad_json_data", "own-no_message_start"];

/// Streams in which something goes on behind the end of an answer.
const SEVERAL: [&str; 4] = [
    "own-events_after_message_stop",
    "tool_search-vercel-tool_search_bm25_1",
    "tool_search-vercel-tool_search_deferred_bm25",
    "tool_search-vercel-tool_search_deferred_regex",
];

/// The first message of several.
fn first_message(bytes: &[u8]) -> &[u8] {
    let end = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let at = bytes.windows(end.len()).position(|window| window == end);
    &bytes[..at.map_or(bytes.len(), |at| at + end.len())]
}

#[tokio::test]
async fn requests_go_up_byte_for_byte() {
    let rig = Rig::new().await;
    let odd = format!(
        " {{ \"model\" : \"{MODEL}\",\"max_tokens\":  20, \"stream\":true ,\"messages\":[{{\"role\":\"user\",\"content\":\"\\u00e9 é \\/\"}}]}}\n"
    );
    let mut digests = Vec::new();
    for base in [rig.sim.url(), rig.gateway.url()] {
        assert_eq!(receive(rig.post(&base, odd.clone(), "")).await.status, 200);
        let entry = rig.sim.journal().entries().pop().unwrap();
        assert_eq!(entry.request_bytes, odd.len() as u64);
        digests.push(entry.request_digest.unwrap());
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn headers_and_the_query_pass() {
    let rig = Rig::new().await;
    let request = rig
        .post(&rig.gateway.url(), question(MODEL, true).to_string(), "")
        .header("anthropic-beta", "context-management-2025-06-27")
        .header("x-stainless-lang", "python")
        .header("user-agent", "Anthropic/Python 2.10.0")
        .header("accept-encoding", "gzip, deflate")
        .header("cookie", "a=b");
    let (client, request) = request.build_split();
    let mut request = request.unwrap();
    request.url_mut().set_query(Some("beta=true&x=1"));
    let answer = receive(reqwest::RequestBuilder::from_parts(client, request)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let entry = rig.sim.journal().entries().pop().unwrap();
    assert_eq!(entry.path, "/v1/messages?beta=true&x=1");
    let sent = |name: &str| entry.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(sent("anthropic-version"), Some("2026-10-21"));
    assert_eq!(sent("anthropic-beta"), Some("context-management-2025-06-27"));
    assert_eq!(sent("x-stainless-lang"), Some("python"));
    assert_eq!(sent("user-agent"), Some("Anthropic/Python 2.10.0"));
    assert_eq!(sent("accept-encoding"), Some("identity"));
    assert_eq!(sent("cookie"), None);
    assert_eq!(sent("host"), Some(&*rig.sim.address().to_string()));

    assert_eq!(answer.header("request-id"), entry.request_id);
    assert_eq!(answer.header("cache-control"), "no-cache, no-transform");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    assert!(!answer.header("anthropic-ratelimit-requests-remaining").is_empty());
    assert!(!answer.header("anthropic-organization-id").is_empty());
}

#[tokio::test]
async fn errors_before_the_stream_pass_as_they_are() {
    let rig = Rig::new().await;
    for orders in [
        "status=429,retry-after=7",
        "status=429,should-retry=false,error-code=enforced_spend_limit_reached",
        "status=529",
        "status=500,should-retry=false",
        "status=400",
        "status=401",
        "status=413,error-body=html",
        "status=503,error-body=empty",
    ] {
        for stream in [true, false] {
            let direct = rig.ask_directly(&question(MODEL, true), orders).await;
            let relayed = rig.ask(&question(MODEL, stream), orders).await;
            assert_eq!(relayed.status, direct.status, "{orders}");
            for name in ["retry-after", "x-should-retry", "content-type"] {
                assert_eq!(relayed.header(name), direct.header(name), "{orders}: {name}");
            }
            let has_id = |answer: &crate::rig::Answer| !answer.header("request-id").is_empty();
            assert_eq!(has_id(&relayed), has_id(&direct), "{orders}");
            let without_id =
                |answer: &crate::rig::Answer| answer.text().replace(answer.header("request-id"), "ID");
            assert_eq!(without_id(&relayed), without_id(&direct), "{orders}");
        }
    }
}

#[tokio::test]
async fn a_compressed_request_is_not_looked_into() {
    let rig = Rig::new().await;
    let request = rig.post(&rig.gateway.url(), vec![0x1f, 0x8b, 0x08], "").header("content-encoding", "gzip");
    // The simulator takes no compressed bodies; that it was asked shows that the bytes went up.
    assert_eq!(receive(request).await.status, 400);
    assert_eq!(rig.sim.journal().entries().pop().unwrap().request_bytes, 3);
    let malformed = receive(rig.post(&rig.gateway.url(), "{\"model\":", "")).await;
    assert_eq!(malformed.status, 400);
    assert_eq!(malformed.json()["error"]["type"], json!("invalid_request_error"));
    assert_eq!(rig.sim.journal().entries().len(), 1, "a malformed request does not go up");
}
