//! What a gateway leaves without an end is settled by the next one over the same log.

use std::sync::Arc;

use perennial_gateway::{Gateway, Key};
use perennial_ledger::{Ledger, Outcome};
use perennial_log::{DiskLog, DiskOptions, Log, ReserveBytes};
use perennial_protocol::End;
use perennial_sim::{Pace, Phase};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::rig::{Answer, MODEL, PATIENCE, question, quick, receive, transcript};

/// A gateway that can be ended like a process that is killed: no task of it does anything any more. (What becomes of the log then is the
/// log's own test; here it is closed, so that the next one can have it.)
struct Process {
    runtime: Runtime,
    handle: perennial_gateway::Handle,
    log: Arc<dyn Log>,
}

impl Process {
    async fn start(folder: &TempDir, upstream: &str, with_key: bool) -> Self {
        Self::billing(folder, upstream, with_key, None).await
    }

    async fn billing(folder: &TempDir, upstream: &str, with_key: bool, ledger: Option<&Arc<Ledger>>) -> Self {
        let options = DiskOptions::new().reserve(ReserveBytes::new(0));
        let log: Arc<dyn Log> = Arc::new(DiskLog::open(folder.path(), options).await.unwrap());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut builder = Gateway::builder(upstream).clocks(quick()).log(Arc::clone(&log));
        if let Some(ledger) = ledger {
            builder = builder.ledger(Arc::clone(ledger));
        }
        if with_key {
            builder = builder.upstream_key(Key::new("sk-gateway").unwrap());
        }
        let starting = runtime.spawn(async move { builder.build().unwrap().spawn().await.unwrap() });
        let handle = starting.await.unwrap();
        Self { runtime, handle, log }
    }

    fn url(&self) -> String {
        self.handle.url()
    }

    async fn kill(self) {
        let Self { runtime, handle, log } = self;
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.unwrap();
        // Only now: it must not stop in good order.
        drop(handle);
        log.close().await.unwrap();
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn create(url: &str, orders: &str, policy: &str) -> String {
    let request = http()
        .post(format!("{url}/v1/streams"))
        .header("x-api-key", "sk-test")
        .header("anthropic-version", "2026-10-21")
        .header("perennial-sim", orders)
        // By which the simulator knows all attempts for one answer.
        .header("perennial-sim-key", "the only one")
        .header("perennial-on-disconnect", policy)
        .body(question(MODEL, true).to_string());
    let answer = receive(request).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn get(url: &str, path: &str) -> Answer {
    receive(http().get(format!("{url}{path}"))).await
}

/// A body without signs of life, of which nobody can say how many there are.
fn said(body: &str) -> String {
    body.split_inclusive("\n\n").filter(|event| *event != ":\n\n").collect()
}

/// The names of the events of the log, and the rest as a body of the upstream's.
fn parted(body: &str) -> (Vec<Value>, String) {
    let mut of_the_log = Vec::new();
    let mut of_the_upstream = String::new();
    for event in body.split_inclusive("\n\n") {
        let (_, rest) = event.split_once('\n').unwrap();
        match rest.strip_prefix("event: perennial.") {
            Some(rest) => {
                of_the_log.push(serde_json::from_str(rest.split_once("data: ").unwrap().1).unwrap());
            }
            None => of_the_upstream.push_str(rest),
        }
    }
    (of_the_log, of_the_upstream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_without_an_end_is_settled() {
    for (orders, phase, policy, with_key, restarted) in [
        // Nothing of the answer was there.
        ("stall@headers,times=1", Phase::BeforeHeaders, "detach", true, true),
        ("stall@headers,times=1", Phase::BeforeHeaders, "grace=60", true, true),
        // Only its start.
        ("stall@event=1,times=1", Phase::BeforeContent, "detach", true, true),
        // Some of its text.
        ("stall@event=9,times=1", Phase::Content, "detach", true, true),
        ("stall@event=9,times=1", Phase::Content, "detach", false, false),
        // Nobody to ask with.
        ("stall@headers,times=1", Phase::BeforeHeaders, "detach", false, false),
    ] {
        let case = format!("{orders} {policy} {with_key}");
        let sim = perennial_sim::Simulator::builder().pace(Pace::instant()).spawn().await.unwrap();
        let whole = {
            let request = http()
                .post(format!("{}/v1/messages", sim.url()))
                .header("x-api-key", "sk-test")
                .header("anthropic-version", "2026-10-21")
                .body(question(MODEL, true).to_string());
            receive(request).await.transcript().text()
        };
        sim.journal().clear();
        let folder = tempfile::tempdir().unwrap();
        let first = Process::start(&folder, &sim.url(), with_key).await;
        let id = create(&first.url(), orders, policy).await;
        let reached = sim.journal().wait_for(|entry| entry.phase >= phase && !entry.is_over());
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{case}: never asked"));
        // What the stalled answer has said so far is read before the gateway is killed.
        let seen = {
            // What is there comes at once.
            let wait = if phase == Phase::BeforeHeaders { 0.3 } else { 60.0 };
            let poll = format!("/v1/streams/{id}/events?live=poll&format=sse&wait={wait}");
            get(&first.url(), &poll).await.text().to_owned()
        };
        first.kill().await;

        let second = Process::start(&folder, &sim.url(), with_key).await;
        let answer = get(&second.url(), &format!("/v1/streams/{id}/events")).await;
        assert!(answer.text().starts_with(&seen), "{case}: what was seen stands");
        let (of_the_log, of_the_upstream) = parted(answer.text());
        let object = get(&second.url(), &format!("/v1/streams/{id}")).await.json();
        let end = of_the_log.last().unwrap();
        assert_eq!(end["outcome"], object["state"], "{case}");
        assert_eq!(of_the_log[0]["type"], "perennial.takeover", "{case}: {of_the_log:?}");
        assert!(object["position"].as_str().unwrap().ends_with(".2"), "{case}: {object}");
        assert_eq!(
            of_the_upstream.matches("event: message_start").count(),
            usize::from(restarted || !seen.is_empty())
        );
        if restarted {
            assert_eq!(object["state"], "completed", "{case}: {object}");
            let transcript = transcript(of_the_upstream.as_bytes());
            assert!(matches!(transcript.end(), End::Complete { .. }), "{case}");
            assert_eq!(transcript.text(), whole, "{case}");
            assert_eq!(sim.journal().entries().len(), 2, "{case}: asked again, once");
        } else {
            assert_eq!(object["state"], "interrupted", "{case}: {object}");
            assert_eq!(end["error"]["type"], "api_error", "{case}");
            assert_eq!(sim.journal().entries().len(), 1, "{case}: not asked again");
        }
        // Whoever comes back with a position of the first epoch goes on from there; after the end there is nothing.
        let resumed = get(&second.url(), &format!("/v1/streams/{id}/events?after=1.1")).await;
        assert_eq!(said(resumed.text()), said(answer.text()), "{case}");
        let position = object["position"].as_str().unwrap();
        let after = get(&second.url(), &format!("/v1/streams/{id}/events?after={position}")).await;
        assert_eq!((after.status, after.text()), (204, ""), "{case}");
        second.kill().await;
        sim.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_in_that_lost_its_client_with_the_gateway_is_interrupted() {
    let sim = perennial_sim::Simulator::builder().pace(Pace::instant()).spawn().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let first = Process::start(&folder, &sim.url(), true).await;
    let request = http()
        .post(format!("{}/v1/messages", first.url()))
        .header("x-api-key", "sk-test")
        .header("anthropic-version", "2026-10-21")
        .header("perennial-sim", "stall@event=6,times=1")
        .body(question(MODEL, true).to_string());
    let mut response = request.send().await.unwrap();
    let id = response.headers()["perennial-stream"].to_str().unwrap().to_owned();
    let seen = response.chunk().await.unwrap().unwrap();
    first.kill().await;
    let second = Process::start(&folder, &sim.url(), true).await;
    let answer = get(&second.url(), &format!("/v1/streams/{id}/events")).await;
    let (of_the_log, of_the_upstream) = parted(answer.text());
    assert!(of_the_upstream.as_bytes().starts_with(&seen));
    assert_eq!(of_the_log.last().unwrap()["outcome"], "interrupted");
    assert_eq!(sim.journal().entries().len(), 1);
    second.kill().await;
}

/// Each request that reached the simulator has a row of its own: the one that the kill lost too, and the one that went on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_a_kill_lost_has_its_row() {
    for (orders, lost, phase, with_key) in [
        ("stall@headers,times=1", 1, Phase::BeforeHeaders, true),
        ("stall@event=9,times=1", 1, Phase::Content, true),
        ("stall@event=9,times=1", 1, Phase::Content, false),
        // The second attempt is the one that is lost, and nothing is noted of it.
        ("status=500,times=1; stall@headers,times=2", 2, Phase::BeforeHeaders, true),
    ] {
        let ledger = Arc::new(Ledger::open("sqlite::memory:").await.unwrap());
        let sim = perennial_sim::Simulator::builder().pace(Pace::instant()).spawn().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let first = Process::billing(&folder, &sim.url(), with_key, Some(&ledger)).await;
        let id = create(&first.url(), orders, "detach").await;
        let is_it =
            |entry: &perennial_sim::Entry| entry.number == lost && entry.phase >= phase && !entry.is_over();
        let reached = sim.journal().wait_for(is_it);
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{orders}: never asked"));
        if phase == Phase::Content {
            // It is in the log once a reader has it.
            get(&first.url(), &format!("/v1/streams/{id}/events?live=poll&format=text&wait=60")).await;
        }
        first.kill().await;
        let second = Process::billing(&folder, &sim.url(), with_key, Some(&ledger)).await;
        get(&second.url(), &format!("/v1/streams/{id}/events")).await;
        second.kill().await;
        ledger.flush().await.unwrap();
        let rows = ledger.attempts(&id).await.unwrap();
        let entries = sim.journal().entries();
        assert_eq!(rows.len(), entries.len(), "{orders}: {rows:#?}");
        let numbers: Vec<u32> = rows.iter().map(|row| row.attempt).collect();
        assert_eq!(numbers, (1..=u32::try_from(rows.len()).unwrap()).collect::<Vec<_>>(), "{orders}");
        let lost = rows.iter().find(|row| row.outcome == Outcome::Interrupted);
        let lost = lost.unwrap_or_else(|| panic!("{orders}: {rows:#?}"));
        assert!(lost.tokens().input > 0, "{orders}: {lost:?}");
        assert_eq!(rows.last().unwrap().outcome == Outcome::Completed, with_key, "{orders}");
        ledger.close().await.unwrap();
        sim.stop().await;
    }
}
