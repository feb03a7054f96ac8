//! A process that is killed in the middle of an answer, and the next one.

use std::sync::Arc;

use perennial_gateway::{FetchPolicy, Gateway, Handle, Key, Recovery};
use perennial_history::History;
use perennial_log::{DiskLog, DiskOptions, Log as _, ReserveBytes};
use perennial_sim::{Pace, Phase};
use reqwest::Method;
use serde_json::{Value, json};

use super::gate::{Before, Gate};
use super::{client, is_open, text, turn, turns};
use crate::native::Growing;
use crate::rig::{PATIENCE, quick, receive, simulator};

/// What several processes after one another have in common.
pub(super) struct House {
    folder: tempfile::TempDir,
    pub(super) sim: perennial_sim::Handle,
    fetch: FetchPolicy,
    /// Where conversations are, if not in a file.
    pub(super) history: Option<String>,
    /// At which place its gateways are, and whether they have a credential of their own.
    pub(super) place: &'static str,
    pub(super) has_key: bool,
}

pub(super) struct Home {
    runtime: tokio::runtime::Runtime,
    handle: Handle,
    gate: Arc<Gate>,
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(simulator(), FetchPolicy::default()).await
    }

    pub(super) async fn with(sim: perennial_sim::Builder, fetch: FetchPolicy) -> Self {
        let sim = sim.pace(Pace::instant()).spawn().await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), sim, fetch, history: None, place: "here", has_key: true }
    }

    pub(super) fn conversations(&self) -> std::path::PathBuf {
        self.folder.path().join("conversations.db")
    }

    /// A gateway on a runtime of its own, which is gone all at once with it.
    pub(super) async fn start(&self, recovers: bool) -> Home {
        self.started(recovers, None).await
    }

    /// One whose log waits there.
    pub(super) async fn start_at(&self, before: Before) -> Home {
        self.started(true, Some(before)).await
    }

    async fn started(&self, recovers: bool, before: Option<Before>) -> Home {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (url, folder, fetch) = (self.sim.url(), self.folder.path().to_owned(), self.fetch.clone());
        let file = || format!("sqlite:{}", self.conversations().display());
        let history = self.history.clone().unwrap_or_else(file);
        let options = DiskOptions::new().reserve(ReserveBytes::new(0));
        let gate = Gate::over(Arc::new(DiskLog::open(folder.join("log"), options).await.unwrap()));
        if let Some(before) = before {
            gate.shut(before);
        }
        let (for_gateway, place, has_key) = (Arc::clone(&gate), self.place, self.has_key);
        let starting = runtime.spawn(async move {
            let history = History::open(&history).await.unwrap().at(place);
            let recovery = if recovers { Recovery::default() } else { Recovery::none() };
            let mut builder =
                Gateway::builder(url).clocks(quick()).recovery(recovery).log(for_gateway).history(history);
            if has_key {
                builder = builder.upstream_key(Key::new("sk-own").unwrap());
            }
            builder.fetch(fetch).build().unwrap().spawn().await.unwrap()
        });
        let handle = starting.await.unwrap();
        Home { runtime, handle, gate }
    }
}

impl Home {
    pub(super) fn url(&self) -> String {
        self.handle.url()
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// A conversation, once nothing runs in it any more, as the feed tells it.
    pub(super) async fn over(&self, path: &str) -> Value {
        let mut feed = Growing::open(client().get(format!("{}/v1/conversations/events", self.url()))).await;
        feed.until("event: hello").await;
        loop {
            let shown = call(self, Method::GET, path, json!({}), "").await;
            if !turns(&shown).iter().any(is_open) {
                return shown;
            }
            feed.body.clear();
            let told = tokio::time::timeout(PATIENCE, feed.until("event: conversation")).await;
            told.unwrap_or_else(|_| panic!("it is never over: {shown:#}"));
        }
    }

    /// In good order.
    pub(super) async fn stop(self) {
        let Self { runtime, handle, gate } = self;
        handle.stop().await;
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.unwrap();
        gate.close().await.unwrap();
    }

    /// As `kill -9` does: no task does anything any more, and no last word is written.
    pub(super) async fn kill(self) {
        let Self { runtime, handle, gate } = self;
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.unwrap();
        drop(handle);
        gate.close().await.unwrap();
    }
}

pub(super) async fn call(home: &Home, method: Method, path: &str, body: Value, orders: &str) -> Value {
    let request = client().request(method, format!("{}{path}", home.url()));
    // All attempts belong together for the simulator, the one that asks for the rest too.
    let request = request.header("perennial-sim", orders).header("perennial-sim-key", "one");
    let answer = receive(request.body(body.to_string())).await;
    assert!(answer.status < 300, "{path}: {}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_in_the_middle_of_an_answer_its_end_reaches_its_turn() {
    for (orders, recovers, state) in [
        // Gone on with by the next process.
        ("stall@event=9,times=1", true, "completed"),
        ("stall@headers,times=1", true, "completed"),
        // Nothing is gone on with: what came stands.
        ("stall@event=9,times=1", false, "interrupted"),
    ] {
        let house = House::new().await;
        let first = house.start(recovers).await;
        let id = call(&first, Method::POST, "/v1/conversations", json!({"model": "claude-opus-4-8"}), "")
            .await["id"]
            .clone();
        let path = format!("/v1/conversations/{}", id.as_str().unwrap());
        let made = call(
            &first,
            Method::POST,
            &format!("{path}/turns"),
            json!({"content": "Write about two hundred words on the sea."}),
            orders,
        )
        .await;
        let waiting = call(
            &first,
            Method::POST,
            &format!("{path}/turns"),
            json!({"content": "And then?", "queue": true}),
            "",
        )
        .await;
        let phase = if orders.contains("headers") { Phase::BeforeHeaders } else { Phase::Content };
        let reached = house.sim.journal().wait_for(|entry| entry.phase >= phase && !entry.is_over());
        tokio::time::timeout(PATIENCE, reached).await.expect("it is asked");
        let stream = made["assistant"]["stream"].as_str().unwrap();
        let seen = {
            let poll = format!("{}/v1/streams/{stream}/events?live=poll&format=text&wait=0.3", first.url());
            receive(client().get(poll)).await.text().to_owned()
        };
        first.kill().await;

        let second = house.start(recovers).await;
        // The recovered stream's end is awaited, then its turn's and that of the one that waits, on the feed.
        let whole = receive(client().get(format!("{}/v1/streams/{stream}/events", second.url())));
        if tokio::time::timeout(PATIENCE / 2, whole).await.is_err() {
            let shown = receive(client().get(format!("{}/v1/streams/{stream}", second.url()))).await;
            panic!("{orders}: it does not end: {}", shown.text());
        }
        let shown = second.over(&path).await;
        let answer = turn(&shown, &made["assistant"]["id"]);
        assert_eq!(answer["state"], state, "{orders}: {answer:#}");
        assert!(text(answer).starts_with(&seen), "{orders}: what was seen stands");
        assert_eq!(
            turn(&shown, &waiting["assistant"]["id"])["state"],
            "completed",
            "{orders}: what waited was begun"
        );
        second.kill().await;
        house.sim.stop().await;
    }
}
