//! Moments of a turn that last for microseconds, in which somebody asks, or the process is killed.

use std::sync::Arc;
use std::time::Duration;

use perennial_gateway::FetchPolicy;
use perennial_log::{MemoryLog, MemoryOptions};
use perennial_sim::Scenario;
use reqwest::Method;
use serde_json::{Value, json};

use super::gate::{Before, Gate, waited};
use super::kill::{Home, House, call};
use super::{client, is_open, rig, text, turn, turns};
use crate::postgres::Postgres;
use crate::rig::{MODEL, question, quick, receive, simulator};

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

/// However early an answer is opened, its stream is there by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_answer_is_opened_early_waits_for_the_log() {
    let gate = Gate::over(Arc::new(MemoryLog::new(MemoryOptions::default())));
    let mut clocks = quick();
    clocks.early_open = Duration::from_millis(1);
    let rig = rig(|gateway| gateway.log(gate.clone()).clocks(clocks)).await;
    for stream in [true, false] {
        gate.shut(Before::Create);
        let request = rig.post(&rig.gateway.url(), question(MODEL, stream).to_string(), "");
        let answer = waited(request, || rig.call(Method::GET, "/healthz"), || gate.open()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(
            answer.text().contains(if stream { "message_stop" } else { "stop_reason" }),
            "{}",
            answer.text()
        );
    }
}

/// What a process before this one owes is begun in a moment: who stops it meanwhile stops what follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_owes_what_its_tools_give_is_stopped_right_after_a_restart() {
    let page = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = page.local_addr().unwrap().to_string();
    let steps = format!(
        "[[step]]\ntext = \"I look.\"\ntools = [{{ name = \"fetch\", input = {{ url = \"http://{host}/\" }} }}]\n[[step]]\ntext = \"More.\""
    );
    let sim = simulator().scenario(Scenario::parse(&steps).unwrap());
    let house = House::with(sim, FetchPolicy::of([host])).await;
    let first = house.start(true).await;
    let new = json!({"settings": {"tools": ["fetch"]}});
    let id = call(&first, Method::POST, "/v1/conversations", new, "").await["id"].clone();
    let path = format!("/v1/conversations/{}", id.as_str().unwrap());
    let made =
        call(&first, Method::POST, &format!("{path}/turns"), json!({"content": "Look there."}), "").await;
    let (socket, _) = page.accept().await.unwrap();
    first.kill().await;
    drop(socket);

    let second = house.start_at(Before::Unsettled).await;
    second.gate().reached().await;
    let answer = made["assistant"]["id"].as_str().unwrap();
    let stop = client().post(format!("{}{path}/turns/{answer}/stop", second.url()));
    let other = || client().get(format!("{}/healthz", second.url()));
    let stopped = waited(stop, other, || second.gate().open()).await;
    assert_eq!((stopped.status, &stopped.json()["turn"]["state"]), (200, &json!("completed")));
    let shown = call(&second, Method::GET, &path, json!({}), "").await;
    let states: Vec<_> = turns(&shown).iter().map(|turn| turn["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["completed", "completed", "completed", "cancelled"], "{shown:#}");
    assert_eq!(turns(&shown)[2]["content"][0]["content"], "This call was stopped.");
    assert_eq!(house.sim.journal().entries().len(), 1, "nothing was asked behind it");
    second.kill().await;
    house.sim.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_whose_stream_was_never_written_is_asked_by_the_next_process() {
    never_written(House::new().await).await;
}

/// There no lock says that a process is gone: that it was at the same place does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_whose_stream_was_never_written_is_asked_from_a_postgres_too() {
    let Some(postgres) = Postgres::start() else { return };
    let mut house = House::new().await;
    house.history = Some(postgres.database("moments").await);
    never_written(house).await;
}

async fn never_written(mut house: House) {
    // Another answer in the same conversation, whose stop is answered once what was left is settled.
    let first = house.start(true).await;
    let id = call(&first, Method::POST, "/v1/conversations", json!({}), "").await["id"].clone();
    let path = format!("/v1/conversations/{}", id.as_str().unwrap());
    let before =
        call(&first, Method::POST, &format!("{path}/turns"), json!({"content": "Before?"}), "").await;
    first.over(&path).await;
    first.kill().await;
    let settled = format!("{path}/turns/{}/stop", before["assistant"]["id"].as_str().unwrap());

    let left = async |house: &House, question: &str| {
        let home = house.start_at(Before::Create).await;
        let body = json!({"content": question, "parent": null});
        let asked = client().post(format!("{}{path}/turns", home.url())).body(body.to_string());
        let asked = tokio::spawn(asked.send());
        home.gate().reached().await;
        home.kill().await;
        asked.abort();
    };
    let state = async |home: &Home, question: &str| {
        call(home, Method::POST, &settled, json!({}), "").await;
        let shown = call(home, Method::GET, &path, json!({}), "").await;
        let asked = turns(&shown).iter().find(|turn| text(turn) == question).unwrap();
        turns(&shown).iter().find(|turn| turn["parent"] == asked["id"]).unwrap().clone()
    };

    // 1. The next process asks, once.
    left(&house, "First?").await;
    let home = house.start(true).await;
    home.over(&path).await;
    let answer = state(&home, "First?").await;
    assert_eq!(answer["state"], "completed", "{answer:#}");
    assert!(!text(&answer).is_empty());
    assert_eq!(house.sim.journal().entries().len(), 2);
    home.kill().await;

    // 2. Without a credential of its own it cannot, and says what to do.
    left(&house, "Second?").await;
    house.has_key = false;
    let home = house.start(true).await;
    let answer = state(&home, "Second?").await;
    assert_eq!(answer["state"], "interrupted", "{answer:#}");
    assert!(answer["error"]["message"].as_str().unwrap().ends_with(": ask again"), "{answer:#}");
    home.kill().await;
    house.has_key = true;

    // 3. A gateway elsewhere does not ask: it has another log. In a database that both have it leaves it alone; a file's lock says that nobody else goes on with it.
    left(&house, "Third?").await;
    house.place = "elsewhere";
    let home = house.start(true).await;
    let answer = state(&home, "Third?").await;
    let expected = if house.history.is_some() { "running" } else { "interrupted" };
    assert_eq!(answer["state"], expected, "{answer:#}");
    // Who takes only text is given what there is.
    let plain = client().get(format!("{}{path}?format=text", home.url()));
    assert_eq!(receive(plain).await.status, 200);
    home.kill().await;
    house.place = "here";
    let home = house.start(true).await;
    let shown = home.over(&path).await;
    assert!(!turns(&shown).iter().any(is_open));
    let expected = if house.history.is_some() { "completed" } else { "interrupted" };
    assert_eq!(state(&home, "Third?").await["state"], Value::from(expected));
    home.kill().await;
    house.sim.stop().await;
}
