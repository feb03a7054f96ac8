//! Row T15: a conversation in a terminal: lines are edited, answers laid out, stopped, gone on with.

use std::path::Path;
use std::process::Command;

use crate::layout::golden;
use crate::pane::{Pane, assert_append_only};
use crate::rig::perennial;

/// What the editor of lines says to the terminal each time it waits for one.
const WAITS: &str = "\x1b[?2004h";

/// A chat of the embedded simulator in a terminal.
fn chat(history: &Path, arguments: &str) -> Option<Pane> {
    let line = format!(
        "PERENNIAL_HISTORY='{}' '{}' chat --sim --color never {arguments}",
        history.display(),
        env!("CARGO_BIN_EXE_perennial")
    );
    Pane::run(80, 60, &line)
}

/// Waits for the prompt of this number, from 1.
fn prompt(pane: &mut Pane, number: usize) {
    let what = format!("prompt {number}");
    pane.wait_until(&what, |bytes| String::from_utf8_lossy(bytes).matches(WAITS).count() >= number);
}

/// Types a line and sends it.
fn say(pane: &Pane, text: &str) {
    pane.tmux(&["send-keys", "-l", text]);
    pane.press("Enter");
}

/// The conversation that was changed last, in words.
fn shown(history: &Path) -> String {
    let logs = |arguments: &[&str]| {
        let mut command = perennial(&[&["logs"], arguments].concat());
        String::from_utf8(command.env("PERENNIAL_HISTORY", history).output().unwrap().stdout).unwrap()
    };
    let listed = logs(&["list"]);
    logs(&["show", listed.lines().nth(1).unwrap().split_whitespace().next().unwrap()])
}

#[test]
fn what_was_said_before_is_read_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.db");
    let system = "--system \"$(yes 'Answer as a sailor would.' | head -400)\"";
    let Some(mut pane) = chat(&history, &format!("-u --pace instant {system}")) else { return };
    prompt(&mut pane, 1);
    say(&pane, "Why is the sea blue?");
    prompt(&mut pane, 2);
    assert!(!pane.written().contains("from cache"));
    say(&pane, "And the sky?");
    prompt(&mut pane, 3);
    let said = pane.written();
    let share = said.split(" % from cache").next().and_then(|said| said.rsplit('(').next());
    assert!(share.and_then(|share| share.parse::<u32>().ok()).is_some_and(|share| share > 80), "{said}");
    pane.press("C-d");
    assert_eq!(pane.end(), 0);
}

#[test]
fn t15_chat() {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.db");
    let Some(mut pane) = chat(&history, "--pace instant") else { return };
    prompt(&mut pane, 1);
    say(&pane, "My name is Ada.");
    prompt(&mut pane, 2);
    // Two lines, the second edited.
    say(&pane, "Tell me \\");
    pane.tmux(&["send-keys", "-l", "about tidez"]);
    pane.press("BSpace");
    say(&pane, "s");
    prompt(&mut pane, 3);
    say(&pane, "/retry");
    prompt(&mut pane, 4);
    say(&pane, "/branch");
    prompt(&mut pane, 5);
    // The line before, by the arrow.
    pane.press("Up");
    say(&pane, " 1");
    prompt(&mut pane, 6);
    say(&pane, "What is my name?");
    prompt(&mut pane, 7);
    say(&pane, "/usage");
    prompt(&mut pane, 8);
    pane.press("C-d");
    assert_eq!(pane.end(), 0);
    // The id is another one each time.
    let screen = pane.screen();
    let id = screen.split_whitespace().find(|word| word.starts_with("conv_")).unwrap().trim_end_matches(':');
    golden("chat-80.txt", &screen.replace(id, "conv_ID"));

    // And on another day.
    let Some(mut pane) = chat(&history, "--pace instant -c") else { return };
    prompt(&mut pane, 1);
    assert!(pane.screen().contains(&format!("going on with {id}")), "{}", pane.screen());
    say(&pane, "What is my name?");
    prompt(&mut pane, 2);
    assert!(pane.screen().matches("Ada").count() >= 1, "{}", pane.screen());
    pane.press("C-c");
    prompt(&mut pane, 3);
    pane.press("C-c");
    assert_eq!(pane.end(), 130);
}

#[test]
fn t4_ctrl_c_stops_an_answer_and_the_prompt_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.db");
    let Some(mut pane) = chat(&history, "--pace ttft=10ms,tps=30,jitter=0 -H 'perennial-sim: tokens=10000'")
    else {
        return;
    };
    prompt(&mut pane, 1);
    say(&pane, "Tell me about tides in detail");
    pane.wait_for("Tides");
    pane.press("C-c");
    pane.wait_for("stopped; what came is kept");
    prompt(&mut pane, 2);
    // Something else was done, so it takes two again.
    say(&pane, "/model");
    prompt(&mut pane, 3);
    pane.press("C-c");
    prompt(&mut pane, 4);
    pane.press("C-c");
    assert_eq!(pane.end(), 130);
    assert!(shown(&history).contains("(cancelled)"), "{}", shown(&history));
}

#[test]
fn a_session_can_be_told_to_end_while_a_line_is_edited() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut pane) = chat(&folder.path().join("history.db"), "--pace instant") else { return };
    prompt(&mut pane, 1);
    say(&pane, "Hi");
    prompt(&mut pane, 2);
    let shell = pane.tmux(&["display-message", "-p", "#{pane_pid}"]);
    let ran = Command::new("ps").args(["-o", "pid=", "--ppid", shell.trim()]).output().unwrap();
    let child = String::from_utf8(ran.stdout).unwrap();
    assert!(Command::new("kill").args(["-TERM", child.trim()]).status().unwrap().success());
    assert_eq!(pane.end(), 130);
}

#[test]
fn a_line_can_be_written_in_an_editor() {
    let folder = tempfile::tempdir().unwrap();
    let editor = folder.path().join("editor");
    std::fs::write(&editor, "#!/bin/sh\nprintf 'My name is Grace.' > \"$1\"\n").unwrap();
    let history = folder.path().join("history.db");
    let line = format!(
        "PERENNIAL_HISTORY='{}' EDITOR='sh {}' '{}' chat --sim --pace instant --color never",
        history.display(),
        editor.display(),
        env!("CARGO_BIN_EXE_perennial")
    );
    let Some(mut pane) = Pane::run(80, 60, &line) else { return };
    prompt(&mut pane, 1);
    pane.tmux(&["send-keys", "-l", "draft"]);
    pane.press("C-x");
    pane.press("C-e");
    pane.wait_for("Grace");
    pane.press("Enter");
    prompt(&mut pane, 2);
    say(&pane, "What is my name?");
    prompt(&mut pane, 3);
    assert!(pane.screen().matches("Grace").count() >= 2, "{}", pane.screen());
    // A paste of several lines is one message, its backslashes included.
    pane.tmux(&["set-buffer", "run \\\nthis\n"]);
    pane.tmux(&["paste-buffer", "-p"]);
    pane.press("Enter");
    prompt(&mut pane, 4);
    pane.press("C-d");
    assert_eq!(pane.end(), 0);
    assert!(shown(&history).contains("run \\\nthis"), "{}", shown(&history));
}

#[test]
fn what_is_typed_while_an_answer_comes_waits_for_its_end_and_does_not_stand_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.db");
    let Some(mut pane) = chat(&history, "--pace ttft=10ms,tps=12,jitter=0,burst=1") else { return };
    prompt(&mut pane, 1);
    say(&pane, "Tell me about tides");
    pane.wait_for("Tides");
    say(&pane, "/open");
    pane.wait_for("has no page");
    say(&pane, "My name is Ada.");
    pane.wait_for("after this answer: My name is Ada.");
    pane.wait_for("> My name is Ada.");
    prompt(&mut pane, 2);
    let screen = pane.screen();
    let plain: String = screen.lines().filter(|line| !line.starts_with("perennial: ")).collect();
    assert!(!plain.contains("/open"), "{screen}");
    let (before, asked) = plain.split_once("My name is Ada.").unwrap();
    assert!(before.ends_with("> ") && !asked.is_empty(), "{screen}");
    // Of an answer that is stopped what waits is dropped, and what is typed is seen again.
    say(&pane, "Tell me about rivers");
    pane.wait_for("Rivers");
    say(&pane, "never asked");
    pane.wait_for("after this answer: never asked");
    pane.press("C-c");
    prompt(&mut pane, 3);
    pane.press("C-d");
    assert_eq!(pane.end(), 0);
    assert!(!shown(&history).contains("never asked"), "{}", shown(&history));
    let terminal = pane.tmux(&["display-message", "-p", "#{pane_tty}"]);
    let ran = Command::new("stty").args(["-F", terminal.trim(), "-a"]).output().unwrap();
    let modes = String::from_utf8(ran.stdout).unwrap();
    assert!(modes.split_whitespace().any(|mode| mode == "echo"), "{modes}");
}

#[test]
fn t4_ctrl_z_gives_the_shell_a_terminal_that_shows_what_is_typed() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "export PERENNIAL_HISTORY='{}'; set -m; '{}' chat --sim --color never --pace ttft=10ms,tps=20,jitter=0,burst=1 -H 'perennial-sim: tokens=10000'; \
         stty -a | grep -ow -e '-*echo'; echo '[paused]'; fg",
        folder.path().join("history.db").display(),
        env!("CARGO_BIN_EXE_perennial")
    );
    let Some(mut pane) = Pane::run(80, 40, &line) else { return };
    prompt(&mut pane, 1);
    say(&pane, "Tell me about tides");
    pane.wait_for("Tides");
    pane.press("C-z");
    pane.wait_for("[paused]");
    say(&pane, "/open");
    pane.wait_for("has no page");
    pane.press("C-c");
    prompt(&mut pane, 2);
    pane.press("C-d");
    assert_eq!(pane.end(), 0);
    let screen = pane.screen();
    assert!(screen.contains("\necho\n[paused]\n"), "{screen}");
}

#[test]
fn t9_where_nothing_is_redrawn_the_terminal_edits_the_lines() {
    for variable in ["TERM=dumb", "ACCESSIBLE=1"] {
        let folder = tempfile::tempdir().unwrap();
        let line = format!(
            "{variable} PERENNIAL_HISTORY='{}' '{}' chat --sim --color never --pace instant",
            folder.path().join("history.db").display(),
            env!("CARGO_BIN_EXE_perennial")
        );
        let Some(mut pane) = Pane::run(80, 40, &line) else { return };
        pane.wait_for("Ctrl-D leaves\r\n> ");
        say(&pane, "My name is Ada.");
        pane.wait_for("Nice to meet you, Ada!");
        pane.wait_for("\r\n> ");
        say(&pane, "What is \\");
        pane.wait_for(". ");
        say(&pane, "my name?");
        pane.wait_for("Your name is Ada");
        pane.press("C-d");
        assert_eq!(pane.end(), 0);
        assert_append_only(&pane.written());
        assert!(pane.screen().contains("\n>\nperennial: conv_"), "{}", pane.screen());
    }
}
