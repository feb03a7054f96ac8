//! Answers that go round in circles.

use perennial_gateway::Guard;
use perennial_protocol::{End, LoopSize, Repetition};
use perennial_sim::Outcome;

use crate::rig::{MODEL, Rig, question, quick, simulator};

const LOOPS: &str = "repeat=60@event=14";

#[tokio::test]
async fn a_loop_is_told_of_or_stopped_as_it_is_wished() {
    for (guard, noticed, stopped) in [
        (Guard::Off, false, false),
        (Guard::Conversations, false, false),
        (Guard::Warn, true, false),
        (Guard::Stop, true, true),
    ] {
        let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).guard(guard)).await;
        let answer = rig.ask(&question(MODEL, true), LOOPS).await;
        assert_eq!(answer.text().contains(": perennial.notice {"), noticed, "{guard:?}");
        assert_eq!(answer.text().contains("\"repeating\""), noticed, "{guard:?}");
        match answer.end() {
            End::Failed(error) => {
                assert!(stopped && error.message.contains("repeated itself"), "{guard:?}: {}", error.message);
                assert_eq!(rig.sim.journal().entries().len(), 1, "a loop is not gone on with");
            }
            end => assert!(!stopped && matches!(end, End::Complete { .. }), "{guard:?}: {end}"),
        }
    }
}

#[tokio::test]
async fn a_loop_is_stopped_at_the_upstream() {
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).guard(Guard::Stop)).await;
    // It would stay open for ever behind the loop.
    rig.ask(&question(MODEL, true), &format!("{LOOPS}; stall@event=15; ping=never")).await;
    let entry = rig.sim.journal().wait_for(|entry| entry.is_over()).await;
    assert_eq!(entry.outcome, Outcome::ClientLeft);
}

#[tokio::test]
async fn ordinary_answers_are_left_alone() {
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).guard(Guard::Stop)).await;
    for subject in ["tables", "code in Rust", "lists of lists", "poems with a refrain", "日本語"] {
        let mut body = question(MODEL, true);
        body["max_tokens"] = 4_000.into();
        body["messages"][0]["content"] = format!("Write a very long text on {subject}.").into();
        let answer = rig.ask(&body, "").await;
        assert!(matches!(answer.end(), End::Complete { .. }), "{subject}: {}", answer.end());
        assert!(!answer.text().contains("perennial.notice"), "{subject}");
    }
}

#[tokio::test]
async fn the_simulators_loop_is_found_as_soon_as_it_is_one() {
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick())).await;
    for event in 9..20 {
        let answer = rig.ask_directly(&question(MODEL, true), &format!("repeat=200@event={event}")).await;
        let text = answer.transcript().text();
        let (mut repetition, mut seen) = (Repetition::default(), 0);
        let found = text.split_inclusive(' ').find_map(|word| {
            seen += word.len();
            repetition.push(word)
        });
        let unit = found.expect("a loop").unit;
        let bytes = &text.as_bytes()[..seen];
        let run = (unit..seen).rev().take_while(|at| bytes[*at] == bytes[*at - unit]).count() + unit;
        let size = LoopSize::default();
        assert!(run < size.bytes.max(size.times * unit) + 3 * unit, "{run} bytes of {unit}");
    }
}
