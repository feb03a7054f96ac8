//! No stream ends in silence, and no silence ends a stream.

use std::time::Duration;

use perennial_protocol::{End, ErrorKind};

use crate::door::Shut;
use crate::native::Growing;
use crate::rig::{Answer, MODEL, Rig, pinging, question, quick, receive, simulator, transcript};

const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

#[tokio::test]
async fn silence_is_filled_with_pings_between_events_only() {
    let question = question(MODEL, true);
    // After the head, and inside an event: one is passed on when it is whole, so nothing ever stands inside it.
    for bytes in [0, 1_200, 1_260, 1_320] {
        let (rig, door) = Rig::behind_door(Shut::After(bytes), |gateway| gateway.clocks(pinging())).await;
        let direct = rig.ask_directly(&question, "").await;
        let mut answer = Growing::open(rig.post(&rig.gateway.url(), question.to_string(), "")).await;
        // The answer has one of its own.
        let own = usize::from(bytes > 0);
        while answer.text().matches(PING).count() < own + 2 {
            answer.more().await;
        }
        door.open();
        let answer = answer.end().await;
        assert_eq!(answer.replace(PING, ""), direct.text().replace(PING, ""), "{bytes}");
        assert!(matches!(transcript(answer.as_bytes()).end(), End::Complete { .. }), "{bytes}");
    }
    // Where there is no silence there is none.
    let rig = Rig::new().await;
    let direct = rig.ask_directly(&question, "").await;
    assert_eq!(rig.ask(&question, "").await.text(), direct.text());
}

#[tokio::test]
async fn nothing_follows_the_end_even_if_the_upstream_stays() {
    let rig = Rig::new().await;
    let question = question(MODEL, true);
    let direct = rig.ask_directly(&question, "").await;
    let answer = rig.ask(&question, "stall@after=message_stop").await;
    assert_eq!(answer.text(), direct.text());
}

#[tokio::test]
async fn a_cut_stream_ends_with_an_error_event() {
    let rig = Rig::new().await;
    let question = question(MODEL, true);
    let direct = rig.ask_directly(&question, "").await;
    for orders in [
        "fin@event=0",
        "fin@event=6",
        "fin@byte=1200",
        "rst@event=6",
        "rst@byte=1200",
        "end@event=1",
        "end@event=6",
        "end@byte=1200",
        "end@byte=1201",
        "body=empty",
    ] {
        let answer = rig.ask(&question, orders).await;
        assert_eq!(answer.status, 200);
        let End::Failed(error) = answer.end() else { panic!("{orders}: {}", answer.end()) };
        assert_eq!(error.kind, ErrorKind::Api, "{orders}");
        assert_eq!(error.request_id.as_deref(), Some(answer.header("request-id")), "{orders}");
        assert!(error.message.contains("incomplete"), "{orders}: {}", error.message);
        // What came before is what was sent.
        let common = answer.body.iter().zip(&direct.body).take_while(|(a, b)| a == b).count();
        // An event that was cut is none; it stays in the log.
        let least = orders.rsplit_once("end@byte=").map_or(0, |(_, at)| {
            let sent = &direct.text()[..at.parse().unwrap()];
            sent.rfind("\n\n").unwrap() + 2
        });
        assert!(common >= least, "{orders}: only {common} bytes of the answer");
    }
}

#[tokio::test]
async fn an_error_event_of_the_upstream_passes_alone() {
    let rig = Rig::new().await;
    let question = question(MODEL, true);
    for orders in
        ["error=overloaded_error@event=0", "error=overloaded_error@event=6", "error=api_error@event=6"]
    {
        let direct = rig.ask_directly(&question, orders).await;
        let answer = rig.ask(&question, orders).await;
        let same = |answer: &Answer| answer.text().replace(answer.header("request-id"), "ID");
        assert_eq!(same(&answer), same(&direct), "{orders}");
        assert!(matches!(answer.end(), End::Failed(_)), "{orders}");
    }
}

#[tokio::test]
async fn an_upstream_that_went_silent_is_given_up() {
    let mut clocks = quick();
    clocks.silence = Duration::from_millis(200);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
    for orders in ["stall@event=6", "stall@byte=1200", "stall@event=0"] {
        let answer = rig.ask(&question(MODEL, true), orders).await;
        let End::Failed(error) = answer.end() else { panic!("{orders}: {}", answer.end()) };
        assert_eq!(error.kind, ErrorKind::Timeout, "{orders}");
        let left = rig.sim.journal().wait_for(|entry| entry.is_over());
        tokio::time::timeout(crate::rig::PATIENCE, left).await.expect("the upstream is closed");
    }
    // Pings of the upstream are life. Silence is longer than a machine stands still.
    clocks.silence = Duration::from_secs(15);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
    let answer = rig.ask(&question(MODEL, true), "ping=50ms,ping-stall=16s@event=6").await;
    assert!(matches!(answer.end(), End::Complete { .. }), "{}", answer.end());
}

#[tokio::test]
async fn an_upstream_that_cannot_be_asked_is_an_error_with_a_status() {
    for (orders, status, kind) in [
        ("fin@headers", 502, "api_error"),
        ("rst@headers", 502, "api_error"),
        ("stall@headers", 504, "timeout_error"),
    ] {
        let mut clocks = quick();
        if status == 504 {
            clocks.first_byte = Duration::from_millis(200);
        }
        let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
        for stream in [true, false] {
            let answer = rig.ask(&question(MODEL, stream), orders).await;
            assert_eq!(
                (answer.status, answer.json()["error"]["type"].as_str()),
                (status, Some(kind)),
                "{orders}"
            );
            assert_eq!(answer.json()["request_id"].as_str(), Some(answer.header("request-id")));
        }
    }
    let rig = Rig::new().await;
    let url = rig.gateway.url();
    let Rig { sim, gateway, http } = rig;
    sim.stop().await;
    let response = http.post(format!("{url}/v1/messages")).body(question(MODEL, true).to_string());
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 502);
    drop(gateway);
}

/// What cannot be read may have been text: the answer is cut there, on every face, and what could not be read is kept.
#[tokio::test]
async fn an_event_that_cannot_be_read_is_where_the_answer_is_cut() {
    let rig = Rig::new().await;
    let answer = rig.ask(&question(MODEL, true), "not-json@event=9").await;
    let url = format!("{}/v1/streams/{}/events", rig.gateway.url(), answer.header("perennial-stream"));
    assert!(
        answer.text().contains("event: error\n") && !answer.text().contains("message_stop"),
        "{}",
        answer.text()
    );
    let broken = rig.http.get(format!("{url}?format=text")).send().await.unwrap();
    assert_eq!(broken.status(), 200);
    assert!(broken.text().await.is_err(), "it is broken off");
    let polled = receive(rig.http.get(format!("{url}?format=text&live=poll"))).await;
    assert_eq!(polled.status, 200, "what came before is text: {}", polled.text());
    let events = receive(rig.http.get(url)).await;
    assert!(events.text().contains("an event that cannot be read"), "{}", events.text());
    let timeline = rig.http.get(format!(
        "{}/v1/streams/{}/timeline",
        rig.gateway.url(),
        answer.header("perennial-stream")
    ));
    assert!(receive(timeline).await.text().contains("kept_apart"));
}

#[tokio::test]
async fn a_message_without_a_stop_reason_is_none() {
    let rig = Rig::new().await;
    let answer = rig.ask(&question(MODEL, false), "drop=message_delta").await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["type"]),
        (502, &"api_error".into()),
        "{}",
        answer.text()
    );
}
