//! Answers without faults: what the service would send.

use std::path::PathBuf;

use perennial_sim::{Outcome, Phase};
use serde_json::json;

use crate::raw::{End, Raw, ask, fetch, hello, instant, post, quick};

#[tokio::test]
async fn a_stream_has_the_events_and_headers_of_the_service() {
    let handle = instant().await;
    let seen = ask(&handle, &hello(true), "").await;
    assert_eq!((seen.status, seen.end), (200, End::Complete));
    assert_eq!(seen.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(seen.header("cache-control"), Some("no-cache"));
    for name in ["request-id", "anthropic-organization-id", "anthropic-ratelimit-output-tokens-reset", "date"]
    {
        assert!(seen.header(name).is_some_and(|value| !value.is_empty()), "{name}");
    }
    let names = seen.names();
    assert_eq!(names[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(names[names.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    let first = seen.text().lines().nth(1).unwrap().to_owned();
    assert!(
        first.starts_with(r#"data: {"type":"message_start","message":{"model":"claude-haiku-4-5"#),
        "{first}"
    );
    assert!(
        seen.text().contains(
            r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""#
        )
    );

    let entry = handle.journal().wait_for(|entry| entry.is_over()).await;
    assert_eq!((entry.outcome, entry.phase), (Outcome::Completed, Phase::AfterEnd));
    assert_eq!(entry.text(), seen.answer());
    assert_eq!(entry.events, names.len() as u64);
    assert_eq!(entry.bytes, seen.body.len() as u64);
    let usage = &seen.data()[names.len() - 2]["usage"];
    assert_eq!(entry.billed.output_tokens, usage["output_tokens"].as_u64().unwrap());
    assert_eq!(entry.billed.input_tokens, usage["input_tokens"].as_u64().unwrap());
}

#[tokio::test]
async fn the_folded_answer_says_what_the_stream_says() {
    let handle = instant().await;
    let streamed = ask(&handle, &hello(true), "").await;
    let folded = ask(&handle, &hello(false), "").await;
    assert_eq!(folded.header("content-type"), Some("application/json"));
    let message = folded.json();
    assert_eq!(message["content"][0]["text"].as_str().unwrap(), streamed.answer());
    let start = &streamed.data()[0]["message"];
    for field in ["id", "model", "role", "type"] {
        assert_eq!(message[field], start[field], "{field}");
    }
    let last = streamed.data().into_iter().find(|event| event["type"] == "message_delta").unwrap();
    assert_eq!(message["stop_reason"], last["delta"]["stop_reason"]);
    assert_eq!(message["usage"]["output_tokens"], last["usage"]["output_tokens"]);
}

#[tokio::test]
async fn one_seed_gives_the_same_bytes_and_another_gives_others() {
    let (one, two) = (instant().await, instant().await);
    let body = hello(true);
    let bytes = ask(&one, &body, "").await.body;
    assert_eq!(bytes, ask(&two, &body, "").await.body);
    assert_eq!(bytes, ask(&one, &body, "").await.body, "the second time on the same simulator");
    let other = quick().seed(8).spawn().await.unwrap();
    assert_ne!(bytes, ask(&other, &body, "").await.body);
    assert_ne!(bytes, ask(&one, &body, "seed=9").await.body);
}

#[tokio::test]
async fn a_key_is_needed_and_either_header_will_do() {
    let handle = instant().await;
    let body = hello(true).to_string();
    let request = |auth: &str| {
        format!(
            "POST /v1/messages?beta=true HTTP/1.1\r\nhost: sim\r\nanthropic-version: 2026-10-21\r\n{auth}\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (auth, status) in [
        ("", 401),
        ("x-api-key: \r\n", 401),
        ("authorization: Basic abc\r\n", 401),
        ("x-api-key: k\r\n", 200),
        ("authorization: bearer k\r\n", 200),
    ] {
        let seen = Raw::send(&handle, request(auth).as_bytes()).await.read(crate::raw::PATIENCE).await;
        assert_eq!(seen.status, status, "{auth:?}");
        if status == 401 {
            let body = seen.json();
            assert_eq!(body["error"]["type"], "authentication_error");
            assert_eq!(body["request_id"].as_str(), seen.header("request-id"));
            assert_eq!(seen.header("x-should-retry"), Some("false"));
        }
    }
}

#[tokio::test]
async fn the_journal_tells_keys_apart_and_keeps_none() {
    let handle = instant().await;
    ask(&handle, &hello(true), "").await;
    let entry = handle.journal().wait_for(|entry| entry.is_over()).await;
    let shown = serde_json::to_string(&entry).unwrap();
    assert!(!shown.contains("sk-secret-test"), "{shown}");
    assert!(entry.key.is_some());
    assert!(
        entry.headers.iter().any(|(name, value)| name == "x-api-key" && value.starts_with("fingerprint:"))
    );
    let seen = fetch(&handle, "GET", "/sim/journal").await;
    assert_eq!(seen.json()["entries"][0]["number"], 1);
    assert_eq!(fetch(&handle, "DELETE", "/sim/journal").await.status, 204);
    assert!(handle.journal().entries().is_empty());
}

#[tokio::test]
async fn what_is_no_request_gets_the_error_body_of_the_service() {
    let handle = instant().await;
    for (method, path, status, kind) in [
        ("GET", "/v1/nothing", 404, "not_found_error"),
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("GET", "/v1/models/claude-none", 404, "not_found_error"),
    ] {
        let seen = fetch(&handle, method, path).await;
        assert_eq!(seen.status, status, "{path}");
        assert_eq!(seen.json()["error"]["type"], kind, "{path}");
        assert_eq!(seen.json()["type"], "error");
    }
    let mut raw = post("/v1/messages", &json!({}), &[]);
    raw.truncate(raw.len() - 2);
    raw.extend_from_slice(b"{,");
    let seen = Raw::send(&handle, &raw).await.read(crate::raw::PATIENCE).await;
    assert_eq!((seen.status, &seen.json()["error"]["type"]), (400, &json!("invalid_request_error")));
}

#[tokio::test]
async fn models_hello_and_count_tokens_answer() {
    let handle = instant().await;
    let page = fetch(&handle, "GET", "/v1/models?limit=2").await.json();
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    assert_eq!(page["has_more"], true);
    let id = page["last_id"].as_str().unwrap();
    assert_eq!(fetch(&handle, "GET", &format!("/v1/models/{id}")).await.json()["id"], id);
    assert_eq!(fetch(&handle, "HEAD", "/api/hello").await.status, 200);
    assert_eq!(fetch(&handle, "GET", "/sim/health").await.json()["status"], "ok");
    let mut body = hello(false);
    body.as_object_mut().unwrap().remove("stream");
    body.as_object_mut().unwrap().remove("max_tokens");
    let seen =
        Raw::post(&handle, "/v1/messages/count_tokens", &body, &[]).await.read(crate::raw::PATIENCE).await;
    let folded = ask(&handle, &hello(false), "").await.json();
    assert_eq!(seen.json()["input_tokens"], folded["usage"]["input_tokens"]);
}

#[tokio::test]
async fn recordings_are_replayed_to_the_byte() {
    let folder = match std::env::var_os("PERENNIAL_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
    };
    let mut replayed = 0;
    for kind in ["recorded", "handwritten"] {
        let folder = folder.join(kind);
        let Ok(entries) = std::fs::read_dir(&folder) else {
            eprintln!("skipped: there are no fixtures in {}", folder.display());
            return;
        };
        let handle = quick().replay_dir(&folder).spawn().await.unwrap();
        for entry in entries {
            let path = entry.unwrap().path();
            let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".sse") else {
                continue;
            };
            let mut body = hello(true);
            body["model"] = json!(format!("replay:{name}"));
            let seen = ask(&handle, &body, if replayed % 2 == 0 { "" } else { "flush=event" }).await;
            assert_eq!((seen.status, seen.end), (200, End::Complete), "{name}: {}", seen.text());
            assert!(seen.body == std::fs::read(&path).unwrap(), "{name} differs");
            replayed += 1;
        }
    }
    assert!(replayed > 150, "{replayed}");
}

#[tokio::test]
async fn a_recording_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("greeting.sse"), "event: ping\ndata: {}\n\n").unwrap();
    let handle = quick().replay_dir(folder.path()).spawn().await.unwrap();
    let mut body = hello(true);
    body["model"] = json!("replay:greetings");
    let seen = ask(&handle, &body, "").await;
    assert_eq!(seen.status, 404);
    assert!(seen.text().contains("did you mean replay:greeting?"), "{}", seen.text());
    body["model"] = json!("replay:greeting");
    body["stream"] = json!(false);
    let seen = ask(&handle, &body, "").await;
    assert_eq!(seen.status, 400);
    assert!(seen.text().contains("as streams only"), "{}", seen.text());
    std::fs::write(folder.path().join("greeting.json"), r#"{"id":"msg_1","type":"message"}"#).unwrap();
    assert_eq!(ask(&handle, &body, "").await.json()["id"], "msg_1");
}

#[tokio::test]
async fn a_synthetic_stream_has_the_shape_asked_for() {
    let handle = instant().await;
    let mut body = hello(true);
    body["model"] = json!("bench:deltas=3000,chars=12");
    for orders in ["", "flush=event"] {
        let seen = ask(&handle, &body, orders).await;
        let deltas = seen.names().iter().filter(|name| *name == "content_block_delta").count();
        assert_eq!((deltas, seen.end), (3_000, End::Complete));
        assert_eq!(seen.answer().chars().count(), 36_000);
    }
}
