//! Clients that do not speak as they should: each gets an answer where one is possible, and a close, and costs nobody else anything.

use std::io::ErrorKind;
use std::time::Duration;

use perennial_gateway::Clocks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{MODEL, PATIENCE, Rig, question, quick, simulator};

/// Clocks of which one rings: two that may ring at once say nothing.
fn hasty(change: impl FnOnce(&mut Clocks)) -> Clocks {
    let mut clocks = quick();
    change(&mut clocks);
    clocks
}

const SOON: Duration = Duration::from_millis(300);

/// Writes this and reads until the gateway closes; it must, in time.
async fn say(rig: &Rig, words: &[u8]) -> String {
    let mut socket = TcpStream::connect(rig.gateway.address()).await.unwrap();
    // It may be closed before all is written.
    drop(socket.write_all(words).await);
    heard(&mut socket).await
}

async fn heard(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is a close too.
    drop(tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("it is closed"));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_is_no_http_gets_an_answer_and_a_close() {
    let rig = Rig::new().await;
    let long = "x".repeat(200_000);
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    for (words, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: many\r\n\r\n".to_owned(), "400"),
        ("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n".to_owned(), "400"),
        ("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]".to_owned(), "400"),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), "431"),
    ] {
        let answer = say(&rig, words.as_bytes()).await;
        let shown = &words[..words.len().min(60)];
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer}");
    }
    assert!(rig.sim.journal().entries().is_empty(), "nothing of it went up");
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let clocks = hasty(|clocks| clocks.header_read = SOON);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
    for words in ["", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nhost: localhost\r\n"] {
        let answer = say(&rig, words.as_bytes()).await;
        assert!(!answer.contains("200"), "{words:?}: {answer}");
    }
    // A byte now and then does not help.
    let mut socket = TcpStream::connect(rig.gateway.address()).await.unwrap();
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let dripped = async {
        for byte in b"GET /healthz HTTP/1.1\r\n".iter().chain(std::iter::repeat(&b'x')) {
            pace.tick().await;
            if socket.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, dripped).await.expect("it is closed although bytes come");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_with_408() {
    let clocks = hasty(|clocks| clocks.body_read = SOON);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\ncontent-length: 500\r\n\r\n{{\"model\""
        )
    };
    for path in ["/v1/messages", "/v1/streams", "/v1/messages/count_tokens"] {
        let answer = say(&rig, head(path).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("timeout_error"), "{path}: {answer}");
    }
    assert!(rig.sim.journal().entries().is_empty(), "nothing of it went up");
    // A byte now and then helps for as long as a whole body may take, and no longer.
    let clocks = hasty(|clocks| clocks.body = Duration::from_millis(1200));
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
    let mut socket = TcpStream::connect(rig.gateway.address()).await.unwrap();
    socket.write_all(head("/v1/messages").as_bytes()).await.unwrap();
    let (mut read, mut write) = socket.split();
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let mut answer = vec![0; 4096];
    let count = loop {
        tokio::select! {
            count = read.read(&mut answer) => break count.unwrap(),
            _ = pace.tick() => write.write_all(b" ").await.unwrap(),
        }
    };
    let answer = String::from_utf8_lossy(&answer[..count]);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("did not come within"), "{answer}");
    assert!(rig.sim.journal().entries().is_empty(), "nothing of it went up");
    assert!(rig.listed().await.is_empty(), "nothing of it was kept");
}

#[tokio::test]
async fn while_some_misbehave_others_are_served() {
    let rig = Rig::new().await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut socket = TcpStream::connect(rig.gateway.address()).await.unwrap();
        socket.write_all(b"POST /v1/messages HTTP/1.1\r\nhost:").await.unwrap();
        slow.push(socket);
    }
    let answer = rig.ask(&question(MODEL, true), "").await;
    assert!(answer.status == 200 && answer.text().contains("message_stop"));
    // They were there all the time: of one that was closed something would have been heard.
    for socket in slow {
        assert!(socket.try_read(&mut [0; 1]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    }
}
