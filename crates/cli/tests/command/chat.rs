//! `perennial chat` in pipes: what is said and kept; `tests/terminal/chat.rs` has it in a terminal.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use perennial_sim::Simulator;
use serde_json::Value;

use crate::rig::{Kept, Ran, Sim, signal};

impl Kept {
    /// A chat with the embedded simulator, of these lines.
    fn chat(&self, arguments: &[&str], lines: &str) -> Ran {
        let all = [&["chat", "--sim", "--pace", "instant"], arguments].concat();
        let mut child = self.command(&all).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// The turns of the conversation that was changed last.
    fn turns(&self) -> Vec<Value> {
        self.turns_of(&self.ids()[0])
    }
}

fn text(turn: &Value) -> &str {
    turn["content"].as_array().unwrap().iter().find_map(|block| block["text"].as_str()).unwrap_or_default()
}

/// Answers that last longer than any test needs to stop them.
const LONG: &str = "perennial-sim: tokens=10000";

#[test]
fn each_answer_knows_what_was_said_before_and_it_is_kept() {
    let kept = Kept::new();
    let ran = kept.chat(&["-s", "Be brief"], "My name is Ada.\nWhat is my name?\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("Ada"), "{}", ran.out);
    assert!(ran.err.contains("the embedded simulator answers"), "{}", ran.err);
    let turns = kept.turns();
    let said: Vec<_> = turns.iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    assert_eq!(said, ["user", "assistant", "user", "assistant"]);
    // Standard output is the answers, one under the other.
    assert_eq!(ran.out, format!("{}\n{}\n", text(&turns[1]).trim_end(), text(&turns[3]).trim_end()));
    for (turn, parent) in turns.iter().zip([None, Some(0), Some(1), Some(2)]) {
        assert_eq!(
            turn["parent"].as_str(),
            parent.map(|parent: usize| turns[parent]["id"].as_str().unwrap())
        );
        assert_eq!(turn["state"], "completed");
    }
    // The next process goes on where this one ended, with what it was told.
    let ran = kept.chat(&["-c"], "What is my name?\n/system\n");
    assert!(ran.out.contains("Ada") && ran.err.contains("Be brief"), "{} {}", ran.out, ran.err);
    assert_eq!(kept.turns().len(), 6);
    assert_eq!(kept.logs(&["list", "--json"]).out.lines().count(), 1);
}

#[test]
fn any_service_is_asked_with_its_key() {
    let sim = Sim::new();
    let kept = Kept::new();
    let mut child = kept
        .command(&["chat", "-u", "--base-url", &sim.handle.url(), "-m", "claude-opus-4-6"])
        .env("ANTHROPIC_API_KEY", "sk-ant-secret-key")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"Hi\n/usage\n").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let entries = sim.handle.journal().entries();
    assert_eq!((entries.len(), entries[0].model.as_deref()), (1, Some("claude-opus-4-6")));
    // A price is known, so the cost is.
    assert!(ran.err.contains("1 answer; tokens: ") && ran.err.contains("cost $0.0"), "{}", ran.err);
    assert!(kept.turns()[1]["cost"].as_str().is_some());
    // `-u` says the same of each answer.
    assert!(
        ran.err.contains("time: ") && ran.err.contains("perennial: answer: claude-opus-4-6; end_turn"),
        "{}",
        ran.err
    );
}

#[test]
fn a_system_prompt_holds_from_where_it_is_set_until_it_is_taken_away() {
    let (sim, kept) = (Sim::new(), Kept::new());
    let mut child = kept
        .command(&["chat", "--base-url", &sim.handle.url()])
        .env("ANTHROPIC_API_KEY", "k")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = b"Hi\n/system Be brief\n/system\n/retry\n/system -\n/retry\n/system\n";
    child.stdin.take().unwrap().write_all(lines).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(ran.err.contains("\nBe brief\n") && ran.err.contains("there is no system prompt"), "{}", ran.err);
    let entries = sim.handle.journal().entries();
    let [first, with, without] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(with.request_bytes, first.request_bytes + ",\"system\":\"Be brief\"".len() as u64);
    assert_eq!(without.request_digest, first.request_digest);
}

#[test]
fn a_reader_that_leaves_ends_the_session_in_silence() {
    let kept = Kept::new();
    let mut child =
        kept.command(&["chat", "--sim", "--pace", "instant"]).stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"Tell me about tides\n").unwrap();
    // It does not wait for the next line.
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(141), "{said}");
    assert!(!said.contains("written") && !said.contains("pipe"), "{said}");
    drop(input);
}

#[test]
fn another_answer_and_another_question_are_branches() {
    let kept = Kept::new();
    // An editor that changes the question.
    let editor = kept.folder.path().join("editor.sh");
    std::fs::write(&editor, "#!/bin/sh\nprintf 'What about rivers?' > \"$1\"\n").unwrap();
    let all = ["chat", "--sim", "--pace", "instant"];
    let mut child = kept
        .command(&all)
        .env("VISUAL", format!("sh {}", editor.display()))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = "What about tides?\n/retry\n/edit\n/branch\n/branch 1\nGo on\n/branch 9\n";
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let turns = kept.turns();
    let parents: Vec<_> =
        turns.iter().map(|turn| turns.iter().position(|other| other["id"] == turn["parent"])).collect();
    // Question, answer; another answer to it; another question and its answer; and the first branch goes on.
    assert_eq!(parents, [None, Some(0), Some(0), None, Some(3), Some(1), Some(5)]);
    assert_eq!((text(&turns[3]), text(&turns[5])), ("What about rivers?", "Go on"));
    for part in [
        "  1  What about tides? -> ",
        "  2  What about tides? -> ",
        "* 3  What about rivers? -> ",
        "no such branch",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(
        ran.err.contains("\n> What about rivers?\n"),
        "what is asked after an edit is shown: {}",
        ran.err
    );
    // The draft is gone.
    let left: Vec<_> = std::fs::read_dir(kept.file.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("draft"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn lines_commands_and_conversations() {
    let kept = Kept::new();
    let (markdown, json) = (kept.folder.path().join("x.md"), kept.folder.path().join("x.json"));
    let lines = format!(
        "one \\\ntwo\n//slash\n/model claude-opus-5-5\nHi\n/nonsense\n/help\n/save {}\n/save {}\n/save {}\n/new\nOther\n/chats\n/copy\n/quit\nnever\n",
        markdown.display(),
        json.display(),
        json.display()
    );
    let ran = kept.chat(&[], &lines);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for part in
        ["there is no /nonsense", "/retry", "cannot be written", "no terminal whose clipboard", "Other"]
    {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert_eq!(kept.logs(&["list", "--json"]).out.lines().count(), 2);
    assert_eq!(kept.turns().len(), 2, "what stands behind /quit is not asked");
    let saved: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    let turns = saved["conversations"][0]["turns"].as_array().unwrap();
    assert_eq!((text(&turns[0]), text(&turns[2])), ("one \ntwo", "/slash"));
    assert_eq!(
        (&turns[1]["model"], &turns[5]["model"]),
        (&Value::from("claude-sonnet-5-5"), &Value::from("claude-opus-5-5"))
    );
    assert!(std::fs::read_to_string(&markdown).unwrap().starts_with("# one"));
    // By the beginning of its id.
    let id = saved["conversations"][0]["conversation"]["id"].as_str().unwrap();
    let ran = kept.chat(&[], &format!("/chats {id}\n/model\nmore\n"));
    assert!(ran.err.contains("claude-opus-5-5"), "{}", ran.err);
    assert_eq!(kept.turns().len(), 8);
}

#[test]
fn ctrl_c_stops_the_answer_and_keeps_it() {
    let kept = Kept::new();
    let mut child = kept
        .command(&["chat", "--sim", "--pace", "ttft=10ms,tps=20,jitter=0,burst=1", "-H", LONG])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut out = child.stdout.take().unwrap();
    input.write_all(b"Tell me about tides in detail\n").unwrap();
    let mut piece = [0; 8];
    out.read_exact(&mut piece).unwrap();
    signal(&child, "INT");
    // The session goes on.
    input.write_all(b"/usage\n").unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("stopped; what came is kept")));
    assert!(said.any(|line| line.starts_with("1 answer;")));
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let turns = kept.turns();
    assert_eq!(turns[1]["state"], "cancelled");
    assert!(text(&turns[1]).starts_with(std::str::from_utf8(&piece).unwrap()), "{turns:?}");
}

#[test]
fn a_session_that_was_killed_goes_on_with_what_had_come() {
    let kept = Kept::new();
    let mut child = kept
        .command(&["chat", "--sim", "--pace", "ttft=10ms,tps=40,jitter=0,burst=1", "-H", LONG])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"Tell me about tides in detail\n").unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    // So much takes longer than what may be lost.
    while seen.len() < 200 {
        let mut piece = [0; 32];
        let read = out.read(&mut piece).unwrap();
        assert_ne!(read, 0, "{seen}");
        seen.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let ran = kept.chat(&["-c"], "/branch\nAnd then?\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("going on with conv_"), "{}", ran.err);
    let turns = kept.turns();
    assert_eq!((turns.len(), &turns[1]["state"]), (4, &Value::from("interrupted")));
    let held = text(&turns[1]);
    assert!(!held.is_empty() && (seen.starts_with(held) || held.starts_with(&seen)), "{held:?} of {seen:?}");
    assert_eq!(turns[2]["parent"], turns[1]["id"]);
}

#[test]
fn a_signal_between_two_lines_ends_the_session() {
    for name in ["INT", "TERM"] {
        let kept = Kept::new();
        let mut child =
            kept.command(&["chat", "--sim", "--pace", "instant"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"Hi\n/usage\n").unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(said.any(|line| line.starts_with("1 answer;")));
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{name}");
        drop(input);
    }
}

#[test]
fn what_is_not_to_be_kept_is_not() {
    let kept = Kept::new();
    let ran = kept.chat(&["-n"], "Hi\nAgain\n/branch\n");
    assert_eq!((ran.code, ran.err.contains("* 1  Again -> ")), (0, true), "{}", ran.err);
    assert!(!kept.file.exists());
    assert_eq!(kept.chat(&["-c"], "").code, 2, "there is nothing to go on with");
    // One question that fails is no end of the session.
    let sim = Sim::with(Simulator::builder().orders("status=500,times=1"));
    let mut child = kept
        .command(&["chat", "-n", "--retries", "0", "--base-url", &sim.handle.url()])
        .env("ANTHROPIC_API_KEY", "k")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"Hi\n/retry\n").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(sim.handle.journal().entries().len(), 2);
    assert!(!ran.out.is_empty(), "{}", ran.err);
}
