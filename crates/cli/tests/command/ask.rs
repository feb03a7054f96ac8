//! `perennial ask`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::Duration;

use perennial_sim::{Outcome, Pace, Simulator};
use serde_json::Value;

use crate::rig::{Ran, Sim, perennial, run, signal};

const PATIENCE: Duration = Duration::from_secs(120);
/// No thinking before the text, so that the fifth event is text.
const MODEL: [&str; 2] = ["-m", "claude-opus-4-6"];

fn ask(sim: &Sim, orders: &str, arguments: &[&str]) -> Ran {
    let header = format!("perennial-sim: {orders}");
    sim.ask(&MODEL).args(["-H", &header]).args(arguments).arg("Say hello").output().unwrap().into()
}

#[test]
fn each_kind_of_end_has_its_code_and_one_line() {
    let sim = Sim::new();
    for (orders, arguments, code, said) in [
        ("", &[][..], 0, ""),
        ("answer=Yes", &[], 0, ""),
        ("status=400", &[], 1, "the service answered 400"),
        ("status=404", &[], 1, "the service answered 404"),
        ("status=500", &["--retries", "0"], 1, "the service answered 500"),
        ("error=api_error@event=4", &[], 1, "api_error"),
        ("status=401", &[], 3, "check the API key"),
        ("status=403", &[], 3, "permissions"),
        ("status=429,retry-after=0", &["--retries", "1"], 4, "attempt 2"),
        ("status=529", &["--retries", "0"], 4, "no capacity"),
        ("error=overloaded_error@event=4", &[], 4, "overloaded_error"),
        ("fin@event=4", &[], 5, "the connection was lost"),
        ("end@event=4", &[], 5, "the answer ended early"),
        ("rst@event=4", &[], 5, "lost"),
        ("stall@event=4", &["--timeout", "0.4"], 5, "deadline"),
        ("stall@headers", &["--timeout", "0.4"], 5, "deadline"),
        ("refuse=middle", &[], 6, "the model declined"),
        ("", &["--max-tokens", "3"], 0, "--max-tokens raises it"),
        ("", &["--max-tokens", "3", "--fail-on-truncate"], 7, "--max-tokens raises it"),
        ("", &["-o", "temperature"], 2, "not KEY=VALUE"),
        ("", &["--no-such-flag"], 2, "--no-such-flag"),
        ("", &["-H", "nonsense"], 2, "is not `NAME: VALUE`"),
    ] {
        let ran = ask(&sim, orders, &[arguments, &["-q"]].concat());
        assert_eq!(ran.code, code, "{orders} {arguments:?}: {}", ran.err);
        // Notes are kept quiet by -q, errors never.
        if code != 0 {
            assert!(ran.err.contains(said), "{orders} {arguments:?}: {}", ran.err);
        } else {
            assert_eq!(ran.err, "", "{orders} {arguments:?}");
            assert!(ask(&sim, orders, arguments).err.contains(said), "{orders} {arguments:?}");
        }
        if !matches!(code, 0 | 2) {
            assert_eq!(ran.err.lines().count(), 1, "{orders}: {}", ran.err);
            if !orders.contains("@headers") {
                assert!(ran.err.contains("[req_"), "the request's id is missing: {}", ran.err);
            }
        }
        assert!(!ran.err.contains("sk-ant-secret-key"));
    }
    let dead =
        perennial(&["ask", "--base-url", "http://127.0.0.1:1", "--retries", "0", "hi"]).output().unwrap();
    assert_eq!(dead.status.code(), Some(5));
}

#[test]
fn what_came_before_an_error_is_kept() {
    let sim = Sim::new();
    for (form, find) in [
        ("--no-stream", "Hel"),
        ("--json", "\"text\":\"Hel"),
        ("--sse", "event: message_start"),
        ("--events", "{\"number\":1,"),
    ] {
        let ran = ask(&sim, "end@event=4", &[form]);
        assert_eq!(ran.code, 5);
        assert!(ran.out.contains(find), "{form}: {}", ran.out);
    }
    let text = ask(&sim, "end@event=4", &[]);
    assert!(text.out.starts_with("Hel") && text.out.ends_with('\n'), "{}", text.out);
}

#[test]
fn the_forms_of_an_answer() {
    let sim = Sim::new();
    let text = ask(&sim, "answer=One%0ATwo", &[]);
    assert_eq!((text.code, &*text.out, &*text.err), (0, "One\nTwo\n", ""));
    assert_eq!(ask(&sim, "answer=One%0ATwo", &["--no-stream"]).out, text.out);
    let message: Value = serde_json::from_str(&ask(&sim, "answer=Hi", &["--json"]).out).unwrap();
    assert_eq!((&message["content"][0]["text"], &message["stop_reason"]), (&"Hi".into(), &"end_turn".into()));
    let events = ask(&sim, "answer=Hi", &["--events"]).out;
    let names: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((names[0].as_str(), names.last().unwrap().as_str()), ("message_start", "message_stop"));
    let sse = ask(&sim, "answer=Hi", &["--sse"]).out;
    assert!(sse.starts_with("event: message_start\ndata: {") && sse.ends_with("\n\n"), "{sse}");
    let entry = sim.handle.journal().entries().pop().unwrap();
    assert_eq!(entry.bytes, sse.len() as u64, "every byte of the stream");
    let usage = ask(&sim, "answer=Hi", &["-u"]);
    assert_eq!(usage.out, "Hi\n");
    for part in
        ["perennial: tokens: ", "; cost $", " in all\n", "perennial: answer: claude-opus-4-6; end_turn; req_"]
    {
        assert!(usage.err.contains(part), "{part}: {}", usage.err);
    }
    let thinking = ask(&sim, "", &["--thinking", "full"]);
    assert!(!thinking.err.is_empty() && !thinking.out.contains(thinking.err.trim()));
    assert!(!thinking.err.contains('\x1b') && !thinking.out.contains('\x1b'), "no colour in a pipe");
}

#[test]
fn standard_input_is_the_context() {
    let sim = Sim::new();
    let mut child = sim.ask(&["Sum", "up"]).stdin(Stdio::piped()).spawn().unwrap();
    use std::io::Write as _;
    child.stdin.take().unwrap().write_all(b"a long text\n").unwrap();
    assert_eq!(Ran::from(child.wait_with_output().unwrap()).code, 0);
    let ran = Ran::from(sim.ask(&[]).output().unwrap());
    assert_eq!((ran.code, &*ran.out), (2, ""));
    assert!(ran.err.contains("nothing to ask"), "{}", ran.err);
    let mut child = sim.ask(&["x"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&[0xff, 0xfe]).unwrap();
    assert_eq!(Ran::from(child.wait_with_output().unwrap()).code, 2);
}

#[test]
fn without_key_and_address_the_embedded_simulator_answers() {
    let ran = run(&["ask", "--pace", "instant", "Say hello"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("simulator"), "{}", ran.out);
    assert_eq!(ran.err.lines().count(), 1);
    assert!(ran.err.contains("embedded simulator"), "{}", ran.err);
    let quiet = run(&["ask", "--pace", "instant", "--sim", "Say hello"]);
    assert_eq!((&*quiet.out, &*quiet.err), (&*ran.out, ""));
}

#[test]
fn ctrl_c_keeps_the_part_and_stops_the_service() {
    let pace: Pace = "instant,tps=30".parse().unwrap();
    let sim = Sim::with(Simulator::builder().pace(pace));
    let mut child = sim.ask(&MODEL).arg("Write 800 words on the sea").spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut first = [0; 1];
    out.read_exact(&mut first).unwrap();
    signal(&child, "INT");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let ran = child.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(130));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(said, "perennial: interrupted; the answer above is a part\n");
    let left = sim.handle.journal().wait_for(perennial_sim::Entry::is_over);
    let entry = sim.runtime.block_on(async { tokio::time::timeout(PATIENCE, left).await.unwrap() });
    assert_eq!(entry.outcome, Outcome::ClientLeft);
}

#[test]
fn a_reader_that_leaves_stops_the_service_in_silence() {
    let pace: Pace = "instant,tps=200".parse().unwrap();
    let sim = Sim::with(Simulator::builder().pace(pace));
    for form in ["--sse", "--events", "-q"] {
        sim.handle.journal().clear();
        let mut child = sim.ask(&MODEL).args([form, "Write 3000 words on the sea"]).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        drop(out);
        let ran = child.wait_with_output().unwrap();
        assert_eq!(ran.status.code(), Some(141), "{form}");
        assert_eq!(String::from_utf8(ran.stderr).unwrap(), "", "{form}");
        let left = sim.handle.journal().wait_for(perennial_sim::Entry::is_over);
        let entry = sim.runtime.block_on(async { tokio::time::timeout(PATIENCE, left).await.unwrap() });
        assert_eq!(entry.outcome, Outcome::ClientLeft, "{form}");
    }
}

/// `script` gives the command a terminal; it is part of every Linux.
#[cfg(target_os = "linux")]
#[test]
fn nothing_that_is_said_moves_the_cursor_of_a_terminal() {
    let sim = Sim::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let raw = ": \x1b]0;title\x07\n\nevent: odd\ndata: \"\u{9b}31mred\"\n\n";
    std::fs::write(file.path(), raw).unwrap();
    let binary = env!("CARGO_BIN_EXE_perennial");
    let orders = "perennial-sim: answer=a%1B]0%3Btitle%07b%C2%9B31mred";
    let ask = format!("{binary} ask -q -m claude-opus-4-6 --base-url {} -H '{orders}'", sim.handle.url());
    for (command, part) in [
        (format!("{ask} hi"), "31mred"),
        (format!("{ask} --no-stream hi"), "31mred"),
        (format!("{ask} --json hi"), "31mred"),
        (format!("{ask} --events hi"), "31mred"),
        (format!("{ask} --sse hi"), "31mred"),
        (format!("{binary} decode --events {}", file.path().display()), "31mred"),
    ] {
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").env("ANTHROPIC_API_KEY", "sk-ant");
        let Ok(ran) = script.stdin(Stdio::null()).output() else {
            println!("skipped: `script` is not here");
            return;
        };
        let shown = String::from_utf8(ran.stdout).unwrap();
        assert!(shown.contains(part), "{command}: {shown:?}");
        let harms = |c: char| c.is_control() && c != '\n' && c != '\r';
        assert!(!shown.contains(harms), "{command}: {shown:?}");
    }
}

#[test]
fn the_share_of_the_cache_is_said() {
    let sim = Sim::new();
    let system = format!(
        r#"system=[{{"type":"text","text":"{}","cache_control":{{"type":"ephemeral"}}}}]"#,
        "Be brief and kind. ".repeat(600)
    );
    let asked = |_| -> Ran { sim.ask(&["-u", "-o", &system, "Hi"]).output().unwrap().into() };
    let [first, second] = [1, 2].map(asked);
    assert!(first.err.contains(" written to cache)") && !first.err.contains("% from cache"), "{}", first.err);
    let (_, share) = second.err.split_once(" in (").unwrap_or_else(|| panic!("{}", second.err));
    let share: u32 = share.split(" % from cache").next().unwrap().parse().unwrap();
    assert!((95..=100).contains(&share), "{}", second.err);
}

#[test]
fn a_long_silence_is_one_line_that_says_what_to_do() {
    let sim = Sim::new();
    let orders = "perennial-sim: stall@event=4; answer=One two three";
    let mut child = sim.ask(&["-m", "claude-opus-4-6", "-H", orders, "Hi"]).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = said.next().unwrap();
    assert!(
        line.starts_with("perennial: nothing for 15 s") && line.ends_with("; Ctrl-C keeps what came"),
        "{line}"
    );
    signal(&child, "INT");
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out.starts_with("One")), (130, true), "{}", ran.out);
}

#[test]
fn a_thought_that_is_interrupted_is_no_part_of_an_answer() {
    let pace: Pace = "instant,tps=10".parse().unwrap();
    let sim = Sim::with(Simulator::builder().pace(pace));
    let mut child = sim.ask(&["--thinking", "full", "Why is the sky blue?"]).spawn().unwrap();
    let mut err = child.stderr.take().unwrap();
    err.read_exact(&mut [0; 5]).unwrap();
    signal(&child, "INT");
    let mut said = String::new();
    err.read_to_string(&mut said).unwrap();
    let ran = child.wait_with_output().unwrap();
    assert_eq!((ran.status.code(), &*ran.stdout), (Some(130), &b""[..]));
    assert!(said.ends_with("perennial: interrupted before the answer began\n"), "{said}");
}
