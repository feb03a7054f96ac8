//! What becomes of a stream when its readers go.

use std::sync::Arc;
use std::time::Duration;

use perennial_gateway::{Limits, MaxUnread, OnDisconnect};
use perennial_log::{DiskLog, DiskOptions, Log};
use perennial_sim::{Outcome, Phase};
use reqwest::Method;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::native::Growing;
use crate::rig::{MODEL, PATIENCE, Rig, question, quick, receive, simulator};

const POLICY: &str = "perennial-on-disconnect";
/// An answer that has begun and does not go on.
const HANGS: &str = "stall@event=6";

/// Begins a message, with a policy of its own or none, and reads some of it.
async fn begin(rig: &Rig, policy: Option<&str>, orders: &str) -> Growing {
    let mut request = rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), orders);
    if let Some(policy) = policy {
        request = request.header(POLICY, policy);
    }
    let mut growing = Growing::open(request).await;
    growing.until("content_block_delta").await;
    growing
}

#[tokio::test]
async fn cancel_stops_at_once_and_says_why() {
    let rig = Rig::new().await;
    let client = begin(&rig, None, HANGS).await;
    let stream = client.stream();
    drop(client);
    assert_eq!(rig.upstream_over().await.outcome, Outcome::ClientLeft);
    let lines = rig.lines(&stream).await;
    let [.., cancel, terminal] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&cancel["event"], &cancel["data"]["reason"]), (&"perennial.cancel".into(), &"unread".into()));
    assert_eq!(terminal["data"]["outcome"], "cancelled");
    assert!(lines.iter().any(|line| line["event"] == "content_block_delta"), "what came is kept");
}

#[tokio::test]
async fn a_grace_without_a_reader_expires() {
    let rig = Rig::new().await;
    let client = begin(&rig, Some("grace=1"), HANGS).await;
    let stream = client.stream();
    let left = Instant::now();
    drop(client);
    assert_eq!(rig.upstream_over().await.outcome, Outcome::ClientLeft);
    assert!(left.elapsed() >= Duration::from_millis(950), "{:?}", left.elapsed());
    assert_eq!(rig.outcome(&stream).await, "cancelled");
}

#[tokio::test]
async fn a_reader_that_comes_in_the_grace_keeps_it_running() {
    let rig = Rig::new().await;
    // The pause is longer than the grace, and the grace longer than a machine stands still.
    let client = begin(&rig, Some("grace=20"), "stall=21s@event=6").await;
    let stream = client.stream();
    drop(client);
    assert_eq!(rig.outcome(&stream).await, "completed");
}

#[tokio::test]
async fn a_detached_stream_goes_on_to_its_end() {
    let rig = Rig::new().await;
    let client = begin(&rig, Some("detach"), "stall=300ms@event=6").await;
    let stream = client.stream();
    drop(client);
    assert_eq!(rig.upstream_over().await.phase, Phase::AfterEnd);
    assert_eq!(rig.outcome(&stream).await, "completed");
}

#[tokio::test]
async fn forgotten_streams_do_not_run_for_ever() {
    let rig = Rig::with(simulator(), |gateway| {
        let mut limits = Limits::default();
        limits.unread = MaxUnread(Duration::from_millis(200));
        gateway.clocks(quick()).limits(limits)
    })
    .await;
    for policy in ["detach", "grace=600"] {
        rig.sim.journal().clear();
        let client = begin(&rig, Some(policy), HANGS).await;
        let stream = client.stream();
        drop(client);
        assert_eq!(rig.upstream_over().await.outcome, Outcome::ClientLeft);
        assert_eq!(rig.outcome(&stream).await, "cancelled");
    }
}

#[tokio::test]
async fn the_last_of_several_readers_counts() {
    let rig = Rig::new().await;
    let first = begin(&rig, Some("cancel"), HANGS).await;
    let stream = first.stream();
    let events = format!("/v1/streams/{stream}/events");
    let mut second = Growing::open(rig.call(Method::GET, &events)).await;
    second.until("content_block_delta").await;
    drop(first);
    // The gateway has noticed when it counts one reader less.
    while rig.get(&format!("/v1/streams/{stream}")).await.json()["readers"] != 1 {}
    assert!(!rig.sim.journal().entries()[0].is_over(), "somebody reads it still");
    drop(second);
    assert_eq!(rig.upstream_over().await.outcome, Outcome::ClientLeft);
    assert_eq!(rig.outcome(&stream).await, "cancelled");
}

/// A client that goes while its request is still being kept leaves nothing behind that nobody makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_client_goes_at_once_ends_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    // Each record is synced, which takes a while.
    let log: Arc<dyn Log> =
        Arc::new(DiskLog::open(folder.path(), DiskOptions::new().always_sync(true)).await.unwrap());
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).log(log)).await;
    let body = question(MODEL, true).to_string();
    for (path, more) in
        [("/v1/messages", ""), ("/v1/streams", ""), ("/v1/streams", "idempotency-key: one\r\n")]
    {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\nanthropic-version: 2026-10-21\r\n{more}"
        );
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        for _ in 0..40 {
            let mut socket = TcpStream::connect(rig.gateway.address()).await.unwrap();
            socket.write_all(request.as_bytes()).await.unwrap();
            // The longer it stays, the farther its request is.
            tokio::task::yield_now().await;
            drop(socket);
        }
    }
    // With the key there is at most one. This client stays, so there is one at least, even if all the others were too quick to be heard.
    let again = receive(rig.creation(&question(MODEL, true), "").header("idempotency-key", "one")).await;
    assert!(matches!(again.status, 200 | 201), "{}", again.text());
    let ended = async {
        loop {
            let list = rig.get("/v1/streams?limit=1000").await.json();
            let streams = list["data"].as_array().unwrap();
            if streams.iter().all(|stream| stream["state"] != "running") {
                return streams.len();
            }
        }
    };
    let made = tokio::time::timeout(PATIENCE, ended).await.expect("none runs that nobody makes");
    println!("{made} of 121 were kept");
    assert!((1..=81).contains(&made), "{made}: a key made more than one");
}

/// Whoever reads, on whatever face, is a reader.
#[tokio::test]
async fn a_reader_of_many_streams_or_one_that_polls_counts_too() {
    let rig = Rig::new().await;
    for path in ["/v1/events?streams=STREAM:0", "/v1/streams/STREAM/events?live=poll&after=1000&wait=60"] {
        rig.sim.journal().clear();
        let first = begin(&rig, Some("cancel"), HANGS).await;
        let stream = first.stream();
        let other = rig.call(Method::GET, &path.replace("STREAM", &stream));
        let other = tokio::spawn(other.send());
        let readers = async || rig.get(&format!("/v1/streams/{stream}")).await.json()["readers"].clone();
        if path.contains("poll") {
            // A position that is not there is answered at once; from the last one on it waits.
            assert_eq!(other.await.unwrap().unwrap().status(), 412);
            let last = rig.get(&format!("/v1/streams/{stream}")).await.json()["position"].clone();
            let path = path.replace("STREAM", &stream).replace("1000", last.as_str().unwrap());
            let other = tokio::spawn(rig.call(Method::GET, &path).send());
            while readers().await != 2 {}
            drop(first);
            while readers().await != 1 {}
            assert!(!rig.sim.journal().entries()[0].is_over());
            other.abort();
        } else {
            let other = other.await.unwrap().unwrap();
            while readers().await != 2 {}
            drop(first);
            while readers().await != 1 {}
            assert!(!rig.sim.journal().entries()[0].is_over());
            drop(other);
        }
        assert_eq!(rig.upstream_over().await.outcome, Outcome::ClientLeft, "{path}");
    }
}

#[tokio::test]
async fn the_request_goes_before_the_setting() {
    let rig =
        Rig::with(simulator(), |gateway| gateway.clocks(quick()).on_disconnect(OnDisconnect::Detach)).await;
    for (policy, end) in [(None, "completed"), (Some("cancel"), "cancelled"), (Some("detach"), "completed")] {
        rig.sim.journal().clear();
        let orders = if end == "completed" { "stall=300ms@event=6" } else { HANGS };
        let client = begin(&rig, policy, orders).await;
        let stream = client.stream();
        drop(client);
        rig.upstream_over().await;
        assert_eq!(rig.outcome(&stream).await, end, "{policy:?}");
    }
}

#[tokio::test]
async fn what_is_too_much_is_refused_in_words() {
    let rig = Rig::new().await;
    let mut large = question(MODEL, true);
    large["max_tokens"] = 200_001.into();
    let usual = question(MODEL, true);
    for (path, policy, body, part) in [
        ("/v1/messages", Some("grace=601"), &usual, "a grace is at most 600 s"),
        ("/v1/streams", Some("grace=601"), &usual, "a grace is at most 600 s"),
        ("/v1/messages", Some("detach"), &large, "max_tokens over 200000"),
        ("/v1/streams", Some("detach"), &large, "max_tokens over 200000"),
        ("/v1/streams", None, &large, "max_tokens over 200000"),
        ("/v1/streams", Some("cancel"), &usual, "ask for `detach` or `grace=SECONDS`"),
        ("/v1/messages", Some("stay"), &usual, "`grace=SECONDS` (a whole number) or `detach`"),
        ("/v1/messages", Some("grace=1.5"), &usual, "a whole number"),
    ] {
        let mut request = rig.call(Method::POST, path).body(body.to_string());
        if let Some(policy) = policy {
            request = request.header(POLICY, policy);
        }
        let answer = receive(request).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["type"]),
            (400, &"invalid_request_error".into()),
            "{path} {policy:?}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(part) && message.starts_with(POLICY), "{path} {policy:?}: {message}");
    }
    assert!(rig.sim.journal().entries().is_empty(), "nothing of it went up");
    assert!(rig.listed().await.is_empty(), "nothing of it was kept");
}
