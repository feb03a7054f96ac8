//! `perennial logs`, over a history that this test writes as `ask` and `chat` do.

use std::future::Future;
use std::path::Path;

use perennial_history::{Content, Conversations, Ended, History, NewConversation, NewTurn, State};
use serde_json::Value;

use crate::rig::{Kept, Ran, perennial};

impl Kept {
    /// Writes as another process would.
    fn write<F: Future<Output = ()>>(&self, what: impl FnOnce(Conversations) -> F) {
        write(&self.file, what);
    }
}

fn write<F: Future<Output = ()>>(file: &Path, what: impl FnOnce(Conversations) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let history = History::open_file(file).await.unwrap();
        what(history.of("terminal")).await;
        history.close().await;
    });
}

async fn asked(of: Conversations, question: &str, answer: &str) {
    let id = of.create(&NewConversation::with_model("claude-x")).await.unwrap().id;
    let turns = [NewTurn::user(Content::text(question)), NewTurn::assistant("claude-x")];
    let turns = of.append(&id, None, &turns).await.unwrap();
    let mut ended = Ended::new(State::Completed);
    ended.content = Some(Content::text(answer));
    ended.cost = Some("0.00120".parse().unwrap());
    of.end(&turns[1].id, &ended).await.unwrap();
}

#[test]
fn conversations_are_listed_shown_and_found() {
    let kept = Kept::new();
    let empty = kept.logs(&["list"]);
    assert_eq!((empty.code, &*empty.out), (0, ""));
    assert!(empty.err.contains("no conversations yet"), "{}", empty.err);

    kept.write(|of| asked(of, "Why is the sky blue?", "Because of **Rayleigh** scattering.\x1b[2J"));
    kept.write(|of| asked(of, "What is SSE?", "Events over HTTP."));
    let listed = kept.logs(&["list"]);
    let lines: Vec<_> = listed.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", listed.out);
    assert!(lines[1].ends_with("claude-x  What is SSE?"), "{}", lines[1]);
    assert!(lines[2].ends_with("claude-x  Why is the sky blue?"), "{}", lines[2]);
    assert_eq!(kept.logs(&["list", "-n", "1"]).out.lines().count(), 2);

    // The id as it stands in the list is enough.
    let id = lines[2].split_whitespace().next().unwrap();
    let shown = kept.logs(&["show", id]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    for part in
        ["# Why is the sky blue?\n", "## user\n", "## claude-x (0.0012 USD)\n", "**Rayleigh** scattering"]
    {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    let whole: Value = serde_json::from_str(&kept.logs(&["show", id, "--json"]).out).unwrap();
    assert_eq!(whole["type"], "conversation");
    assert_eq!(whole["turns"][1]["cost"], "0.00120");
    assert_eq!(whole["turns"][1]["content"][0]["text"], "Because of **Rayleigh** scattering.\x1b[2J");

    let found = kept.logs(&["search", "rayleigh", "scat"]);
    assert!(found.out.starts_with(id) && found.out.contains("**Rayleigh** scattering."), "{}", found.out);
    assert!(!found.out.contains("SSE"), "{}", found.out);
    let none = kept.logs(&["search", "zebra"]);
    assert_eq!((none.code, &*none.out), (0, ""));
    let hit: Value = serde_json::from_str(&kept.logs(&["search", "events", "--json"]).out).unwrap();
    assert_eq!(hit["snippet"], "Events over HTTP.");
}

#[test]
fn a_turn_of_a_process_that_is_gone_is_interrupted() {
    let kept = Kept::new();
    // What is dropped here without an end is what a killed process leaves; crates/history has the test with a real one.
    kept.write(async |of| {
        let id = of.create(&NewConversation::with_model("claude-x")).await.unwrap().id;
        let turns = [NewTurn::user(Content::text("Tell me")), NewTurn::assistant("claude-x")];
        let turns = of.append(&id, None, &turns).await.unwrap();
        of.update(&turns[1].id, &Content::text("Once upon")).await.unwrap();
    });
    let id = kept.logs(&["list", "--json"]).out;
    let id: Value = serde_json::from_str(&id).unwrap();
    let shown = kept.logs(&["show", id["id"].as_str().unwrap()]);
    assert!(shown.out.contains("## claude-x (interrupted)\n\nOnce upon\n"), "{}", shown.out);
}

#[test]
fn an_answer_that_comes_is_no_lost_one() {
    let kept = Kept::new();
    kept.write(async |of| {
        let id = of.create(&NewConversation::with_model("claude-x")).await.unwrap().id;
        let turn = of.append(&id, None, &[NewTurn::assistant("claude-x")]).await.unwrap().remove(0);
        of.update(&turn.id, &Content::text("Once upon")).await.unwrap();
        // This process is there, and the command is another.
        let shown = kept.logs(&["show", &id]);
        assert!(shown.out.contains("## claude-x (running)"), "{}", shown.out);
        of.end(&turn.id, &Ended::new(State::Cancelled)).await.unwrap();
    });
}

#[test]
fn what_is_exported_can_be_taken_in_elsewhere() {
    let kept = Kept::new();
    kept.write(|of| asked(of, "One?", "1"));
    kept.write(|of| asked(of, "Two?", "2"));
    let document = kept.logs(&["export"]).out;
    let other = Kept::new();
    let file = other.file.with_file_name("export.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, &document).unwrap();
    let taken = other.logs(&["import", file.to_str().unwrap()]);
    assert_eq!((taken.code, taken.out.lines().count()), (0, 2), "{}", taken.err);
    let sorted = |ran: Ran| {
        let mut lines: Vec<_> = ran.out.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(other.logs(&["list", "--json"])), sorted(kept.logs(&["list", "--json"])));

    let id = taken.out.lines().next().unwrap();
    let one: Value = serde_json::from_str(&other.logs(&["export", id]).out).unwrap();
    assert_eq!(one["conversations"].as_array().unwrap().len(), 1);
    assert_eq!(other.logs(&["delete", id]).code, 0);
    assert_eq!(other.logs(&["list", "--json"]).out.lines().count(), 1);
    std::fs::write(&file, "{}").unwrap();
    let wrong = other.logs(&["import", file.to_str().unwrap()]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("no export of conversations"), "{}", wrong.err);
}

#[test]
fn what_cannot_be_found_is_said() {
    let kept = Kept::new();
    kept.write(|of| asked(of, "One?", "1"));
    kept.write(|of| asked(of, "Two?", "2"));
    let path = kept.logs(&["path"]);
    assert_eq!(path.out.trim_end(), kept.file.to_str().unwrap());
    for (arguments, code, said) in [
        (&["show", "ffff"][..], 2, "there is no conversation `ffff`"),
        (&["show", "0"], 2, "several conversations begin with `0`"),
        (&["delete", "no"], 2, "there is no conversation"),
        (&["export", "ffff"], 2, "there is no conversation"),
        (&["import", "nowhere.json"], 2, "nowhere.json cannot be read"),
        (&["search"], 2, "TEXT"),
    ] {
        let ran = kept.logs(arguments);
        assert_eq!((ran.code, &*ran.out), (code, ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{arguments:?}: {}", ran.err);
    }
    // Off is a mark beside the file, and what is there stays.
    let mark = kept.file.with_file_name("history.db-off");
    assert_eq!((kept.logs(&["off"]).code, mark.exists()), (0, true));
    let listed = kept.logs(&["list", "--json"]);
    assert_eq!(listed.out.lines().count(), 2);
    assert!(listed.err.contains("not written at present"), "{}", listed.err);
    assert_eq!((kept.logs(&["on"]).code, mark.exists()), (0, false));
    assert_eq!(kept.logs(&["on"]).code, 0);
    std::fs::write(&kept.file, "no database at all, and long enough to be read as one").unwrap();
    assert_eq!(kept.logs(&["list"]).code, 3);
    let none = Ran::from(perennial(&["logs", "list"]).output().unwrap());
    assert_eq!(none.code, 3);
    assert!(none.err.contains("PERENNIAL_HISTORY is empty"), "{}", none.err);
}
