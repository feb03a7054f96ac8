//! Moments of a turn that last for microseconds, in which somebody asks.

use std::sync::Arc;

use perennial_log::{MemoryLog, MemoryOptions};
use reqwest::Method;
use serde_json::json;

use super::gate::{Before, Gate, waited};
use super::{rig, text, turn};
use crate::rig::receive;

/// From the turn's first row on it has the name of its stream, which the log has a moment later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_name_is_told_is_waited_for() {
    let gate = Gate::over(Arc::new(MemoryLog::new(MemoryOptions::default())));
    let rig = rig(|gateway| gateway.log(gate.clone())).await;
    let id = rig.talk(json!({})).await;
    let path = format!("/v1/conversations/{id}");
    for face in ["/events?format=text", "", "/message", "many", "page"] {
        gate.shut(Before::Create);
        let asked = rig.call(Method::POST, &format!("{path}/turns")).body(r#"{"content": "Why?"}"#);
        let asked = tokio::spawn(receive(asked));
        gate.reached().await;
        // What a second page sees at this moment.
        let shown = rig.conversation(&id).await;
        let stream = shown["live"].as_str().expect("an answer comes").to_owned();
        let read = match face {
            "many" => format!("/v1/events?streams={stream}"),
            "page" => format!("{path}?format=text"),
            face => format!("/v1/streams/{stream}{face}"),
        };
        let read =
            waited(rig.call(Method::GET, &read), || rig.call(Method::GET, "/healthz"), || gate.open()).await;
        assert_eq!(read.status, 200, "{face}: {}", read.text());
        assert!(!read.text().contains("perennial.error"), "{face}: {}", read.text());
        assert_eq!(asked.await.unwrap().status, 201);
        let shown = rig.over(&id).await;
        let answer = turn(&shown, &shown["head"]);
        assert_eq!(
            (&answer["state"], answer["stream"].as_str()),
            (&json!("completed"), Some(&*stream)),
            "{face}"
        );
        if read.header("content-type").starts_with("text/plain") {
            assert_eq!(read.text().trim_end(), text(answer).trim_end(), "{face}");
        }
    }

    // One that does not come is waited for as well, and then is not there.
    gate.shut(Before::Create);
    let asked = rig.call(Method::POST, &format!("{path}/turns")).body(r#"{"content": "Why?"}"#);
    let asked = tokio::spawn(receive(asked));
    gate.reached().await;
    let shown = rig.conversation(&id).await;
    let read = format!("/v1/streams/{}/events", shown["live"].as_str().unwrap());
    let refuse = || {
        gate.takes_new_names_only();
        gate.open();
    };
    let read = waited(rig.call(Method::GET, &read), || rig.call(Method::GET, "/healthz"), refuse).await;
    assert_eq!(read.status, 404, "{}", read.text());
    assert_eq!(asked.await.unwrap().json()["assistant"]["state"], "failed");
}
