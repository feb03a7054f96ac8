//! A history that refuses for a while: what an answer came to is written later, and readers are told meanwhile.

use std::sync::Arc;

use perennial_gateway::FetchPolicy;
use perennial_history::History;
use perennial_log::{MemoryLog, MemoryOptions};
use perennial_sim::Scenario;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection as _;

use super::gate::Gate;
use super::kill::{House, call};
use super::{Room, client, is_open, rig_with, text, turn, turns};
use crate::native::Growing;
use crate::postgres::Postgres;
use crate::rig::{PATIENCE, receive, simulator};

const STEPS: &str = r#"
[[step]]
tools = [{ name = "calculator", input = { expression = "6 * 7" } }]

[[step]]
text = "It is 42."

[[step]]
text = "Next."
"#;

/// A connection of somebody else's to the same file, who makes it refuse.
struct Other(sqlx::SqliteConnection);

impl Other {
    async fn of(file: &std::path::Path) -> Self {
        Self(sqlx::SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap())
    }

    async fn does(&mut self, what: &str) {
        sqlx::query(sqlx::AssertSqlSafe(what)).execute(&mut self.0).await.unwrap();
    }

    /// From now on such changes are refused.
    async fn refuses(&mut self, change: &str) {
        let refusal = "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
        self.does(&format!("CREATE TRIGGER refusal BEFORE {change} {refusal}")).await;
    }

    async fn yields(&mut self) {
        self.does("DROP TRIGGER refusal").await;
    }
}

/// A gateway whose conversations are in a file.
async fn room(folder: &tempfile::TempDir) -> (Room, Other, Arc<Gate>) {
    let file = folder.path().join("conversations.db");
    let history = History::open_file(&file).await.unwrap();
    let sim = simulator().scenario(Scenario::parse(STEPS).unwrap());
    let gate = Gate::over(Arc::new(MemoryLog::new(MemoryOptions::default())));
    let room = rig_with(sim, |gateway| gateway.history(history).log(gate.clone())).await;
    (room, Other::of(&file).await, gate)
}

/// It is told that the history does not take what a turn came to.
fn is_unwritten(turn: &Value) -> bool {
    let said = turn["error"]["message"].as_str().unwrap_or_default();
    said.contains("history does not take it") && turn["error"]["type"] == "api_error"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_refused_is_written_later_and_once() {
    for change in [
        // How an answer ended.
        "UPDATE ON turns WHEN new.ended_us IS NOT NULL",
        // What its tools gave.
        "INSERT ON turns WHEN new.made_by = 'tools'",
        // That what waits begins.
        "UPDATE ON turns WHEN old.state = 'queued'",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (room, mut other, gate) = room(&folder).await;
        let id = room.talk(json!({"settings": {"tools": ["calculator"]}})).await;
        other.refuses(change).await;
        let made = room.tell(&id, json!({"content": "What is six times seven?"}), "").await;
        let waiting = room.tell(&id, json!({"content": "And then?", "queue": true}), "").await;
        let answer = &made["assistant"]["id"];
        if change.contains("queued") {
            room.once(&id, |shown| turns(shown).iter().any(|turn| text(turn) == "It is 42.")).await;
        } else {
            let shown = room.once(&id, |shown| is_unwritten(turn(shown, answer))).await;
            let ends = change.contains("ended_us");
            let state = if ends { "running" } else { "completed" };
            assert_eq!(turn(&shown, answer)["state"], state, "{change}: {shown:#}");
            // Its stream has all of it, and says how it ended.
            let stream = made["assistant"]["stream"].as_str().unwrap();
            let events = receive(client().get(format!("{}/v1/streams/{stream}/events", room.gateway.url())));
            assert!(events.await.text().contains("event: perennial.terminal"), "{change}");
            assert!(
                room.get("/metrics").await.text().contains("\nperennial_history_unwritten 1\n"),
                "{change}"
            );
            // Nothing else is asked on this branch.
            let path = format!("/v1/conversations/{id}/turns");
            let asked = json!({"content": "Now?", "parent": answer});
            assert_eq!(room.say(Method::POST, &path, &asked, "").await.status, 409, "{change}");
        }
        // It may take longer than a name of a stream is fresh.
        gate.takes_new_names_only();
        other.yields().await;
        let shown = room.over(&id).await;
        assert!(room.get("/metrics").await.text().contains("\nperennial_history_unwritten 0\n"), "{change}");
        let said: Vec<_> = turns(&shown).iter().map(text).collect();
        assert_eq!(said.len(), 6, "{change}: {shown:#}");
        assert!(
            turns(&shown).iter().all(|turn| turn["state"] == "completed" && turn["error"].is_null()),
            "{change}"
        );
        assert_eq!(text(turn(&shown, &waiting["assistant"]["id"])), "Next.", "{change}");
        assert!(said.contains(&"It is 42.".to_owned()), "{change}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_locks_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (room, mut other, _) = room(&folder).await;
    let id = room.talk(json!({})).await;
    let made = room.tell(&id, json!({"content": "Long."}), "stall=100ms@event=2").await;
    other.does("BEGIN EXCLUSIVE").await;
    // Longer than a write waits for a lock.
    let shown = room.once(&id, |shown| is_unwritten(turn(shown, &made["assistant"]["id"]))).await;
    assert_eq!(turns(&shown).len(), 2);
    other.does("COMMIT").await;
    let shown = room.over(&id).await;
    let answer = turn(&shown, &made["assistant"]["id"]);
    assert_eq!((&answer["state"], &answer["error"]), (&json!("completed"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_waited_for() {
    let Some(mut postgres) = Postgres::start() else { return };
    let history = History::open(&postgres.database("away").await).await.unwrap();
    let room = rig_with(simulator(), |gateway| gateway.history(history)).await;
    let id = room.talk(json!({})).await;
    let made = room.tell(&id, json!({"content": "Long."}), "stall=2s@event=3").await;
    postgres.pause();
    // The stream has nothing to do with it.
    let stream = made["assistant"]["stream"].as_str().unwrap();
    let events = receive(client().get(format!("{}/v1/streams/{stream}/events", room.gateway.url())));
    assert!(events.await.text().contains(r#""outcome":"completed""#));
    let refused = room.get(&format!("/v1/conversations/{id}")).await;
    assert_eq!((refused.status, &refused.json()["error"]["type"]), (503, &json!("overloaded_error")));
    postgres.resume();
    let shown = room.over(&id).await;
    assert_eq!(turn(&shown, &made["assistant"]["id"])["state"], "completed", "{shown:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_until_the_process_ends_is_written_by_the_next() {
    for killed in [true, false] {
        let sim = simulator().scenario(Scenario::parse(STEPS).unwrap());
        let house = House::with(sim, FetchPolicy::default()).await;
        let first = house.start(true).await;
        let new = json!({"settings": {"tools": ["calculator"]}});
        let id = call(&first, Method::POST, "/v1/conversations", new, "").await["id"].clone();
        let path = format!("/v1/conversations/{}", id.as_str().unwrap());
        let mut other = Other::of(&house.conversations()).await;
        other.refuses("UPDATE ON turns").await;
        let asked = json!({"content": "What is six times seven?"});
        let made = call(&first, Method::POST, &format!("{path}/turns"), asked, "").await;
        let mut feed = Growing::open(client().get(format!("{}/v1/conversations/events", first.url()))).await;
        feed.until("event: hello").await;
        let answer = &made["assistant"]["id"];
        while !is_unwritten(turn(&call(&first, Method::GET, &path, json!({}), "").await, answer)) {
            feed.body.clear();
            tokio::time::timeout(PATIENCE, feed.until("event: conversation")).await.expect("it is told");
        }
        drop(feed);
        if killed {
            first.kill().await;
        } else {
            // It does not wait for ever either.
            tokio::time::timeout(PATIENCE, first.stop()).await.expect("it stops");
        }
        other.yields().await;
        let second = house.start(true).await;
        let mut feed = Growing::open(client().get(format!("{}/v1/conversations/events", second.url()))).await;
        feed.until("event: hello").await;
        loop {
            let shown = call(&second, Method::GET, &path, json!({}), "").await;
            if turns(&shown).len() == 4 && !turns(&shown).iter().any(is_open) {
                assert_eq!(text(turn(&shown, &shown["head"])), "It is 42.", "killed: {killed}");
                assert_eq!(turn(&shown, answer)["error"], Value::Null);
                break;
            }
            feed.body.clear();
            tokio::time::timeout(PATIENCE, feed.until("event: conversation")).await.expect("it goes on");
        }
        second.kill().await;
        house.sim.stop().await;
    }
}
