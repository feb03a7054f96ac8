//! `perennial attach` and `perennial tail`, of a gateway that runs.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout};

use serde_json::Value;

use crate::door::{Door, Shut};
use crate::rig::{Ran, Service, Sim, perennial, run, signal};
use crate::services::{STREAM, request};

/// Slow enough to come to in the middle.
const PACE: &str = "ttft=10ms,tps=150,jitter=0,burst=1";

fn serve(pace: &str) -> Service {
    Service::start(&mut perennial(&["serve", "--listen", "127.0.0.1:0", "--pace", pace]))
}

/// A simulator, a door behind which most of each answer waits, and a gateway.
fn held() -> (Sim, Door, Service) {
    let sim = Sim::new();
    let door = sim.runtime.block_on(Door::before(&sim.handle.url(), Shut::Events(12)));
    let mut serve = perennial(&["serve", "--listen", "127.0.0.1:0", "--upstream", &door.url]);
    let service = Service::start(serve.env("ANTHROPIC_API_KEY", "sk-ant-secret-key"));
    (sim, door, service)
}

/// Starts a stream that nobody reads, and gives its name.
fn start(service: &Service) -> String {
    let answer =
        request(&service.url, "POST /v1/streams", &STREAM.replace("Say hello", "Tell me about tides"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201"), "{answer}");
    // The body may come in chunks; the object is one of them.
    let object = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
    serde_json::from_str::<Value>(object).unwrap()["id"].as_str().unwrap().to_owned()
}

struct Attached {
    child: Child,
    out: BufReader<ChildStdout>,
    came: Vec<u8>,
}

impl Attached {
    fn new(service: &Service, id: &str) -> Self {
        let mut child = perennial(&["attach", id, "--url", &service.url]).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, came: Vec::new() }
    }

    /// Waits until so much has come.
    fn wait_for(&mut self, bytes: usize) {
        while self.came.len() < bytes {
            let piece = self.out.fill_buf().unwrap();
            assert!(!piece.is_empty(), "it ended: {}", String::from_utf8_lossy(&self.came));
            self.came.extend_from_slice(piece);
            let read = piece.len();
            self.out.consume(read);
        }
    }

    fn end(mut self) -> (i32, String) {
        self.out.read_to_end(&mut self.came).unwrap();
        (self.child.wait().unwrap().code().unwrap(), String::from_utf8(self.came).unwrap())
    }
}

#[test]
fn t14_one_stream_in_several_terminals_is_the_same_in_all_of_them() {
    let (_sim, door, service) = held();
    let id = start(&service);
    let mut first = Attached::new(&service, &id);
    first.wait_for(20);
    // In the middle of it.
    let running = request(&service.url, &format!("GET /v1/streams/{id}"), "");
    assert!(running.contains("\"state\":\"running\""), "{running}");
    let second = Attached::new(&service, &id);
    door.open();
    let (first, second) = (first.end(), second.end());
    assert_eq!(first, second);
    assert_eq!(first.0, 0);
    // One that comes after the end gets it as well, and it is what the gateway has.
    let late = run(&["attach", &id, "--url", &service.url]);
    assert_eq!((late.code, &late.out), (0, &first.1));
    let message = run(&["attach", &id, "--url", &service.url, "--json"]);
    let message: Value = serde_json::from_str(&message.out).unwrap();
    assert_eq!(format!("{}\n", message["content"][0]["text"].as_str().unwrap()), first.1);
}

#[test]
fn a_gateway_that_is_killed_and_started_again_is_no_end() {
    let data = tempfile::tempdir().unwrap();
    let serve = |listen: &str| {
        let mut command = perennial(&["serve", "--listen", listen, "--pace", PACE]);
        command.arg("--data").arg(data.path()).env("PERENNIAL_DURABILITY", "process");
        Service::start(&mut command)
    };
    let service = serve("127.0.0.1:0");
    let address = service.url.strip_prefix("http://").unwrap().to_owned();
    let id = start(&service);
    let mut reader = Attached::new(&service, &id);
    reader.wait_for(30);
    // Without a word: `Drop` is SIGKILL.
    drop(service);
    let service = serve(&address);
    let (code, text) = reader.end();
    let late = run(&["attach", &id, "--url", &service.url]);
    assert_eq!((code, &text), (late.code, &late.out), "{}", late.err);
    assert!(text.len() > 30, "{text}");
}

#[test]
fn every_form_of_a_stream_is_there() {
    let service = serve("instant");
    let id = start(&service);
    let text = run(&["attach", &id, "--url", &service.url]).out;
    let sse = run(&["attach", &id, "--sse", "--url", &service.url]);
    assert!(sse.out.contains("event: message_stop\n"), "{}", sse.out);
    let decoded = crate::rig::run_with_input(&["decode", "--text"], sse.out.as_bytes());
    assert_eq!(decoded.out, text);
    let events = run(&["attach", &id, "--events", "--url", &service.url]);
    let first: Value = serde_json::from_str(events.out.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "message_start");
    // Laid out as `ask` would, if that is wanted.
    let laid = run(&["attach", &id, "--color", "always", "--wrap", "40", "--url", &service.url]).out;
    let shown = laid.split("\x1b[").map(|part| part.split_once('m').map_or(part, |(_, text)| text));
    let shown: String = shown.collect();
    assert!(laid.contains("\x1b[") && shown.lines().all(|line| line.chars().count() <= 40), "{laid}");
    assert!(text.lines().any(|line| line.chars().count() > 40), "{text}");
    // By a link, with the right that is in it and nothing else.
    let answer = request(
        &service.url,
        &format!("POST /v1/streams/{id}/links"),
        "{\"scope\":\"read\",\"expires_in\":60}",
    );
    let link = answer.split("\"url\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(run(&["attach", &format!("{}{link}", service.url)]).out, text);
}

#[test]
fn leaving_a_stream_leaves_it_alone() {
    let (_sim, door, service) = held();
    let id = start(&service);
    let mut reader = Attached::new(&service, &id);
    reader.wait_for(10);
    signal(&reader.child, "INT");
    assert_eq!(reader.end().0, 130);
    door.open();
    let (code, whole) = Attached::new(&service, &id).end();
    assert_eq!(code, 0);
    assert!(whole.len() > 60, "{whole}");
}

#[test]
fn a_stream_that_was_stopped_or_is_not_there_is_said_to_be() {
    let (_sim, _door, service) = held();
    let id = start(&service);
    let mut reader = Attached::new(&service, &id);
    reader.wait_for(4);
    request(&service.url, &format!("POST /v1/streams/{id}/cancel"), "");
    assert_eq!(reader.end().0, 1);
    let ran = run(&["attach", &id, "--url", &service.url]);
    assert!(ran.err.contains("cancelled"), "{}", ran.err);
    let none = run(&["attach", "strm_01900000000070008000000000000000", "--url", &service.url]);
    assert_eq!((none.code, &*none.out), (1, ""), "{}", none.err);
    assert_eq!(run(&["attach", "nonsense"]).code, 2);
}

#[test]
fn streams_are_told_of_as_they_begin_and_end() {
    let (_sim, door, service) = held();
    let earlier = start(&service);
    let mut tail = perennial(&["tail", "--text", "--url", &service.url]).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines().map(Result::unwrap);
    // What ran already is told of first.
    assert!(lines.next().unwrap().ends_with(&format!("{earlier}  begun  claude-opus-4-6")));
    let later = start(&service);
    door.open();
    let mut seen = Vec::new();
    while seen.iter().filter(|line: &&String| line.contains("  completed  ")).count() < 2 {
        seen.push(lines.next().unwrap());
    }
    signal(&tail, "INT");
    assert_eq!(tail.wait().unwrap().code(), Some(130));
    for id in [&earlier, &later] {
        let name = format!("[{}] ", &id[id.len() - 6..]);
        let said: String =
            seen.iter().filter_map(|line| line.strip_prefix(&name)).collect::<Vec<_>>().join(" ");
        let whole = run(&["attach", id, "--url", &service.url]).out;
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&said), words(&whole), "{seen:#?}");
        let end = seen.iter().position(|line| line.contains(&format!("{id}  completed  "))).unwrap();
        assert!(seen[end].contains(" in, ") && seen[end].ends_with(" out"), "{}", seen[end]);
        // Nothing of it comes after its end.
        assert!(seen[end..].iter().all(|line| !line.starts_with(&name)), "{seen:#?}");
    }
    assert!(seen.iter().any(|line| line.contains(&format!("{later}  begun"))), "{seen:#?}");
}

#[test]
fn a_tail_in_json_is_a_line_for_each_thing() {
    let (_sim, door, service) = held();
    let running = start(&service);
    let mut tail = perennial(&["tail", "--json", "--url", &service.url]).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap()).unwrap();
    let first = next();
    assert_eq!((&first["event"], &first["stream"]), (&Value::from("begun"), &Value::from(running.clone())));
    // One that is stopped at once, maybe before it is looked at: it is told of all the same.
    let id = start(&service);
    request(&service.url, &format!("POST /v1/streams/{id}/cancel"), "");
    door.open();
    let mut seen: Vec<Value> = Vec::new();
    while seen.len() < 3 {
        seen.push(next());
    }
    tail.kill().unwrap();
    tail.wait().unwrap();
    let of = |stream: &str| -> Vec<_> {
        let lines = seen.iter().filter(|line| line["stream"] == stream);
        lines.map(|line| (line["event"].as_str().unwrap(), line["state"].as_str())).collect()
    };
    assert_eq!(of(&id), [("begun", None), ("ended", Some("cancelled"))]);
    assert_eq!(of(&running), [("ended", Some("completed"))]);
    let nobody = Ran::from(perennial(&["tail", "--url", "http://127.0.0.1:1"]).output().unwrap());
    assert_eq!(nobody.code, 5, "{}", nobody.err);
}
