//! A message for a client that asked for no stream.

use serde_json::Value;

use crate::doored::IN_TEXT;
use crate::native::Growing;
use crate::rig::{MODEL, Rig, fixtures, pinging, question, quick, receive, simulator, transcript};

#[tokio::test]
async fn a_message_is_the_fold_of_the_stream() {
    let rig = Rig::new().await;
    let streamed = rig.ask_directly(&question(MODEL, true), "").await;
    let folded = serde_json::to_value(streamed.transcript().into_message()).unwrap();
    let answer = rig.ask(&question(MODEL, false), "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.json()["content"], folded["content"]);
    assert_eq!(answer.json()["usage"], folded["usage"]);
    let asked = rig.sim.journal().entries().pop().unwrap();
    assert!(asked.stream, "the upstream is asked for a stream");
    assert_eq!(answer.header("request-id"), asked.request_id);
    assert!(!answer.header("anthropic-ratelimit-requests-remaining").is_empty());
    // A body that does not mention `stream` asks for a message too.
    let mut silent = question(MODEL, false);
    silent.as_object_mut().unwrap().remove("stream");
    assert_eq!(rig.ask(&silent, "").await.json()["content"], folded["content"]);
}

#[tokio::test]
async fn recorded_streams_fold_to_their_messages() {
    let Some(folder) = fixtures("recorded") else { return };
    let rig = Rig::with(simulator().replay_dir(&folder), |gateway| gateway.clocks(quick())).await;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let folded = serde_json::to_vec(&transcript(&std::fs::read(&path).unwrap()).into_message()).unwrap();
        let answer = rig.ask(&question(&format!("replay:{name}"), false), "").await;
        assert_eq!((answer.status, answer.text()), (200, std::str::from_utf8(&folded).unwrap()), "{name}");
    }
}

#[tokio::test]
async fn a_slow_message_is_kept_alive_by_blanks() {
    let quick = Rig::new().await.ask(&question(MODEL, false), "").await;
    let (rig, door) = Rig::behind_door(IN_TEXT, |gateway| gateway.clocks(pinging())).await;
    let mut slow = Growing::open(rig.post(&rig.gateway.url(), question(MODEL, false).to_string(), "")).await;
    assert_eq!(slow.response.status(), 200);
    slow.until("  ").await;
    door.open();
    let slow: Value = serde_json::from_str(slow.end().await.trim_start_matches(' ')).unwrap();
    assert_eq!(slow["content"], quick.json()["content"]);
}

#[tokio::test]
async fn a_message_that_cannot_be_had_whole_is_an_error() {
    let rig = Rig::new().await;
    for (orders, status, kind) in [
        ("fin@event=6", 502, "api_error"),
        ("rst@byte=1200", 502, "api_error"),
        ("end@event=6", 502, "api_error"),
        ("body=empty", 502, "api_error"),
        ("error=overloaded_error@event=6", 529, "overloaded_error"),
        ("error=rate_limit_error@event=0", 429, "rate_limit_error"),
        ("error=api_error@event=6", 500, "api_error"),
    ] {
        let answer = rig.ask(&question(MODEL, false), orders).await;
        let body = answer.json();
        assert_eq!((answer.status, body["error"]["type"].as_str()), (status, Some(kind)), "{orders}: {body}");
        assert_eq!(body["type"], Value::from("error"));
    }
}

#[tokio::test]
async fn a_message_that_fails_late_is_broken_off() {
    for orders in ["end@event=8", "error=overloaded_error@event=8"] {
        let (rig, door) = Rig::behind_door(IN_TEXT, |gateway| gateway.clocks(pinging())).await;
        let request = rig.post(&rig.gateway.url(), question(MODEL, false).to_string(), orders);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "the status went out with the first blank");
        door.open();
        // No client may take what it got for an answer.
        assert!(response.bytes().await.is_err(), "{orders}");
    }
}

/// Whoever asked for a stream gets one, and whoever asked for a message that message; both can be read again.
#[tokio::test]
async fn an_upstream_that_does_not_stream_is_made_to() {
    let rig = Rig::new().await;
    let direct = rig.ask_directly(&question(MODEL, true), "body=json").await.json();
    let folded = rig.ask(&question(MODEL, false), "body=json").await;
    assert_eq!((folded.status, &folded.json()["content"]), (200, &direct["content"]));
    assert_eq!(
        (&folded.json()["usage"], &folded.json()["stop_reason"]),
        (&direct["usage"], &direct["stop_reason"])
    );
    let streamed = rig.ask(&question(MODEL, true), "body=json").await;
    assert_eq!(streamed.header("content-type"), "text/event-stream; charset=utf-8");
    assert!(
        streamed.text().ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
        "{}",
        streamed.text()
    );
    let url = format!(
        "{}/v1/streams/{}/events?format=text",
        rig.gateway.url(),
        streamed.header("perennial-stream")
    );
    let text = receive(rig.http.get(url)).await;
    assert_eq!(text.text(), direct["content"][0]["text"].as_str().unwrap());
}
