//! Rows T1, T2, T4: text as it comes, written once, and stopped.

use perennial_sim::{Pace, Scenario, Simulator};

use crate::door::{Door, Shut};
use crate::pane::{Pane, assert_append_only};
use crate::rig::Sim;

/// No thinking before the text.
const MODEL: &str = "claude-opus-4-6";

/// `perennial ask` of a simulator, as a line of shell.
pub(crate) fn ask(sim: &Sim, arguments: &str) -> String {
    ask_at(&sim.handle.url(), arguments)
}

pub(crate) fn ask_at(url: &str, arguments: &str) -> String {
    let binary = env!("CARGO_BIN_EXE_perennial");
    format!("ANTHROPIC_API_KEY=sk-ant-secret {binary} ask --base-url {url} {arguments} < /dev/null")
}

/// A door before a simulator, through which so much of an answer comes until it is opened.
pub(crate) fn door(sim: &Sim, shut: Shut) -> Door {
    sim.runtime.block_on(Door::before(&sim.handle.url(), shut))
}

/// A simulator that says this, at a pace.
pub(crate) fn saying(text: &str, pace: &str) -> Sim {
    let scenario = format!("[[rule]]\ntext = {}\n", toml_text(text));
    let builder = Simulator::builder().scenario(Scenario::parse(&scenario).unwrap());
    Sim::with(builder.pace(pace.parse::<Pace>().unwrap()))
}

/// JSON's strings are TOML's, but for one character.
pub(crate) fn toml_text(text: &str) -> String {
    serde_json::to_string(text).unwrap().replace('\x7f', "\\u007f")
}

#[test]
fn t1_streams() {
    let text = (0..40).map(|number| format!("word{number} ")).collect::<String>();
    let sim = saying(&text, "instant");
    // What is sent is shown, though the rest is never sent.
    for (events, word) in [(8, "word2 "), (16, "word7 "), (28, "word15 ")] {
        let line = ask(&sim, &format!("-m {MODEL} -q -H 'perennial-sim: stall@event={events}' Hi"));
        let Some(mut pane) = Pane::run(80, 24, &line) else { return };
        pane.wait_for(word);
        assert!(!pane.screen().contains("word39"));
        pane.press("C-c");
        assert_eq!(pane.end(), 130);
    }
    let Some(mut pane) = Pane::run(80, 24, &ask(&sim, &format!("-m {MODEL} -q Hi"))) else { return };
    assert_eq!(pane.end(), 0);
    assert!(pane.screen().contains("word39"));
}

#[test]
fn t2_append_only() {
    let items = (0..60).map(|number| format!("- item **{number}** of `many`\n")).collect::<String>();
    let text = format!("# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n{items}\n> quoted\n\nThe end.");
    // Pauses bring the status line and what is held back; on standard output they change nothing.
    let sim = saying(&text, "instant,tps=600");
    for (redirect, status) in [("2>/dev/null", false), ("", true)] {
        let door = door(&sim, Shut::Events(30));
        let line = format!("{} {redirect}", ask_at(&door.url, "-m claude-sonnet-5-5 Hi"));
        let Some(mut pane) = Pane::run(60, 20, &line) else { return };
        pane.wait_for("item");
        if status {
            // However many seconds they are until it is looked at.
            pane.wait_until("the status", |bytes| String::from_utf8_lossy(bytes).contains("… "));
        }
        door.open();
        assert_eq!(pane.end(), 0);
        let written = pane.written();
        if status {
            // It is wiped off by nothing but blanks and what leads back over its own columns.
            let own = written.replace(['\r', '\x08'], "");
            assert_append_only(&own);
            assert!(written.contains('\x08') && written.contains("… "), "{written:?}");
        } else {
            assert_append_only(&written);
        }
        let screen = pane.screen();
        for number in 0..60 {
            let item = format!("• item {number} of many\n");
            assert_eq!(screen.matches(&item).count(), 1, "{item:?} in\n{screen}");
        }
        assert!(!screen.contains('…') && screen.ends_with("The end.\n"), "{screen}");
    }
}

#[test]
fn t4_ctrl_c_keeps_the_part() {
    let text = (0..400).map(|number| format!("word{number} ")).collect::<String>();
    let sim = saying(&text, "instant,tps=100");
    let orders = "-H 'perennial-sim: stall@event=60'";
    let history = tempfile::tempdir().unwrap();
    let file = history.path().join("history.db");
    let line =
        format!("PERENNIAL_HISTORY={} {}", file.display(), ask(&sim, &format!("-m {MODEL} {orders} Hi")));
    let Some(mut pane) = Pane::run(80, 24, &line) else { return };
    pane.wait_for("word9 ");
    pane.press("C-c");
    assert_eq!(pane.end(), 130);
    let screen = pane.screen();
    let (answer, said) = screen.split_once("interrupted; the answer above is a part").unwrap();
    assert_eq!(said.trim(), "");
    let seen: Vec<&str> = answer.split_whitespace().filter(|word| !word.starts_with("^C")).collect();

    let logs = |arguments: &[&str]| {
        let mut command = crate::rig::perennial(&["logs"]);
        let ran = command.args(arguments).env("PERENNIAL_HISTORY", &file).output().unwrap();
        String::from_utf8(ran.stdout).unwrap()
    };
    let listed: serde_json::Value = serde_json::from_str(&logs(&["list", "--json"])).unwrap();
    let shown: serde_json::Value =
        serde_json::from_str(&logs(&["show", listed["id"].as_str().unwrap(), "--json"])).unwrap();
    let answer = &shown["turns"][1];
    assert_eq!(answer["state"], "interrupted");
    let kept: Vec<&str> = answer["content"][0]["text"].as_str().unwrap().split_whitespace().collect();
    // The terminal shows where the key was pressed.
    let seen = seen.join(" ").replace("^C", "");
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), kept);
    let left = sim.handle.journal().wait_for(perennial_sim::Entry::is_over);
    assert_eq!(sim.runtime.block_on(left).outcome, perennial_sim::Outcome::ClientLeft);
}

#[test]
fn t4_ctrl_z_pauses_and_goes_on() {
    let text = (0..60).map(|number| format!("word{number} ")).collect::<String>();
    let sim = saying(&text, "instant,tps=600");
    let door = door(&sim, Shut::Entirely);
    // A shell that knows of jobs: it goes on where the command pauses, and fetches it back.
    let line = format!("set -m; {}; echo \"[paused $?]\"; fg", ask_at(&door.url, &format!("-m {MODEL} Hi")));
    let Some(mut pane) = Pane::run(80, 24, &line) else { return };
    pane.wait_for("waiting");
    pane.press("C-z");
    pane.wait_for("[paused ");
    door.open();
    assert_eq!(pane.end(), 0);
    let screen = pane.screen();
    assert!(screen.contains("[paused 147]") && !screen.contains("waiting"), "{screen}");
    let answer = &screen[screen.find("word0").unwrap()..];
    assert_eq!(answer.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
}
