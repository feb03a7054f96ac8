//! A client that leaves takes its upstream along, in every phase.
//!
//! No clock rings and nobody pings: who notices does because the connection is gone, or never.

use std::time::Duration;

use perennial_sim::{Outcome, Phase};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::rig::{MODEL, PATIENCE, Rig, question, quick, simulator};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstream_is_closed_as_soon_as_the_client_is_gone() {
    for (orders, stream, phase) in [
        ("stall@headers", true, Phase::BeforeHeaders),
        ("stall@headers", false, Phase::BeforeHeaders),
        ("stall@event=0", true, Phase::BeforeContent),
        ("stall@event=6", true, Phase::Content),
        ("stall@event=6", false, Phase::Content),
        ("stall@byte=1200", true, Phase::Content),
        ("pace=instant,tps=40,tokens=3000", true, Phase::Content),
        ("pace=instant,tps=40,tokens=3000", false, Phase::Content),
    ] {
        let rig = Rig::new().await;
        let mut question = question(MODEL, stream);
        question["max_tokens"] = 4000.into();
        let request = rig.post(&rig.gateway.url(), question.to_string(), &format!("{orders}; ping=never"));
        let client = tokio::spawn(async move {
            let response = request.send().await.unwrap();
            drop(response.bytes().await);
        });
        let reached = rig.sim.journal().wait_for(|entry| entry.phase >= phase && !entry.is_over());
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{orders}: never asked"));
        let left = Instant::now();
        client.abort();
        let over = rig.sim.journal().wait_for(perennial_sim::Entry::is_over);
        let entry =
            tokio::time::timeout(PATIENCE, over).await.unwrap_or_else(|_| panic!("{orders}: still open"));
        let took = left.elapsed();
        println!("{orders}, stream {stream}: upstream closed after {took:?}");
        assert_eq!((entry.outcome, entry.phase), (Outcome::ClientLeft, phase), "{orders}");
    }
}

/// The log takes what comes, so who does not read is a cursor that stands still: it delays neither the stream nor another reader, and misses nothing.
#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_back() {
    let rig = Rig::new().await;
    // More than the sockets between take.
    let request =
        rig.post(&rig.gateway.url(), question("bench:deltas=100000,chars=12", true).to_string(), "");
    let response = request.send().await.unwrap();
    let stream = response.headers()["perennial-stream"].to_str().unwrap().to_owned();
    assert_eq!(rig.upstream_over().await.outcome, Outcome::Completed);
    assert_eq!(rig.outcome(&stream).await, "completed");
    let body = tokio::time::timeout(PATIENCE, response.text()).await.unwrap().unwrap();
    assert_eq!(body.matches("event: content_block_delta").count(), 100_000);
    assert!(body.contains("event: message_stop"));
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let mut clocks = quick();
    clocks.reader = Duration::from_millis(300);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
    let request =
        rig.post(&rig.gateway.url(), question("bench:deltas=400000,chars=12", true).to_string(), "");
    let response = request.send().await.unwrap();
    let over = rig.sim.journal().wait_for(perennial_sim::Entry::is_over);
    let entry = tokio::time::timeout(PATIENCE, over).await.expect("the upstream is closed");
    assert_eq!(entry.outcome, Outcome::ClientLeft);
    assert!(
        tokio::time::timeout(PATIENCE, response.bytes()).await.unwrap().is_err(),
        "no end that looks like one"
    );
}

/// What a client sent beyond its request, a line end or the next request, must not hide that it left.
#[tokio::test]
async fn a_client_that_said_too_much_is_missed_all_the_same() {
    let rig = Rig::new().await;
    let body = question(MODEL, true).to_string();
    for orders in ["stall@headers", "stall@event=6"] {
        let request = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\nanthropic-version: 2026-10-21\r\nperennial-sim: {orders}; ping=never\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        for more in ["\r\n", "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
            rig.sim.journal().clear();
            let mut socket = TcpStream::connect(rig.gateway.address()).await.unwrap();
            socket.write_all(format!("{request}{more}").as_bytes()).await.unwrap();
            let asked = rig.sim.journal().wait_for(|_| true);
            tokio::time::timeout(PATIENCE, asked).await.expect("the upstream is asked");
            let left = Instant::now();
            drop(socket);
            let over = rig.sim.journal().wait_for(perennial_sim::Entry::is_over);
            let entry = tokio::time::timeout(PATIENCE, over).await.expect("the upstream is closed");
            assert_eq!(entry.outcome, Outcome::ClientLeft, "{orders} {more:?}");
            println!("{orders} {more:?}: upstream closed after {:?}", left.elapsed());
        }
    }
}
