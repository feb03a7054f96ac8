//! Row T7: what was said is remembered, found, and survives a process that is killed.

use std::io::{BufRead as _, BufReader};

use serde_json::Value;

use crate::rig::{Kept, Ran, Sim, signal};
use crate::streaming::saying;

impl Kept {
    fn ask(&self, sim: &Sim, arguments: &[&str]) -> Ran {
        self.with(&mut sim.ask(arguments)).output().unwrap().into()
    }
}

#[test]
fn t7_remembers_and_finds() {
    let (sim, kept) = (Sim::new(), Kept::new());
    assert_eq!(kept.ask(&sim, &["-c", "Hi"]).code, 2, "there is nothing to go on with");
    assert_eq!(kept.ask(&sim, &["-s", "Be brief", "My name is Ada."]).code, 0);
    let answer = kept.ask(&sim, &["-c", "What is my name?"]);
    assert!(answer.out.contains("Ada"), "{}", answer.out);
    let found = kept.logs(&["search", "Ada"]).out;
    assert!(found.contains("Ada"), "{found}");
    let ids = kept.ids();
    assert_eq!(ids.len(), 1);
    assert_eq!(kept.turns_of(&ids[0]).len(), 4);

    // Another one, and back to the first by the beginning of its name.
    assert_eq!(kept.ask(&sim, &["Hello"]).code, 0);
    let answer = kept.ask(&sim, &["--cid", &ids[0], "What is my name?"]);
    assert!(answer.out.contains("Ada"), "{}", answer.out);

    // What is sent then is what was said: system, thinking and signatures to the byte.
    let request = kept.ask(&sim, &["--cid", &ids[0], "--dry-run", "And?"]).out;
    let messages: Value = serde_json::from_str(&request).unwrap();
    assert_eq!(messages["system"], "Be brief");
    let turns = kept.turns_of(&ids[0]);
    for (turn, message) in turns.iter().zip(messages["messages"].as_array().unwrap()) {
        assert_eq!(turn["content"], message["content"]);
    }
    // It is said again with each question: the service is to keep it. A question by itself is not.
    assert_eq!(messages["cache_control"]["type"], "ephemeral");
    let alone: Value = serde_json::from_str(&kept.ask(&sim, &["--dry-run", "Hi"]).out).unwrap();
    assert!(alone["cache_control"].is_null() && alone["messages"].is_array(), "{alone}");
    let signature = turns[1]["content"][0]["signature"].as_str().unwrap();
    assert!(!signature.is_empty() && request.contains(signature), "{request}");

    // The conversation's model counts more than the environment's.
    let mut command = sim.ask(&["--cid", &ids[0], "--dry-run", "And?"]);
    let ran: Ran = kept.with(&mut command).env("PERENNIAL_MODEL", "claude-other").output().unwrap().into();
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["model"], messages["model"]);

    // Unless nothing is to be kept.
    for flags in [&["-n"][..], &["--no-log"]] {
        assert_eq!(kept.ask(&sim, &[flags, &["a secret"]].concat()).code, 0);
    }
    assert_eq!(kept.logs(&["off"]).code, 0);
    assert_eq!(kept.ask(&sim, &["a secret"]).code, 0);
    assert_eq!(kept.logs(&["search", "secret"]).out, "");
    assert_eq!(kept.ids().len(), 2);
}

#[test]
fn t7_a_process_that_is_killed_loses_a_second_at_most() {
    let text = (0..2000).map(|number| format!("line {number}\n")).collect::<String>();
    let (sim, kept) = (saying(&text, "instant,tps=300"), Kept::new());
    let orders = "perennial-sim: stall@event=80";
    let arguments = ["-m", "claude-opus-4-6", "-H", orders, "Hi"];
    let mut child = kept.with(&mut sim.ask(&arguments)).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut before = String::new();
    while before.len() <= 100 {
        out.read_line(&mut before).unwrap();
    }
    // What was shown is kept though the answer is not over and nothing more comes: a second later, and here whenever it is.
    let held = || {
        let turns = kept.ids().pop().map(|id| kept.turns_of(&id));
        let text = turns.and_then(|turns| Some(turns.get(1)?["content"][0]["text"].as_str()?.to_owned()));
        text.is_some_and(|text| text.starts_with(&before))
    };
    let began = tokio::time::Instant::now();
    while !held() {
        assert!(began.elapsed().as_secs() < 120, "it is not kept while it comes");
    }
    signal(&child, "KILL");
    child.wait().unwrap();
    let id = kept.ids().pop().unwrap();
    let turns = kept.turns_of(&id);
    assert_eq!(turns[1]["state"], "interrupted");
    let text = turns[1]["content"][0]["text"].as_str().unwrap();
    assert!(before.len() > 100 && text.starts_with(&before), "{} of {} bytes", text.len(), before.len());
    assert!(text.len() >= before.len());
}

#[test]
fn t7_an_answer_that_broke_is_kept_with_its_reason() {
    let (sim, kept) = (Sim::new(), Kept::new());
    let orders = "perennial-sim: fin@event=5";
    assert_eq!(kept.ask(&sim, &["-m", "claude-opus-4-6", "-H", orders, "Say hello"]).code, 5);
    let turns = kept.turns_of(&kept.ids()[0]);
    assert_eq!(turns[1]["state"], "failed");
    assert!(turns[1]["error"]["message"].as_str().unwrap().contains("the connection was lost"));
    assert!(!turns[1]["content"][0]["text"].as_str().unwrap().is_empty());
    // It can be gone on from.
    assert_eq!(kept.ask(&sim, &["-c", "Go on"]).code, 0);
    // A history that cannot be written is said, and no failure of the answer.
    let mut command = sim.ask(&["Say hello"]);
    let ran: Ran = command.env("PERENNIAL_HISTORY", "/dev/null/history.db").output().unwrap().into();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!ran.out.is_empty() && ran.err.contains("the answer is not kept"), "{}", ran.err);
}
