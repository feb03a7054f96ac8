//! `perennial chat` where a gateway answers: the gateway keeps the conversation, and every other face of it has the same one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use perennial_sim::{Pace, Scenario, Simulator};
use serde_json::Value;

use crate::rig::{Kept, Ran, Service, Sim, perennial, run, signal};
use crate::services::request;

/// Slow enough to come to in the middle.
const PACE: &str = "ttft=10ms,tps=60,jitter=0,burst=1";

fn serve(pace: &str) -> Service {
    serving(&["--pace", pace])
}

/// Its answers last longer than any test needs to stop them.
fn serve_long() -> Service {
    serving(&["--pace", PACE, "--orders", "tokens=10000"])
}

fn serving(arguments: &[&str]) -> Service {
    let mut command = perennial(&["serve", "--listen", "127.0.0.1:0"]);
    command.args(arguments);
    // It keeps conversations as long as it runs.
    Service::start(command.env("PERENNIAL_DURABILITY", "memory"))
}

/// What the gateway has there.
fn get(service: &Service, path: &str) -> Value {
    let answer = request(&service.url, &format!("GET {path}"), "");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(&body[body.find('{').unwrap()..=body.rfind('}').unwrap()]).unwrap()
}

/// The conversation that was changed last.
fn last(service: &Service) -> Value {
    let listed = get(service, "/v1/conversations");
    get(service, &format!("/v1/conversations/{}", listed["data"][0]["id"].as_str().unwrap()))
}

fn text(turn: &Value) -> &str {
    turn["content"].as_array().unwrap().iter().find_map(|block| block["text"].as_str()).unwrap_or_default()
}

/// A chat that has begun, and what it has said on standard output.
struct Chat {
    child: Child,
    out: BufReader<ChildStdout>,
    said: String,
}

impl Chat {
    fn begin(kept: &Kept, service: &Service, arguments: &[&str], lines: &str) -> Self {
        Self::begin_at(kept, &service.url, arguments, lines)
    }

    fn begin_at(kept: &Kept, url: &str, arguments: &[&str], lines: &str) -> Self {
        let all = [&["chat", "--base-url", url], arguments].concat();
        let mut child = kept.command(&all).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, said: String::new() }
    }

    /// Waits for so much of an answer.
    fn wait_for(&mut self, bytes: usize) {
        while self.said.len() < bytes {
            let mut piece = [0; 16];
            let read = self.out.read(&mut piece).unwrap();
            assert_ne!(read, 0, "{}", self.said);
            self.said.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
    }

    fn end(mut self) -> Ran {
        drop(self.child.stdin.take());
        self.out.read_to_string(&mut self.said).unwrap();
        let ran = Ran::from(self.child.wait_with_output().unwrap());
        Ran { out: self.said, ..ran }
    }
}

fn chat(kept: &Kept, service: &Service, arguments: &[&str], lines: &str) -> Ran {
    Chat::begin(kept, service, arguments, lines).end()
}

#[test]
fn what_is_said_is_kept_by_the_gateway_and_nowhere_else() {
    let (service, kept) = (serve("instant"), Kept::new());
    let saved = kept.folder.path().join("x.json");
    let lines = format!(
        "My name is Ada.\n/open\nWhat is my name?\n/retry\n/branch\n/branch 1\n/usage\n/save {}\n/system Be brief\n/model claude-opus-5-5\nGo on\n",
        saved.display()
    );
    let ran = chat(&kept, &service, &["-m", "claude-haiku-5-5"], &lines);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let there = last(&service);
    let turns = there["turns"].as_array().unwrap();
    let parents: Vec<_> =
        turns.iter().map(|turn| turns.iter().position(|other| other["id"] == turn["parent"])).collect();
    assert_eq!(parents, [None, Some(0), Some(1), Some(2), Some(2), Some(3), Some(5)]);
    assert!(text(&turns[3]).contains("Ada") && ran.out.contains(text(&turns[3])), "{}", ran.out);
    assert_eq!((&there["system"], &there["model"]), (&"Be brief".into(), &"claude-opus-5-5".into()));
    assert_eq!(
        (&turns[1]["model"], &turns[6]["model"]),
        (&"claude-haiku-5-5".into(), &"claude-opus-5-5".into())
    );
    let page = format!("{}/c/{}", service.url, there["id"].as_str().unwrap());
    for part in [
        &*format!("the gateway at {} answers, by its simulator, and keeps what is said", service.url),
        &*format!("the same in a browser: {page}"),
        &*format!("in another terminal: perennial attach {page}"),
        "* 2  What is my name? -> ",
        "3 answers; tokens: ",
        "cost nothing (simulated)",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    let document: Value = serde_json::from_str(&std::fs::read_to_string(&saved).unwrap()).unwrap();
    assert_eq!(document["type"], "perennial_conversations");
    assert!(!kept.file.exists(), "the history of this terminal has nothing of it");

    // From anywhere else: by its page, by its id, by a chat that goes on with it.
    assert_eq!(run(&["attach", &page]).out.trim_end(), text(&turns[6]).trim_end());
    let id = there["id"].as_str().unwrap();
    let explained = run(&["explain", id, "--url", &service.url]);
    assert!(explained.out.contains("claude-opus-5-5"), "{} {}", explained.out, explained.err);
    let ran =
        chat(&kept, &service, &[], &format!("/chats\n/chats {}\n/system\n/chats nonsense\n", &id[..20]));
    for part in ["My name is Ada.", "user: Go on", "Be brief", "there is no conversation `nonsense`"] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    let ran = chat(&kept, &service, &["-c"], "And what is my name?\n");
    assert!(
        ran.err.contains(&format!("going on with {id}")) && ran.out.contains("Ada"),
        "{} {}",
        ran.out,
        ran.err
    );
}

#[test]
fn a_chat_that_is_killed_leaves_its_answer_to_the_gateway_and_finds_it_again() {
    let (service, kept) = (serve(PACE), Kept::new());
    let mut first = Chat::begin(&kept, &service, &[], "Tell me about tides in detail\n");
    first.wait_for(40);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert_ne!(last(&service)["turns"][1]["state"], "cancelled");
    let ran = chat(&kept, &service, &["-c"], "/usage\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let there = last(&service);
    assert_eq!(there["turns"][1]["state"], "completed");
    let whole = text(&there["turns"][1]);
    assert_eq!(ran.out.trim_end(), whole.trim_end());
    assert!(whole.starts_with(&first.said), "{:?}", first.said);
}

#[test]
fn an_answer_that_was_asked_for_on_the_page_stands_before_the_next_question() {
    let (service, kept) = (serve(PACE), Kept::new());
    let mut chat = Chat::begin(&kept, &service, &["-H", "perennial-sim: pace=instant"], "Hi\n/usage\n");
    let mut said = BufReader::new(chat.child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.starts_with("1 answer;")));
    let id = last(&service)["id"].as_str().unwrap().to_owned();
    let asked = request(
        &service.url,
        &format!("POST /v1/conversations/{id}/turns"),
        r#"{"content":"Tell me about tides in detail"}"#,
    );
    assert!(asked.contains("\"running\""), "{asked}");
    chat.child.stdin.as_mut().unwrap().write_all(b"What did I ask?\n").unwrap();
    drop(chat.child.stdin.take());
    chat.out.read_to_string(&mut chat.said).unwrap();
    assert_eq!(chat.child.wait().unwrap().code(), Some(0));
    let there = last(&service);
    let answers: Vec<&str> = [1, 3, 5].map(|at| text(&there["turns"][at]).trim_end()).to_vec();
    assert_eq!(chat.said.trim_end(), answers.join("\n"));
    assert_eq!(there["turns"][4]["parent"], there["turns"][3]["id"]);
}

#[test]
fn what_the_tools_of_the_gateway_lead_to_is_shown_too() {
    let (service, kept) = (serve("instant"), Kept::new());
    let made = request(
        &service.url,
        "POST /v1/conversations",
        r#"{"model":"claude-haiku-5-5","settings":{"tools":["calculator"]}}"#,
    );
    assert!(made.starts_with("HTTP/1.1 201"), "{made}");
    let question = "What is 12 * 34? Use the calculator.\n/usage\n";
    let ran = chat(&kept, &service, &["-c"], question);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let there = last(&service);
    let turns = there["turns"].as_array().unwrap();
    let (steps, by): (Vec<_>, Vec<_>) =
        turns.iter().map(|turn| (turn["state"].as_str(), &turn["by"])).unzip();
    assert_eq!(by, [&Value::Null, &Value::Null, &Value::from("tools"), &Value::Null], "{turns:?}");
    assert!(steps.iter().all(|state| *state == Some("completed")), "{turns:?}");
    // The call is a line, the answer behind it is the answer, and nobody is told to run the tool.
    assert!(ran.err.contains("tool calculator") && !ran.err.contains("wants a tool run"), "{}", ran.err);
    assert!(
        ran.out.trim_end().ends_with(text(&turns[3]).trim_end()) && ran.out.contains("408"),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("2 answers; tokens: "), "{}", ran.err);
    let id = there["id"].as_str().unwrap();
    assert!(ran.err.contains(&format!("going on with {id}\n")), "{}", ran.err);
}

#[test]
fn ctrl_c_stops_the_answer_there_too() {
    let (service, kept) = (serve_long(), Kept::new());
    let mut chat = Chat::begin(&kept, &service, &[], "Tell me about tides in detail\n");
    chat.wait_for(10);
    signal(&chat.child, "INT");
    let mut said = BufReader::new(chat.child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("stopped; what came is kept")));
    let there = last(&service);
    assert_eq!(there["turns"][1]["state"], "cancelled");
    assert!(text(&there["turns"][1]).starts_with(&chat.said), "{:?}", chat.said);
    drop(chat.child.stdin.take());
    assert_eq!(chat.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_ctrl_c_waits_for_nobody() {
    let (service, kept) = (serve_long(), Kept::new());
    let mut chat = Chat::begin(&kept, &service, &[], "Tell me about tides in detail\n");
    chat.wait_for(10);
    // Nobody hears there that the answer is to be stopped.
    service.signal("STOP");
    let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut pressed = 0;
    let ended = loop {
        signal(&chat.child, "INT");
        pressed += 1;
        // Signals that come before the one before was seen are one.
        clock.block_on(async { tokio::time::sleep(Duration::from_millis(200)).await });
        if let Some(ended) = chat.child.try_wait().unwrap() {
            break ended;
        }
        assert!(pressed < 600, "it waits for a gateway that does not answer");
    };
    service.signal("CONT");
    assert!(pressed >= 2, "the first one stops the answer only");
    assert_eq!(ended.code(), Some(130));
}

#[test]
fn an_answer_that_somebody_else_stops_is_said_to_be_stopped() {
    let (service, kept) = (serve_long(), Kept::new());
    let mut chat = Chat::begin(&kept, &service, &[], "Tell me about tides in detail\n");
    chat.wait_for(10);
    let there = last(&service);
    let (id, turn) = (there["id"].as_str().unwrap(), there["turns"][1]["id"].as_str().unwrap());
    request(&service.url, &format!("POST /v1/conversations/{id}/turns/{turn}/stop"), "");
    let ran = chat.end();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("somebody asked to stop") && !ran.err.contains("--recover"), "{}", ran.err);
}

#[test]
fn what_nobody_is_to_keep_or_no_conversation_can_have_is_asked_as_of_any_service() {
    let (service, kept) = (serve("instant"), Kept::new());
    for arguments in [&["-n"][..], &["-m", "claude-haiku-4-5", "-o", "stop_sequences=[\"never\"]"]] {
        let ran = chat(&kept, &service, arguments, "Hi\n/open\n");
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(
            !ran.out.is_empty() && ran.err.contains("is kept in this terminal and has no page"),
            "{}",
            ran.err
        );
    }
    assert_eq!(get(&service, "/v1/conversations")["data"], Value::Array(Vec::new()));
    assert_eq!(kept.ids().len(), 1, "the second one is in the history of this terminal");
}

#[test]
fn a_key_that_the_gateway_does_not_know_is_said() {
    let service = Service::start(
        perennial(&["serve", "--listen", "127.0.0.1:0", "--pace", "instant"])
            .env("PERENNIAL_CLIENT_KEYS", "one"),
    );
    let kept = Kept::new();
    let with = |key: &str| {
        let mut command = kept.command(&["chat", "--base-url", &service.url]);
        let mut child = command.env("ANTHROPIC_API_KEY", key).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"Hi\n").unwrap();
        Ran::from(child.wait_with_output().unwrap())
    };
    assert!(!with("one").out.is_empty());
    let refused = with("two");
    assert_eq!(refused.out, "");
    assert!(refused.err.contains("ANTHROPIC_API_KEY"), "{}", refused.err);
}

#[test]
fn the_tools_of_the_gateway_are_switched_on_and_off() {
    let (service, kept) = (serve("instant"), Kept::new());
    let lines =
        "/tools\n/tools on nonsense\n/tools on calculator\nWhat is 12 * 34? Use the calculator.\n/tools\n";
    let ran = chat(&kept, &service, &["-m", "claude-haiku-5-5"], lines);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for part in [
        "\n  calculator  ",
        "there is no tool `nonsense`; /tools lists what there is",
        "tools from now on: calculator",
        "tool calculator",
        "\n* calculator  ",
        "\n  fetch       ",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(ran.out.contains("408"), "{}", ran.out);
    let there = last(&service);
    assert_eq!(there["settings"]["tools"], serde_json::json!(["calculator"]));
    // A conversation that is there is changed, and keeps what else is set.
    let id = there["id"].as_str().unwrap();
    let body = r#"{"settings":{"tools":["clock"],"max_tokens":77}}"#;
    request(&service.url, &format!("PATCH /v1/conversations/{id}"), body);
    let ran =
        chat(&kept, &service, &["-c"], "/tools on fetch search\n/tools off clock,fetch\n/tools nonsense\n");
    assert!(
        ran.err.contains("tools from now on: search") && ran.err.contains("`/tools on NAME`"),
        "{}",
        ran.err
    );
    let settings = last(&service)["settings"].clone();
    assert_eq!((&settings["tools"], &settings["max_tokens"]), (&serde_json::json!(["search"]), &77.into()));
    let ran = chat(&kept, &service, &["-c"], "/tools on\n/tools off\n");
    assert!(ran.err.contains("there are no tools from now on"), "{}", ran.err);
    assert_eq!(last(&service)["settings"]["tools"], serde_json::json!([]));
    let ran = chat(&kept, &service, &["-n"], "/tools\n");
    assert!(ran.err.contains("only a gateway has tools"), "{}", ran.err);
}

/// What goes to a gateway: the first line of each request.
struct Lines {
    url: String,
    heard: std::sync::mpsc::Receiver<String>,
}

impl Lines {
    fn before(service: &Service) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let to = service.url.strip_prefix("http://").unwrap().to_owned();
        let (tell, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, tell) = (client.unwrap(), tell.clone());
                let server = TcpStream::connect(&to).unwrap();
                let (mut down, mut back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut back, &mut down));
                    drop(down.shutdown(Shutdown::Both));
                });
                std::thread::spawn(move || pass(client, server, &tell));
            }
        });
        Self { url, heard }
    }

    /// Waits for a request that begins so; gives those before it.
    fn until(&self, line: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let heard = self.heard.recv_timeout(Duration::from_secs(30));
            match heard.unwrap_or_else(|_| panic!("{line} never comes: {before:?}")) {
                heard if heard.starts_with(line) => return before,
                heard => before.push(heard),
            }
        }
    }
}

fn pass(mut client: TcpStream, mut server: TcpStream, tell: &std::sync::mpsc::Sender<String>) {
    let mut piece = [0; 16 * 1024];
    // Each request of the client's is written in one go, its body apart from it or not.
    while let Ok(count @ 1..) = client.read(&mut piece) {
        let text = String::from_utf8_lossy(&piece[..count]);
        if let Some((line, _)) = text.split_once(" HTTP/1.1\r\n") {
            drop(tell.send(line.to_owned()));
        }
        if server.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    drop(server.shutdown(Shutdown::Both));
}

#[test]
fn a_chat_is_told_what_becomes_of_tools_and_does_not_ask_again_and_again() {
    let page = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = page.local_addr().unwrap().to_string();
    let steps = format!(
        "[[step]]\ntext = \"I look.\"\ntools = [{{ name = \"fetch\", input = {{ url = \"http://{host}/\" }} }}]\n\
         [[step]]\ntext = \"It says hello.\"\n"
    );
    let sim =
        Sim::with(Simulator::builder().pace(Pace::instant()).scenario(Scenario::parse(&steps).unwrap()));
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--upstream", &sim.handle.url(), "--upstream-key", "k"];
    let service = Service::start(perennial(&arguments).args(["--fetch-host", &host]));
    let (lines, kept) = (Lines::before(&service), Kept::new());
    let chat = Chat::begin_at(&kept, &lines.url, &[], "/tools on fetch\nLook there.\n");
    let (mut socket, _) = page.accept().unwrap();
    // It hears of the answer's end, and then waits for what its tools lead to.
    lines.until("POST /v1/conversations/conv_");
    lines.until("GET /v1/conversations/events");
    lines.until("GET /v1/conversations/events");
    let hello =
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
    let _ = socket.read(&mut [0; 1024]).unwrap();
    socket.write_all(hello.as_bytes()).unwrap();
    let ran = chat.end();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("I look.") && ran.out.contains("It says hello."), "{}", ran.out);
    let looks = lines.heard.try_iter().filter(|line| line.starts_with("GET /v1/conversations/conv_")).count();
    assert!(looks <= 12, "it looked {looks} times");
}
