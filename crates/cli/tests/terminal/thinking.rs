//! Rows T13 and T17: thinking and tools in brief, and the strip.

use std::time::Duration;

use perennial_sim::{Pace, Scenario, Simulator};

use crate::door::Shut;
use crate::pane::{Pane, assert_append_only, escapes};
use crate::rig::Sim;
use crate::streaming::{ask, ask_at, door, saying};

const THOUGHT: &str = "They want to know about the weather. I should look it up, and say it in a few plain words, and nothing else.";

fn weather() -> Sim {
    let scenario = format!(
        "[[rule]]\nthinking = '{THOUGHT}'\ntext = 'I look that up.'\n\
         tools = [{{ name = 'get_weather', input = {{ city = 'Paris', days = 2 }} }}]\n"
    );
    let pace: Pace = "real,ttft=100ms,tps=25".parse().unwrap();
    Sim::with(Simulator::builder().scenario(Scenario::parse(&scenario).unwrap()).pace(pace))
}

#[test]
fn t13_thinking_is_a_line_that_goes() {
    let sim = weather();
    // In the middle of the thought.
    let door = door(&sim, Shut::Events(10));
    let line = ask_at(&door.url, "--thinking brief Hi");
    let Some(mut pane) = Pane::run(80, 24, &line) else { return };
    pane.wait_for("thinking");
    pane.wait_for("about the weather");
    door.open();
    assert_eq!(pane.end(), 0);
    let screen = pane.screen();
    let lines: Vec<&str> = screen.lines().collect();
    assert!(lines[0].starts_with("thought ") && lines[0].ends_with(" s"), "{screen}");
    assert_eq!(
        lines[1..],
        [
            "",
            "I look that up.",
            "",
            "tool get_weather city=\"Paris\" days=2",
            "the model wants a tool run; ask --json shows the call"
        ]
    );
    // On standard output nothing of it.
    let ran = sim.ask(&["--thinking", "brief", "Hi"]).output().unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "I look that up.\n");
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(
        said.starts_with("perennial: thought ") && said.contains("perennial: tool get_weather"),
        "{said}"
    );
}

#[test]
fn t13_thinking_in_full_and_not_at_all() {
    let sim = weather();
    let line = ask(&sim, "--thinking full Hi");
    let Some(mut pane) = Pane::run(200, 24, &line) else { return };
    assert_eq!(pane.end(), 0);
    let screen = pane.screen();
    let (thought, _) = screen.split_once("\nthought ").unwrap();
    assert_eq!(
        thought.split_whitespace().collect::<Vec<_>>(),
        THOUGHT.split_whitespace().collect::<Vec<_>>()
    );
    assert!(
        thought.lines().count() > 1 && thought.lines().all(|line| line.len() <= 100),
        "it is wrapped: {screen}"
    );
    assert!(pane.written().contains("\x1b[2m"), "it is dim");

    let Some(mut pane) = Pane::run(200, 24, &ask(&sim, "-R Hi")) else { return };
    assert_eq!(pane.end(), 0);
    assert!(!pane.written().contains("weather.") && !pane.screen().contains("thought"), "{}", pane.screen());

    // For a reader who listens: words, in whole lines.
    let line = format!("ACCESSIBLE=1 {}", ask(&sim, "--thinking brief Hi"));
    let Some(mut pane) = Pane::run(80, 24, &line) else { return };
    assert_eq!(pane.end(), 0);
    assert_append_only(&pane.written());
    assert!(pane.screen().starts_with("thinking\nthought "), "{}", pane.screen());
}

#[test]
fn sources_are_numbered_in_the_text_and_listed_behind_it() {
    let sim = Sim::new();
    let messages = r#"messages=[{"role":"user","content":[{"type":"document","title":"Sky","source":{"type":"text","media_type":"text/plain","data":"The sky is blue because of Rayleigh scattering."},"citations":{"enabled":true}},{"type":"text","text":"What colour is the sky? Cite."}]}]"#;
    let Some(mut pane) = Pane::run(100, 24, &ask(&sim, &format!("-R -o '{messages}' x"))) else { return };
    assert_eq!(pane.end(), 0);
    let screen = pane.screen();
    assert!(screen.contains("Rayleigh scattering.[1]") && screen.ends_with("\n\n[1] Sky\n"), "{screen}");
    // A program gets what the model wrote.
    let ran = sim.ask(&["-R", "-o", messages, "x"]).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.contains("Rayleigh scattering.") && !text.contains("[1]"), "{text}");
    assert_eq!(String::from_utf8(ran.stderr).unwrap(), "perennial: [1] Sky\n");
}

#[test]
fn t17_the_strip_shows_wait_cadence_and_stall() {
    let text = "word ".repeat(120);
    let sim = saying(&text, "instant,ttft=1s,tps=1000");
    for (variable, wait, pause) in [("X=1", '·', '░'), ("ACCESSIBLE=1", '.', '/')] {
        let door = door(&sim, Shut::Events(30));
        let line = format!("{variable} {}", ask_at(&door.url, "-m claude-opus-4-6 -u Hi"));
        let Some(mut pane) = Pane::run(100, 30, &line) else { return };
        pane.wait_for("word word");
        sim.runtime.block_on(async { tokio::time::sleep(Duration::from_secs(3)).await });
        door.open();
        assert_eq!(pane.end(), 0);
        let screen = pane.screen();
        let last = screen.lines().last().unwrap();
        let (strip, words) = last.split_once("  longest pause ").unwrap_or_else(|| panic!("{screen}"));
        // As the client sees it: what came before may have come late.
        let seconds: f64 = words.split(' ').next().unwrap().parse().unwrap();
        assert!(seconds >= 1.5, "{words}");
        let cells: Vec<char> = strip.chars().collect();
        // The wait, then text, the pause, and the rest of the text. (How many cells each has is a unit test.)
        let waits = cells.iter().take_while(|cell| **cell == wait).count();
        let before = cells[waits..].iter().take_while(|cell| **cell != pause).count();
        let pauses = cells[waits + before..].iter().take_while(|cell| **cell == pause).count();
        let after = cells.len() - waits - before - pauses;
        assert!(waits > 0 && before > 0 && pauses > 0 && after > 0, "{strip}");
        assert!(
            cells[waits..waits + before]
                .iter()
                .chain(&cells[cells.len() - after..])
                .all(|cell| !cell.is_alphanumeric())
        );
        if variable == "ACCESSIBLE=1" {
            assert!(strip.is_ascii(), "{strip}");
        } else {
            assert!(escapes(&pane.written()).contains(&"\x1b[0;2m".to_owned()), "the wait is dim");
        }
        for part in ["tokens: ", "cost $", " to the first token", " tokens/s"] {
            assert!(screen.contains(part), "{part}: {screen}");
        }
    }
}
