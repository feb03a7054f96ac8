//! The streams that a gateway keeps: what is sent to make, list, stop and share them, and what is made of the answers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripted;

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use perennial::resources::{LinkScope, PageRequest, StreamState};
use perennial::{ErrorKind, MessageRequest, RequestOptions, StopReason};
use scripted::Script;
use serde_json::{Value, json};

fn info(id: &str, state: &str) -> Value {
    json!({
        "id": id, "type": "stream", "state": state, "model": "claude-sonnet-5-5",
        "created_at": "2026-11-25T16:00:00.123456Z", "expires_at": "2026-11-26T16:00:00.123Z",
        "position": "42.1", "on_disconnect": "detach", "readers": 2,
        "usage": {"input_tokens": 12, "output_tokens": 1}, "usage_is_final": false, "outcome": null,
        "novelty": [1],
    })
}

fn question() -> MessageRequest {
    MessageRequest::new("claude-sonnet-5-5", 64).user("Hi")
}

#[tokio::test]
async fn a_stream_is_made_once_however_often_it_is_asked_for() {
    let busy = json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    let script = Script::default()
        .unreachable()
        .lost_after(vec![Bytes::from_static(b"{\"id\":")])
        .status(529, &busy)
        .json(&info("strm_1", "running"));
    let streams = script.client().messages().client().streams();
    let patient =
        perennial::RetryPolicy { max_retries: 3, first_delay: Duration::ZERO, ..Default::default() };
    let options = RequestOptions::new().retries(patient).beta("b1");
    let made = streams.clone().with(&options).create(question().beta("b2")).await.unwrap();
    assert_eq!((made.id.as_str(), made.state, made.readers), ("strm_1", StreamState::Running, 2));
    assert_eq!(made.position.unwrap().to_string(), "42.1");
    assert_eq!(made.usage.unwrap().input_tokens, Some(12));
    assert_eq!((made.outcome, made.usage_is_final), (None, false));
    let asked = script.asked();
    let keys: Vec<_> = asked.iter().map(|asked| asked.idempotency_key.clone().unwrap()).collect();
    assert!(keys[0].len() >= 32 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!((asked[0].method.as_str(), asked[0].target.as_str()), ("POST", "/v1/streams"));
    assert_eq!(asked[0].betas.as_deref(), Some("b1,b2"));
    assert_eq!(asked[0].body["messages"][0]["role"], "user");
    assert_eq!(asked[0].body.get("stream"), None);

    // Another call has another key, unless it is given one.
    let script = Script::default().json(&info("strm_2", "running")).json(&info("strm_3", "running"));
    let streams = script.client().streams();
    streams.create(question()).await.unwrap();
    let mine = RequestOptions::new().header("idempotency-key", "mine");
    streams.with(&mine).create(question()).await.unwrap();
    let asked = script.asked();
    assert_ne!(asked[0].idempotency_key.as_ref(), Some(&keys[0]));
    assert_eq!(asked[1].idempotency_key.as_deref(), Some("mine"));
}

#[tokio::test]
async fn a_wrong_request_is_not_sent() {
    let script = Script::default();
    let error = script.client().streams().create(MessageRequest::new("m", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request);
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn one_stream_and_its_end() {
    let mut ended = info("strm_1", "failed");
    ended["outcome"] = json!({"type": "failed", "stop_reason": null, "error": {"type": "overloaded_error", "message": "busy"}});
    let mut completed = info("strm_1", "completed");
    completed["outcome"] = json!({"type": "completed", "stop_reason": "end_turn", "error": null});
    let script = Script::default()
        .json(&ended)
        .json(&completed)
        .json(&info("strm_1", "dreaming"))
        .json(&json!({"id": "strm_1"}));
    let streams = script.client().streams();
    let failed = streams.get("strm_1").await.unwrap();
    assert!(failed.state.is_ended());
    let outcome = failed.outcome.unwrap();
    assert_eq!((outcome.state, outcome.stop_reason), (StreamState::Failed, None));
    assert_eq!(outcome.error.unwrap().get(), r#"{"type":"overloaded_error","message":"busy"}"#);
    let outcome = streams.get("strm_1").await.unwrap().outcome.unwrap();
    assert_eq!(
        (outcome.state, outcome.stop_reason, outcome.error),
        (StreamState::Completed, Some(StopReason::EndTurn), None)
    );
    // What this version does not know is kept.
    let dreaming = streams.get("strm_1").await.unwrap();
    assert_eq!((dreaming.state.as_str(), dreaming.state.is_ended()), ("dreaming", false));
    assert_eq!(dreaming.raw().parse::<Value>().unwrap()["novelty"], json!([1]));
    let bare = streams.get("strm_1").await.unwrap();
    assert_eq!((bare.position, bare.usage, bare.readers), (None, None, 0));
    assert!(script.asked().iter().all(|asked| asked.target == "/v1/streams/strm_1"));
}

#[tokio::test]
async fn streams_are_listed_page_by_page() {
    let page = |ids: &[&str], more: bool| {
        let data: Vec<Value> = ids.iter().map(|id| info(id, "completed")).collect();
        json!({"data": data, "has_more": more, "last_id": ids.last()})
    };
    let script =
        Script::default().json(&page(&["c", "b"], true)).json(&page(&["a"], false)).json(&page(&["c"], true));
    let streams = script.client().streams();
    let ids: Vec<String> = streams.all().map_ok(|stream| stream.id).try_collect().await.unwrap();
    assert_eq!(ids, ["c", "b", "a"]);
    let one = streams.list(PageRequest::first().limit(1)).await.unwrap();
    assert_eq!((one.data.len(), one.after()), (1, Some(PageRequest::first().after("c"))));
    let targets: Vec<String> = script.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets, ["/v1/streams", "/v1/streams?after_id=b", "/v1/streams?limit=1"]);
}

#[tokio::test]
async fn stopping_forgetting_sharing() {
    let link = json!({"url": "/v1/streams/strm_1/events?cap=abc", "cap": "abc", "expires_at": "2026-11-25T17:00:00Z"});
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "so f"}], "stop_reason": null});
    let script = Script::default()
        .json(&info("strm_1", "cancelled"))
        .nothing()
        .json(&link)
        .with("perennial-state", "running", &message)
        .json(&info("strm_1", "cancelled"));
    let streams = script.client().streams();
    assert_eq!(streams.cancel("strm_1").await.unwrap().state, StreamState::Cancelled);
    streams.delete("strm_1").await.unwrap();
    let link = streams.link("strm_1", LinkScope::Cancel, Duration::from_secs(3600)).await.unwrap();
    assert_eq!((link.cap.as_str(), link.url.as_str()), ("abc", "/v1/streams/strm_1/events?cap=abc"));
    let part = streams.message("strm_1").await.unwrap();
    assert_eq!((part.message.text().as_str(), part.state), ("so f", StreamState::Running));
    streams.capability("abc").cancel("strm_1").await.unwrap();
    let asked = script.asked();
    let lines: Vec<String> = asked.iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect();
    assert_eq!(
        lines,
        [
            "POST /v1/streams/strm_1/cancel",
            "DELETE /v1/streams/strm_1",
            "POST /v1/streams/strm_1/links",
            "GET /v1/streams/strm_1/message",
            "POST /v1/streams/strm_1/cancel?cap=abc",
        ]
    );
    assert_eq!(asked[2].body, json!({"scope": "cancel", "expires_in": 3600}));
}

#[tokio::test]
async fn what_is_gone_is_gone() {
    let gone = json!({"type": "error", "error": {"type": "not_found_error", "message": "gone"}});
    let script = Script::default().lost_before().nothing().status(410, &gone).status(404, &gone);
    let streams = script.client().streams();
    streams.delete("strm_1").await.unwrap();
    let error = streams.get("strm_1").await.unwrap_err();
    assert_eq!(error.status(), Some(410));
    assert!(error.to_string().ends_with("it was deleted or has expired"), "{error}");
    let error = streams.get("strm_1").await.unwrap_err();
    assert!(error.to_string().contains("there is no such stream for this key"), "{error}");
    assert_eq!(script.asked().len(), 4);
}
