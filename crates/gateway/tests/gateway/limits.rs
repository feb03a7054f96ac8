//! The limits: each with its error, which says when to come again, and none at the cost of what runs.

use perennial_gateway::{
    Key, Limits, MaxBodyBytes, MaxConnections, MaxReaders, MaxStreams, MaxStreamsPerKey,
};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::door::Door;
use crate::doored::IN_TEXT;
use crate::native::Growing;
use crate::rig::{Answer, MODEL, Rig, question, quick, receive, simulator};

async fn limited(change: impl FnOnce(&mut Limits)) -> Rig {
    let mut limits = Limits::default();
    change(&mut limits);
    Rig::with(simulator(), |gateway| gateway.clocks(quick()).limits(limits)).await
}

/// The same with answers that run until the door is opened.
async fn behind_door(change: impl FnOnce(&mut Limits)) -> (Rig, Door) {
    let mut limits = Limits::default();
    change(&mut limits);
    Rig::behind_door(IN_TEXT, |gateway| gateway.clocks(quick()).limits(limits)).await
}

/// An error of this status and type, with words and a time to come again.
fn is_refusal(answer: &Answer, status: u16, kind: &str, part: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let body = answer.json();
    assert_eq!((&body["type"], &body["error"]["type"]), (&"error".into(), &kind.into()));
    assert!(answer.text().contains(part), "{}", answer.text());
    if matches!(status, 429 | 503) {
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(body["request_id"].as_str(), Some(answer.header("request-id")));
}

#[tokio::test]
async fn a_key_has_so_many_streams_and_others_have_theirs() {
    let key = |key| Key::new(key).unwrap();
    let mut limits = Limits::default();
    limits.streams_per_key = MaxStreamsPerKey(2);
    let (rig, door) = Rig::behind_door(IN_TEXT, |gateway| {
        gateway
            .clocks(quick())
            .limits(limits)
            .upstream_key(key("up"))
            .client_key(key("a"))
            .client_key(key("b"))
    })
    .await;
    let ask = |path: &str, key: &str| -> RequestBuilder {
        let request = rig.call_with(Method::POST, path, Some(key));
        request.body(question(MODEL, true).to_string())
    };
    let mut running = Growing::open(ask("/v1/messages", "a")).await;
    running.until("content_block_delta").await;
    assert_eq!(receive(ask("/v1/streams", "a")).await.status, 201);
    for path in ["/v1/messages", "/v1/streams"] {
        let refused = receive(ask(path, "a")).await;
        is_refusal(&refused, 429, "rate_limit_error", "this key has as many streams running as it may, 2");
    }
    assert_eq!(receive(ask("/v1/streams", "b")).await.status, 201, "the other key has its own");
    door.open();
    let whole = running.end().await;
    assert!(whole.contains("message_stop"), "what ran is intact");
    // What was refused is not kept.
    let list = rig.call_with(Method::GET, "/v1/streams", Some("a"));
    assert_eq!(receive(list).await.json()["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_gateway_has_so_many_streams() {
    let (rig, door) = behind_door(|limits| limits.streams = MaxStreams(1)).await;
    let running = rig.create("").await;
    let refused = rig.ask(&question(MODEL, true), "").await;
    is_refusal(&refused, 503, "overloaded_error", "as many streams as it may, 1");
    let refused = receive(rig.creation(&question(MODEL, true), "")).await;
    is_refusal(&refused, 503, "overloaded_error", "as many streams as it may, 1");
    door.open();
    assert_eq!(rig.outcome(&running).await, "completed", "what ran is intact");
    // Its place is free, a moment after its last record is seen.
    rig.cancel(&running).await;
    let next = rig.create("").await;
    assert_eq!(rig.outcome(&next).await, "completed");
}

#[tokio::test]
async fn a_stream_has_so_many_readers() {
    let rig = limited(|limits| limits.readers = MaxReaders(1)).await;
    let stream = rig.create("stall@event=6").await;
    let events = format!("/v1/streams/{stream}/events");
    let mut first = Growing::open(rig.call(Method::GET, &events)).await;
    first.until("content_block_delta").await;
    // An `EventSource` is never stopped by it.
    let second = receive(rig.call(Method::GET, &events).header("accept", "text/event-stream")).await;
    assert_eq!((second.status, second.header("content-type")), (200, "text/event-stream; charset=utf-8"));
    assert!(second.text().starts_with("retry: 3000\n\n: "), "{}", second.text());
    assert!(!second.text().contains("event:") && !second.text().contains("id:"), "{}", second.text());
    for query in ["?format=ndjson", "?format=text", "?live=poll"] {
        let refused = rig.get(&format!("{events}{query}")).await;
        is_refusal(&refused, 429, "rate_limit_error", "as many readers as it may");
    }
    let many = rig.get(&format!("/v1/events?streams={stream}:0")).await;
    assert_eq!(many.status, 200);
    assert!(
        many.text().contains("\"perennial.error\"") && many.text().contains("\"status\":429"),
        "{}",
        many.text()
    );
    // Those who were refused are not counted as readers.
    assert_eq!(rig.get(&format!("/v1/streams/{stream}")).await.json()["readers"], 1);
    drop(first);
    while rig.get(&format!("/v1/streams/{stream}")).await.json()["readers"] != 0 {}
    let mut next = Growing::open(rig.call(Method::GET, &events)).await;
    next.until("content_block_delta").await;
    rig.cancel(&stream).await;
    assert!(next.end().await.contains("perennial.terminal"));
    // What has ended has no end of readers.
    let all = futures_util::future::join_all((0..4).map(|_| rig.lines(&stream))).await;
    assert!(all.iter().all(|lines| *lines == all[0]));
}

#[tokio::test]
async fn a_body_and_a_head_have_a_size() {
    let rig = limited(|limits| limits.body = MaxBodyBytes(2000)).await;
    let mut large = question(MODEL, true);
    large["metadata"] = json!({"user_id": "x".repeat(2000)});
    for path in ["/v1/messages", "/v1/streams", "/v1/messages/count_tokens"] {
        // Announced, and in chunks without a word about the size.
        let announced = rig.call(Method::POST, path).body(large.to_string());
        let chunks: Vec<Result<String, std::io::Error>> = vec![Ok(large.to_string()), Ok(" ".repeat(9000))];
        let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        let chunked = rig.call(Method::POST, path).body(chunked);
        for request in [announced, chunked] {
            let refused = receive(request).await;
            is_refusal(&refused, 413, "request_too_large", "this gateway's limit of 2000 bytes");
        }
    }
    let head = rig.call(Method::GET, "/v1/streams").header("x-large", "x".repeat(200_000));
    assert_eq!(receive(head).await.status, 431);
    let head = rig.call(Method::GET, "/v1/streams").header("x-large", "x".repeat(20_000));
    assert_eq!(receive(head).await.status, 200);
    assert!(rig.sim.journal().entries().is_empty(), "nothing of it went up");
    // A client that is still sending gets the answer as well, and not a broken connection.
    let rig = limited(|limits| limits.body = MaxBodyBytes(1000)).await;
    let refused = receive(rig.call(Method::POST, "/v1/messages").body(vec![b' '; 20_000_000])).await;
    is_refusal(&refused, 413, "request_too_large", "limit of 1000 bytes");
}

#[tokio::test]
async fn there_are_so_many_connections() {
    let (rig, door) = behind_door(|limits| limits.connections = MaxConnections(1)).await;
    // Each request is a connection of its own.
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let request = |method, path: &str| {
        let request = http.request(method, format!("{}{path}", rig.gateway.url()));
        request.header("x-api-key", "sk-test").header("anthropic-version", "2026-10-21")
    };
    let body = question(MODEL, true).to_string();
    let message = request(Method::POST, "/v1/messages").body(body);
    let mut running = Growing::open(message).await;
    running.until("content_block_delta").await;
    for path in ["/v1/streams", "/readyz"] {
        let refused = receive(request(Method::GET, path)).await;
        is_refusal(&refused, 503, "overloaded_error", "no connection left");
    }
    let events = format!("/v1/streams/{}/events", running.stream());
    let source = receive(request(Method::GET, &events).header("accept", "text/event-stream")).await;
    assert_eq!((source.status, source.header("content-type")), (200, "text/event-stream; charset=utf-8"));
    assert!(source.text().starts_with("retry: 3000\n\n: "), "{}", source.text());
    door.open();
    assert!(running.end().await.contains("message_stop"), "what ran is intact");
    // Its seat is free when its connection is closed.
    while receive(request(Method::GET, "/readyz")).await.status != 200 {}
}

/// A limit that is larger than a record of the log: it is no trouble of the log's, and will not pass.
#[tokio::test]
async fn a_request_that_no_record_takes_is_too_large() {
    let rig = limited(|limits| limits.body = MaxBodyBytes(80 << 20)).await;
    let body =
        format!(r#"{{"model":"{MODEL}","max_tokens":1,"messages":[],"x":"{}"}}"#, "x".repeat(64 << 20));
    let answer = receive(rig.call(Method::POST, "/v1/streams").body(body)).await;
    is_refusal(&answer, 413, "request_too_large", "larger than this gateway's log takes");
}
