//! Waits are as ordered. Only lower bounds are asserted tightly: a busy machine may always be slower. (What is computed of a wait, and no more, is a unit test.)

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::raw::{PATIENCE, Raw, ask, hello, instant};

#[tokio::test]
async fn tokens_come_at_the_rate_asked_for() {
    let handle = instant().await;
    let mut body = hello(true);
    body["model"] = json!("bench:deltas=40,chars=5");
    for orders in ["tps=80", "drip=80", "tps=80,burst=5", "tps=80,flush=event"] {
        let begun = Instant::now();
        let seen = ask(&handle, &body, orders).await;
        let took = begun.elapsed();
        assert_eq!(seen.names().len(), 46);
        // Forty tokens at eighty per second; a burst may bring the last ones early.
        assert!(took > Duration::from_millis(380), "{orders}: {took:?}");
        // Half a second is ordered: what took seconds for milliseconds would be seen.
        assert!(took < PATIENCE, "{orders}: {took:?}");
    }
}

#[tokio::test]
async fn the_first_token_takes_its_time() {
    let handle = instant().await;
    let begun = Instant::now();
    let mut raw = Raw::post(&handle, "/v1/messages", &hello(true), &[("perennial-sim", "ttft=300ms")]).await;
    raw.read_until("message_start").await;
    let start = begun.elapsed();
    raw.read_until("text_delta").await;
    assert!(start >= Duration::from_millis(150), "{start:?}");
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn silence_is_pinged_at_the_interval_asked_for() {
    let handle = instant().await;
    for orders in ["ping-stall=250ms@event=5; ping=50ms", "stall=250ms@event=5; ping=50ms"] {
        let seen = ask(&handle, &hello(true), orders).await;
        let pings = seen.names().iter().filter(|name| *name == "ping").count();
        // One belongs to every answer.
        let expected = if orders.starts_with("ping") { 2..=6 } else { 1..=1 };
        assert!(expected.contains(&pings), "{orders}: {pings}");
        let entry = handle.journal().entries().pop().unwrap();
        assert_eq!(entry.silent_pings, pings as u64 - 1);
        assert_eq!(entry.bytes, seen.body.len() as u64);
    }
    // A pace that is slow is pinged as well, between its own events.
    let orders = [("perennial-sim", "drip=0.001; ping=60ms")];
    let mut raw = Raw::post(&handle, "/v1/messages", &hello(true), &orders).await;
    for _ in 0..4 {
        raw.read_until("event: ping").await;
    }
    assert!(handle.journal().entries()[0].silent_pings >= 3);
}

#[tokio::test]
async fn events_can_be_written_one_by_one() {
    let handle = instant().await;
    let mut body = hello(true);
    body["model"] = json!("bench:deltas=2000,chars=12");
    let shared = ask(&handle, &body, "").await;
    let single = ask(&handle, &body, "flush=event").await;
    assert!(shared.body == single.body);
    assert_eq!(single.chunks, single.names().len());
    assert!(shared.chunks < single.chunks / 20, "{} chunks of about 16 KB", shared.chunks);
}
