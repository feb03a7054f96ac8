//! Rows T3, T5, T11: pipes, exit codes, and what is said beside an answer.

use std::process::Command;

use perennial_sim::{Outcome, Pace, Simulator};

use crate::rig::{Ran, Sim};
use crate::streaming::{ask, saying};

const MODEL: [&str; 2] = ["-m", "claude-opus-4-6"];

fn shell(line: &str) -> Ran {
    let like = crate::rig::perennial(&[]);
    let mut shell = Command::new("bash");
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.args(["-c", line]).output().unwrap().into()
}

#[test]
fn t3_pipes() {
    let lines = (0..4000).map(|number| format!("line {number}\n")).collect::<String>();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a text\n").unwrap();
    // All of it would take most of a minute to send.
    let sim = saying(&lines, "instant,tps=200");
    let asking = ask(&sim, "-m claude-opus-4-6 'Sum up'").replace(" < /dev/null", "");
    let ran = shell(&format!(
        "cat {} | {asking} | head -2; echo \"codes ${{PIPESTATUS[*]}}\"",
        file.path().display()
    ));
    assert_eq!((ran.code, &*ran.out), (0, "line 0\nline 1\ncodes 0 141 0\n"));
    assert_eq!(ran.err, "", "no panic, no spinner");
    let entry = sim.runtime.block_on(sim.handle.journal().wait_for(perennial_sim::Entry::is_over));
    assert_eq!(entry.outcome, Outcome::ClientLeft);
    let sent: usize = entry.content.iter().map(|written| written.text.len()).sum();
    assert!(sent < lines.len() / 2, "{sent} of {} bytes were sent to nobody", lines.len());
}

#[test]
fn t5_exit_codes() {
    let sim = Sim::with(Simulator::builder().pace(Pace::instant()));
    for (orders, flags, code) in [
        ("answer=Yes", &[][..], 0),
        ("status=400", &[], 1),
        ("status=401", &[], 3),
        ("status=429,retry-after=0", &["--retries", "0"], 4),
        ("status=529", &["--retries", "0"], 4),
        ("fin@event=4", &[], 5),
        ("stall@event=4", &["--timeout", "0.4"], 5),
        ("refuse=middle", &[], 6),
        ("tokens=500", &["--max-tokens", "5", "--fail-on-truncate"], 7),
        ("answer=Yes", &["--no-such-flag"], 2),
    ] {
        let header = format!("perennial-sim: {orders}");
        let ran: Ran = sim.ask(&MODEL).args(["-H", &header]).args(flags).arg("Hi").output().unwrap().into();
        assert_eq!(ran.code, code, "{orders} {flags:?}: {}", ran.err);
    }
}

#[test]
fn t11_errors_and_retries_are_lines_beside_a_clean_answer() {
    let sim = Sim::with(Simulator::builder().pace(Pace::instant()));
    let asking = |orders: &str, flags: &str| {
        ask(
            &sim,
            &format!("-m claude-opus-4-6 {flags} -H 'perennial-sim: {orders}; answer=One two three' Hi"),
        )
    };
    // Orders, flags, what is on standard output, and what each line on standard error has.
    for (orders, flags, out, said) in [
        (
            "status=529,retry-after=0,times=2",
            "",
            "One two three\n",
            &["; attempt 2 in", "; attempt 3 in"][..],
        ),
        ("error=overloaded_error@event=1,times=1", "", "One two three\n", &["overloaded_error"]),
        ("fin@event=4,times=1", "--recover 1", "One two three\n", &["attempt 2 asks for the rest"]),
        ("status=529,retry-after=0,times=1", "--json", "", &["attempt 2 in"]),
        ("status=401", "", "", &["check the API key"]),
        ("end@event=4", "", "One two\n", &["what came is kept; ask again"]),
        ("refuse=middle", "", "One\n", &["the model declined"]),
    ] {
        let ran = shell(&asking(orders, flags));
        let clean = shell(&format!("{} 2>/dev/null", asking(orders, flags)));
        assert_eq!((&*clean.out, &*clean.err), (&*ran.out, ""), "{orders}");
        if !orders.starts_with("end") && !orders.starts_with("refuse") && flags != "--json" {
            assert_eq!(ran.out, out, "{orders}");
        }
        assert_eq!(ran.err.lines().count(), said.len(), "{orders}: {}", ran.err);
        for (line, part) in ran.err.lines().zip(said) {
            let whole = line.starts_with("perennial: ") && line.contains("[req_") && line.contains(part);
            assert!(whole, "{orders}: {line}");
        }
    }
}
