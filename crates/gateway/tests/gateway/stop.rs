//! Stopping a stream, in any state and from anywhere, and forgetting it.
//!
//! No clock rings here: what ends does because it was stopped.

use perennial_sim::{Outcome, Phase};
use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::native::Growing;
use crate::rig::{MODEL, PATIENCE, Rig, question, receive};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_stopped_in_every_state() {
    for (orders, phase) in [
        ("stall@headers", Phase::BeforeHeaders),
        ("stall@event=0", Phase::BeforeContent),
        ("stall@event=6", Phase::Content),
        ("stall@byte=1200", Phase::Content),
        ("ping-stall@event=6", Phase::Content),
        ("pace=instant,tps=4,tokens=200", Phase::Content),
    ] {
        let rig = Rig::new().await;
        let stream = rig.create(orders).await;
        rig.reached(phase).await;
        let asked = Instant::now();
        let first = rig.cancel(&stream).await;
        let entry = rig.upstream_over().await;
        println!("{orders}: stopped and the upstream closed after {:?}", asked.elapsed());
        assert_eq!((entry.outcome, entry.phase), (Outcome::ClientLeft, phase), "{orders}");
        assert_eq!((first.status, &first.json()["state"]), (200, &"cancelled".into()), "{orders}");
        assert_eq!(first.json()["outcome"]["type"], "cancelled");
        // A second time, and a third, nothing changes.
        for _ in 0..2 {
            let again = rig.cancel(&stream).await;
            assert_eq!((again.status, again.json()), (200, first.json()), "{orders}");
        }
        assert_eq!(rig.outcome(&stream).await, "cancelled", "{orders}");
        assert_eq!(count(&rig.lines(&stream).await, "perennial.cancel"), 1, "{orders}");
    }
}

#[tokio::test]
async fn what_has_ended_stays_as_it_is() {
    let rig = Rig::new().await;
    for (orders, state) in [("", "completed"), ("status=529", "failed"), ("fin@event=6", "interrupted")] {
        let stream = rig.create(orders).await;
        assert_eq!(rig.outcome(&stream).await, state);
        let before = rig.get(&format!("/v1/streams/{stream}")).await.json();
        let answer = rig.cancel(&stream).await;
        assert_eq!((answer.status, answer.json()), (200, before), "{orders}");
        assert_eq!(count(&rig.lines(&stream).await, "perennial.cancel"), 0);
    }
    assert_eq!(rig.cancel("strm_0199c0ffee0070008000000000000001").await.status, 404);
    assert_eq!(rig.cancel("nonsense").await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_stop_at_once_stop_it_once() {
    let rig = Rig::new().await;
    let stream = rig.create("stall@event=6").await;
    rig.reached(Phase::Content).await;
    let answers = futures_util::future::join_all((0..16).map(|_| rig.cancel(&stream))).await;
    for answer in &answers {
        assert_eq!((answer.status, answer.json()), (200, answers[0].json()));
    }
    assert_eq!(count(&rig.lines(&stream).await, "perennial.cancel"), 1);
    assert_eq!(rig.outcome(&stream).await, "cancelled");
}

/// The client of a message learns that another stopped it: with a status while it can, else with an event.
#[tokio::test]
async fn the_first_client_is_told_by_whom_it_was_not_stopped() {
    let rig = Rig::new().await;
    for stream in [true, false] {
        rig.sim.journal().clear();
        let waiting = tokio::spawn(receive(rig.post(
            &rig.gateway.url(),
            question(MODEL, stream).to_string(),
            "stall@headers",
        )));
        rig.reached(Phase::BeforeHeaders).await;
        assert_eq!(rig.cancel(&rig.listed().await[0]).await.status, 200);
        let answer = waiting.await.unwrap();
        assert_eq!(answer.status, 499, "{}", answer.text());
        assert!(answer.text().contains("the stream was cancelled"), "{}", answer.text());
        assert_eq!(rig.upstream_over().await.outcome, Outcome::ClientLeft);
    }
    let request = rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), "stall@event=6");
    let mut client = Growing::open(request).await;
    client.until("content_block_delta").await;
    rig.cancel(&client.stream()).await;
    let body = client.end().await;
    let last = body.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: error\n") && last.contains("the stream was cancelled"), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_is_gone() {
    let rig = Rig::new().await;
    let kept = rig.create("").await;
    assert_eq!(rig.outcome(&kept).await, "completed");
    rig.sim.journal().clear();
    // One that runs and is read, and one that has ended.
    let runs = rig.create("stall@event=6").await;
    let mut reader = Growing::open(rig.call(Method::GET, &format!("/v1/streams/{runs}/events"))).await;
    reader.until("content_block_delta").await;
    assert_eq!(rig.delete(&runs).await.status, 204);
    assert_eq!(rig.upstream_over().await.outcome, Outcome::ClientLeft);
    let body = tokio::time::timeout(PATIENCE, reader.end()).await.unwrap();
    let last = body.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.contains("event: perennial.terminal\n") || last.contains("perennial.broken"), "{last}");
    let ended = rig.create("").await;
    assert_eq!(rig.outcome(&ended).await, "completed");
    assert_eq!(rig.delete(&ended).await.status, 204);
    for stream in [&runs, &ended] {
        for path in ["", "/events", "/events?live=poll", "/events?after=3.1", "/message"] {
            let answer = rig.get(&format!("/v1/streams/{stream}{path}")).await;
            assert_eq!(answer.status, 410, "{path}: {}", answer.text());
            assert_eq!(answer.json()["error"]["type"], "not_found_error");
        }
        assert_eq!(rig.cancel(stream).await.status, 410);
        assert_eq!(rig.delete(stream).await.status, 204, "it is as it was wanted");
        let many = rig.get(&format!("/v1/events?streams={stream}:0")).await;
        assert!(many.text().contains("\"status\":410"), "{}", many.text());
    }
    assert_eq!(rig.listed().await, [kept]);
    assert_eq!(rig.delete("strm_0199c0ffee0070008000000000000001").await.status, 404);
}

fn count(lines: &[Value], event: &str) -> usize {
    lines.iter().filter(|line| line["event"] == event).count()
}
