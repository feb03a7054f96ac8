//! An answer that breaks after its content began goes on at a proven seam, or ends with its part intact.

use std::time::Duration;

use perennial_gateway::Recovery;
use perennial_protocol::sse::Decoder;
use perennial_protocol::{End, Lint};
use serde_json::{Value, json};

use crate::retry::hasty;
use crate::rig::{self, Answer, Rig, quick, receive, simulator};

/// Takes a prefill.
const OLD: &str = "claude-haiku-4-5";
/// Refuses one.
const NEW: &str = "claude-opus-4-8";

/// With room for all that the answer has.
fn question(model: &str, stream: bool) -> Value {
    let mut question = rig::question(model, stream);
    question["max_tokens"] = 4_000.into();
    question
}

/// Asks with a name for the simulator, by which it knows all attempts for one answer.
async fn ask(rig: &Rig, body: &Value, orders: &str) -> Answer {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let request = rig
        .post(&rig.gateway.url(), body.to_string(), orders)
        .header("perennial-sim-key", format!("recover-{number}"));
    receive(request).await
}

fn lint(answer: &Answer) -> Vec<String> {
    let (mut lint, mut decoder) = (Lint::new(), Decoder::new());
    let mut input = &answer.body[..];
    while let Some(frame) = decoder.next_frame(&mut input) {
        lint.observe(&frame.unwrap());
    }
    lint.finish(None)
        .iter()
        .filter(|finding| !finding.to_string().contains("message_stop"))
        .map(ToString::to_string)
        .collect()
}

#[tokio::test]
async fn a_text_that_is_cut_goes_on_to_the_letter() {
    let rig = crate::retry::rig().await;
    for model in [OLD, NEW] {
        let body = question(model, true);
        let direct = rig.ask_directly(&body, "").await;
        let length = direct.body.len();
        for cut in ["fin", "rst", "end"] {
            for at in (700..length).step_by(length / 23) {
                let orders = format!("{cut}@byte={at},times=1");
                let answer = ask(&rig, &body, &orders).await;
                assert!(matches!(answer.end(), End::Complete { .. }), "{model} {orders}: {}", answer.end());
                assert_eq!(answer.transcript().text(), direct.transcript().text(), "{model} {orders}");
                assert_eq!(answer.text().matches("event: message_start").count(), 1, "{model} {orders}");
                assert_eq!(lint(&answer), [""; 0], "{model} {orders}");
                let stop = answer.transcript().envelope().stop_reason.clone();
                assert_eq!(stop, direct.transcript().envelope().stop_reason, "{model} {orders}");
            }
        }
    }
}

#[tokio::test]
async fn each_way_to_break_is_mended() {
    let body = question(NEW, true);
    for orders in [
        "stall@event=12,times=1",
        "ping-stall@event=12,times=1; pace=real,ttft=1ms,tps=2000,ping=50ms",
        "error=overloaded_error@event=12,times=1",
        "error=api_error@event=30,times=1",
        "fin@after=message_delta,times=1",
        // Twice in one answer.
        "fin@event=15,times=2",
    ] {
        let mut clocks = quick();
        if orders.starts_with("stall") {
            clocks.silence = Duration::from_millis(500);
        } else if orders.starts_with("ping-stall") {
            clocks.progress = Duration::from_millis(600);
        }
        let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks).recovery(hasty())).await;
        let direct = rig.ask_directly(&body, "").await;
        let answer = ask(&rig, &body, orders).await;
        assert!(matches!(answer.end(), End::Complete { .. }), "{orders}: {}", answer.end());
        assert_eq!(answer.transcript().text(), direct.transcript().text(), "{orders}");
        assert!(answer.text().contains(": perennial.seam {"), "{orders}: the seam is visible");
        assert!(!answer.text().contains("event: error"), "{orders}");
    }
}

/// At most two hops, and then an error with all that came.
#[tokio::test]
async fn there_is_an_end_to_going_on() {
    let rig = crate::retry::rig().await;
    let body = question(NEW, true);
    let direct = rig.ask_directly(&body, "").await;
    let answer = ask(&rig, &body, "fin@event=9").await;
    let End::Failed(error) = answer.end() else { panic!("{}", answer.end()) };
    assert!(error.message.contains("incomplete"), "{}", error.message);
    let text = answer.transcript().text();
    assert!(direct.transcript().text().starts_with(&text));
    assert_eq!(rig.sim.journal().entries().len() - 1, 3, "two hops");
}

#[tokio::test]
async fn what_cannot_be_proven_is_refused_with_the_part_intact() {
    let rig = crate::retry::rig().await;
    for model in [OLD, NEW] {
        let body = question(model, true);
        let direct = rig.ask_directly(&body, "").await.transcript().text();
        for manner in [
            "repeat",
            "preamble",
            "apologise",
            "reword",
            "restart",
            "skip",
            "other",
            "refuse",
            "midword",
            "empty",
        ] {
            for at in [9, 14, 25] {
                let orders = format!("fin@event={at},times=1; continuation={manner}");
                let answer = ask(&rig, &body, &orders).await;
                let text = answer.transcript().text();
                match answer.end() {
                    End::Complete { .. } => assert_eq!(text, direct, "{model} {orders}"),
                    End::Failed(_) => {
                        assert!(direct.starts_with(&text) && !text.is_empty(), "{model} {orders}");
                    }
                    other => panic!("{model} {orders}: {other}"),
                }
                assert_eq!(lint(&answer), [""; 0], "{model} {orders}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_spliced_into_the_input_of_a_tool() {
    let rig = crate::retry::rig().await;
    let mut body = question(NEW, true);
    body["tools"] = json!([{
        "name": "look_up",
        "description": "Looks something up",
        "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    }]);
    let orders = "tools=all";
    let direct = rig.ask_directly(&body, orders).await;
    let begin = direct.text().find("input_json_delta").expect("a tool is called");
    let end = direct.text().rfind("input_json_delta").unwrap();
    for at in (begin..end + 60).step_by(17) {
        let answer = ask(&rig, &body, &format!("fin@byte={at},times=1; {orders}")).await;
        assert!(matches!(answer.end(), End::Failed(_)), "at {at}: {}", answer.end());
        assert!(answer.transcript().message().content.iter().all(|block| {
            serde_json::to_value(block)
                .is_ok_and(|block| block["type"] != "tool_use" || block["input"] != Value::Null)
        }));
    }
}

#[tokio::test]
async fn who_wants_no_recovery_gets_none() {
    let rig = crate::retry::rig().await;
    let request = rig
        .post(&rig.gateway.url(), question(NEW, true).to_string(), "fin@event=9,times=1")
        .header("perennial-recovery", "off");
    let answer = receive(request).await;
    assert!(matches!(answer.end(), End::Failed(_)), "{}", answer.end());
    assert_eq!(rig.sim.journal().entries().len(), 1);
    let request = rig
        .post(&rig.gateway.url(), question(NEW, true).to_string(), "")
        .header("perennial-recovery", "maybe");
    assert_eq!(receive(request).await.status, 400);
}

/// The client's message has the sum of what its attempts used.
#[tokio::test]
async fn usage_is_that_of_all_attempts() {
    let rig = crate::retry::rig().await;
    let body = question(NEW, true);
    let answer = ask(&rig, &body, "fin@event=20,times=1").await;
    let entries = rig.sim.journal().entries();
    let input: u64 = entries.iter().map(|entry| entry.billed.input_tokens).sum();
    assert_eq!(entries.len(), 2);
    assert_eq!(answer.transcript().envelope().usage.input_tokens, Some(input));
}

/// A money cap in tokens: what has cost too much is not gone on with.
#[tokio::test]
async fn an_answer_that_has_cost_enough_is_not_gone_on_with() {
    let mut recovery: Recovery = hasty();
    recovery.tokens = perennial_gateway::MaxRecoveryTokens(5);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).recovery(recovery)).await;
    let answer = ask(&rig, &question(NEW, true), "fin@event=20,times=1").await;
    assert!(matches!(answer.end(), End::Failed(_)), "{}", answer.end());
    assert_eq!(rig.sim.journal().entries().len(), 1);
}

/// What is left of `max_tokens` is an estimate, on the safe side.
#[tokio::test]
async fn all_attempts_together_keep_to_the_limit() {
    let rig = crate::retry::rig().await;
    for model in [OLD, NEW] {
        let mut body = question(model, true);
        body["max_tokens"] = 200.into();
        let direct = rig.ask_directly(&body, "").await.transcript().text();
        for at in [9, 30, 60] {
            let answer = ask(&rig, &body, &format!("fin@event={at},times=1")).await;
            let text = answer.transcript().text();
            assert!(direct.starts_with(&text), "{model} {at}: no more than without the cut");
            assert!(direct.len() - text.len() < 40, "{model} {at}: {} of {} bytes", text.len(), direct.len());
            let stop = answer.transcript().envelope().stop_reason.as_ref().map(ToString::to_string);
            assert_eq!(stop.as_deref(), Some("max_tokens"), "{model} {at}");
        }
    }
}

/// Wherever the cut is, a stop sequence ends the answer where it would have.
#[tokio::test]
async fn a_stop_sequence_is_heeded_across_the_seam() {
    let rig = crate::retry::rig().await;
    for model in [OLD, NEW] {
        let mut body = question(model, true);
        body["stop_sequences"] = json!(["change one thing and watch"]);
        let direct = rig.ask_directly(&body, "").await;
        let length = direct.body.len();
        for at in (length - 1_200..length - 250).step_by(31) {
            let answer = ask(&rig, &body, &format!("fin@byte={at},times=1")).await;
            assert_eq!(answer.transcript().text(), direct.transcript().text(), "{model} {at}");
            let stop = answer.transcript().envelope().stop_reason.as_ref().map(ToString::to_string);
            assert_eq!(stop.as_deref(), Some("stop_sequence"), "{model} {at}");
        }
    }
}
