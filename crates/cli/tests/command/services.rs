//! `perennial serve` and `perennial sim`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::rig::{Ran, Service, Sim, perennial, run};

/// One request over a socket of its own; gives the answer as it came.
pub(crate) fn request(url: &str, head: &str, body: &str) -> String {
    let mut answer = String::new();
    send(url, head, body).read_to_string(&mut answer).unwrap();
    answer
}

/// One request over a socket of its own.
pub(crate) fn send(url: &str, head: &str, body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let request = format!(
        "{head} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nanthropic-version: 2026-10-21\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).unwrap();
    socket
}

pub(crate) const STREAM: &str = "{\"model\":\"claude-opus-4-6\",\"max_tokens\":100,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Say hello\"}]}";

#[test]
fn one_line_says_where_and_nothing_else_is_printed() {
    for command in ["sim", "serve"] {
        let service =
            Service::start(&mut perennial(&[command, "--listen", "127.0.0.1:0", "--pace", "instant"]));
        assert!(service.line.starts_with("listening on http://127.0.0.1:") && service.line.ends_with('\n'));
        service.signal("TERM");
        let mut service = service;
        let mut rest = String::new();
        service.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        let (code, said) = service.end();
        assert_eq!(code, 0, "{said}");
        assert_eq!(said.contains("embedded simulator"), command == "serve", "{said}");
    }
}

#[test]
fn serve_works_with_nothing() {
    // Empty variables, as container files set them, are nothing too.
    let mut serve = perennial(&["serve", "--listen", "127.0.0.1:0", "--pace", "instant"]);
    for name in ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "PERENNIAL_CLIENT_KEYS"] {
        serve.env(name, "");
    }
    let service = Service::start(&mut serve);
    let streamed = request(&service.url, "POST /v1/messages?beta=true", STREAM);
    assert!(streamed.starts_with("HTTP/1.1 200 OK\r\n"), "{streamed}");
    assert!(streamed.contains("event: message_stop"), "{streamed}");
    let message = request(&service.url, "POST /v1/messages", &STREAM.replace("true", "false"));
    assert!(message.contains("\"stop_reason\":\"end_turn\""), "{message}");
}

#[test]
fn recordings_are_served_through_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    // Whole, since a gateway mends what is not.
    let body = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\
        \"role\":\"assistant\",\"model\":\"replay:one\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n\
        event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    std::fs::write(folder.path().join("one.sse"), body).unwrap();
    let folder = folder.path().to_str().unwrap();
    for command in ["sim", "serve"] {
        let service = Service::start(&mut perennial(&[
            command,
            "--listen",
            "127.0.0.1:0",
            "--pace",
            "instant",
            "--replay",
            folder,
        ]));
        let mut question = STREAM.replace("claude-opus-4-6", "replay:one");
        let key = "POST /v1/messages?x HTTP/1.1\r\nx-api-key: k\r\nx-rest:";
        let answer = request(&service.url, key, &question);
        assert!(answer.contains(body), "{command}: {answer}");
        question = question.replace("replay:one", "replay:two");
        assert!(request(&service.url, key, &question).contains("no such recording"), "{command}");
    }
}

#[test]
fn serve_asks_the_upstream_that_it_is_given() {
    let sim = Sim::new();
    let service = Service::start(
        perennial(&["serve", "--listen", "127.0.0.1:0", "--upstream", &sim.handle.url()])
            .env("ANTHROPIC_API_KEY", "sk-ant-secret-key")
            .env("PERENNIAL_CLIENT_KEYS", "one,two"),
    );
    assert!(request(&service.url, "POST /v1/messages", STREAM).starts_with("HTTP/1.1 401 "));
    let answer =
        request(&service.url, "POST /v1/messages HTTP/1.1\r\nauthorization: Bearer two\r\nx-rest:", STREAM);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(sim.handle.journal().entries().len(), 1);
    service.signal("INT");
    let (code, said) = service.end();
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("secret-key") && !said.contains("embedded"), "{said}");
}

#[test]
fn what_cannot_be_is_said_before_anything_listens() {
    for (arguments, code, part) in [
        (&["serve", "--listen", "0.0.0.0:0"][..], 3, "set client keys"),
        (&["serve", "--listen", "nowhere"], 2, "--listen"),
        (&["serve", "--upstream", "ftp://x", "--listen", "127.0.0.1:0"], 3, "http://"),
        (&["serve", "--listen", "localhost"], 2, "HOST:PORT"),
        (&["serve", "--ping", "0"], 2, "above 0"),
        (&["serve", "--replay", "/nowhere/at/all"], 3, "/nowhere/at/all"),
        (&["sim", "--replay", "/nowhere/at/all"], 3, "/nowhere/at/all"),
        (&["sim", "--pace", "fast"], 2, "real|instant"),
        (&["sim", "--orders", "nonsense"], 3, "nonsense"),
        (&["sim", "--scenario", "/nowhere/at/all"], 3, "/nowhere/at/all"),
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, &*ran.out), (code, ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(part), "{arguments:?}: {}", ran.err);
    }
    // The address of a client is not taken for that of an upstream, or every request would go in circles.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut itself = perennial(&["serve", "--listen", &format!("localhost:{}", free.port())]);
    let itself = Ran::from(itself.env("ANTHROPIC_BASE_URL", format!("http://{free}")).output().unwrap());
    assert_eq!((itself.code, &*itself.out), (3, ""));
    assert!(itself.err.contains("this gateway itself"), "{}", itself.err);
    let taken = Service::start(&mut perennial(&["sim", "--listen", "127.0.0.1:0"]));
    let ran = run(&["sim", "--listen", taken.url.strip_prefix("http://").unwrap()]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("--listen"), "{}", ran.err);
}

#[test]
fn a_stream_outlives_the_signal_and_a_second_signal_does_not_wait() {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--pace", "instant,tps=20", "--drain", "600"];
    let service = Service::start(&mut perennial(&arguments));
    let url = service.url.clone();
    let (begun, wait) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nanthropic-version: 2026-10-21\r\ncontent-length: {}\r\n\r\n{STREAM}",
            STREAM.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = vec![0; 1];
        socket.read_exact(&mut answer).unwrap();
        begun.send(()).unwrap();
        socket.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    });
    wait.recv().unwrap();
    service.signal("TERM");
    let (code, said) = service.end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("stopping"), "{said}");
    assert!(reader.join().unwrap().contains("event: message_stop"), "the stream was not cut");

    let service =
        Service::start(&mut perennial(&["serve", "--listen", "127.0.0.1:0", "--orders", "stall@event=1"]));
    let mut socket = TcpStream::connect(service.url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nanthropic-version: 2026-10-21\r\ncontent-length: {}\r\n\r\n{STREAM}",
        STREAM.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.read_exact(&mut [0; 1]).unwrap();
    service.signal("TERM");
    // The first is heard when the line stands on standard error.
    let mut service = service;
    let mut errors = std::io::BufReader::new(service.child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("stopping") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut errors, &mut line).unwrap() > 0, "it ended without a word");
    }
    service.signal("TERM");
    assert_eq!(service.child.wait().unwrap().code(), Some(130));
}

#[cfg(target_os = "linux")]
#[test]
fn the_usual_limit_on_open_files_is_none_of_ours() {
    for name in ["serve", "sim"] {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -Sn 64; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_perennial"), name]);
        shell
            .args(["--listen", "127.0.0.1:0"])
            // The folder of whoever runs this is not for tests.
            .env("PERENNIAL_DURABILITY", "memory")
            .env_remove("ANTHROPIC_BASE_URL")
            .env_remove("ANTHROPIC_API_KEY");
        let service = Service::start(shell.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", service.child.id())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[3], words[4], "{name}: soft and hard are one: {line}");
    }
}

/// How soon that is the benchmarks say; here it waits for nothing that it has not been asked for, not even an upstream that never answers.
#[test]
fn the_first_line_waits_for_no_upstream() {
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let began = Instant::now();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--upstream", &url];
    let service = Service::start(perennial(&arguments).env("ANTHROPIC_API_KEY", "sk-ant-secret-key"));
    println!("serve listens after {:?}", began.elapsed());
    assert!(request(&service.url, "GET /healthz", "").starts_with("HTTP/1.1 200 "));
}
