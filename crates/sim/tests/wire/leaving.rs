//! The journal knows at once that a client left, in every phase, and what it had been sent by then.
//!
//! Nothing is due while these tests wait: not the next token for a quarter of an hour, and no ping at all. So whatever notices is the connection.

use std::time::Duration;

use perennial_sim::{Entry, Handle, Outcome, Phase};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::raw::{PATIENCE, Raw, hello, instant, post, quick};

async fn left(handle: &Handle, raw: Raw, reset: bool) -> Entry {
    let begun = Instant::now();
    if reset {
        raw.reset();
    } else {
        drop(raw);
    }
    let entry = timeout(PATIENCE, handle.journal().wait_for(Entry::is_over)).await.expect("nobody noticed");
    println!("noticed after {:?}", begun.elapsed());
    assert_eq!(entry.outcome, Outcome::ClientLeft);
    assert!(entry.ended_ms.is_some());
    entry
}

#[tokio::test]
async fn in_every_phase_by_fin_and_by_rst() {
    for reset in [false, true] {
        for (orders, seen, phase) in [
            ("stall@headers", "", Phase::BeforeHeaders),
            ("ttft=3600s", "", Phase::BeforeHeaders),
            ("stall@event=0", "text/event-stream", Phase::BeforeContent),
            ("stall@event=1", "message_start", Phase::BeforeContent),
            ("stall@event=4", "text_delta", Phase::Content),
            ("drip=0.001", "event: ping", Phase::Content),
            ("stall@byte=1000", "content_block_start", Phase::Content),
        ] {
            let handle = instant().await;
            let orders = format!("{orders}; ping=never");
            let mut raw =
                Raw::post(&handle, "/v1/messages", &hello(true), &[("perennial-sim", &orders)]).await;
            if seen.is_empty() {
                handle.journal().wait_for(|entry| entry.phase == Phase::BeforeHeaders).await;
            } else {
                raw.read_until(seen).await;
            }
            let entry = left(&handle, raw, reset).await;
            assert_eq!(entry.phase, phase, "{orders}");
        }
    }
}

#[tokio::test]
async fn a_simulator_that_is_stopped_says_so() {
    let handle = instant().await;
    let mut raw =
        Raw::post(&handle, "/v1/messages", &hello(true), &[("perennial-sim", "stall@event=1")]).await;
    raw.read_until("message_start").await;
    let (journal, address) = (handle.journal().clone(), handle.address());
    handle.stop().await;
    assert_eq!(journal.entries()[0].outcome, Outcome::Stopped);
    assert_eq!(raw.read(PATIENCE).await.end, crate::raw::End::Fin);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the port is free");
}

#[tokio::test]
async fn while_the_request_is_still_being_sent() {
    let handle = instant().await;
    let mut request = post("/v1/messages", &hello(true), &[]);
    request.truncate(request.len() - 10);
    let raw = Raw::send(&handle, &request).await;
    handle.journal().wait_for(|entry| entry.phase == Phase::Request).await;
    drop(raw);
    let entry = timeout(PATIENCE, handle.journal().wait_for(Entry::is_over)).await.expect("nobody noticed");
    assert_eq!(entry.phase, Phase::Request);
}

#[tokio::test]
async fn while_a_folded_answer_is_being_made() {
    let handle = quick().orders("tps=0.001").spawn().await.unwrap();
    let raw = Raw::post(&handle, "/v1/messages", &hello(false), &[]).await;
    handle.journal().wait_for(|entry| entry.phase == Phase::BeforeHeaders).await;
    let entry = left(&handle, raw, false).await;
    assert_eq!(entry.billed.output_tokens, 0);
}

#[tokio::test]
async fn what_was_sent_until_then_is_billed_and_no_more() {
    let handle = instant().await;
    let mut body = hello(true);
    body["model"] = json!("bench:deltas=1000,chars=5");
    let mut raw =
        Raw::post(&handle, "/v1/messages", &body, &[("perennial-sim", "stall@event=13; ping=never")]).await;
    raw.read_until("message_start").await;
    handle.journal().wait_for(|entry| entry.events == 13).await;
    let entry = left(&handle, raw, false).await;
    // message_start, content_block_start, ping, ten deltas of one token and five characters each.
    assert_eq!((entry.events, entry.billed.output_tokens, entry.text().chars().count()), (13, 10, 50));
}

#[tokio::test]
async fn a_client_that_leaves_after_the_end_got_everything() {
    let handle = instant().await;
    let orders = [("perennial-sim", "named=open-after-stop")];
    let mut raw = Raw::post(&handle, "/v1/messages", &hello(true), &orders).await;
    raw.read_until("message_stop").await;
    drop(raw);
    let entry = handle.journal().wait_for(Entry::is_over).await;
    assert_eq!((entry.outcome, entry.phase), (Outcome::Completed, Phase::AfterEnd));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_waited_for_and_not_sent_more() {
    let handle = instant().await;
    let mut body = hello(true);
    body["model"] = json!("bench:deltas=2000000,chars=12");
    let raw = Raw::post(&handle, "/v1/messages", &body, &[]).await;
    handle.journal().wait_for(|entry| entry.events > 0).await;
    // The buffers of the kernel and of one connection fill, then nothing more is generated.
    let mut before = u64::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = handle.journal().entries()[0].events;
        if now == before {
            break;
        }
        before = now;
    }
    let entry = left(&handle, raw, false).await;
    assert!(entry.events < 200_000, "{} events were generated for a client that reads nothing", entry.events);
}
