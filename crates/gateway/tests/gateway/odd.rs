//! Upstreams that answer with something else than the Messages API does.

use perennial_gateway::{Gateway, Handle, Recovery};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::rig::{Answer, MODEL, Rig, question, quick, receive};

/// A gateway to an upstream that gives `answer` to every request and closes the connection.
async fn gateway_to(answer: impl Into<Vec<u8>>) -> Handle {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                if socket.read_buf(&mut request).await.unwrap() == 0 {
                    break;
                }
            }
            socket.write_all(&answer).await.unwrap();
        }
    });
    Gateway::builder(url).recovery(Recovery::none()).clocks(quick()).build().unwrap().spawn().await.unwrap()
}

async fn ask(gateway: &Handle, stream: bool) -> Answer {
    // A redirect would be followed by the clients that are usual.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(format!("{}/v1/messages", gateway.url())).header("x-api-key", "sk-test");
    receive(request.body(question(MODEL, stream).to_string())).await
}

#[tokio::test]
async fn what_is_no_answer_is_a_502_that_says_what_came() {
    for (answer, parts) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\nhtml",
            &["200 with text/html:", "neither a stream of events nor JSON"][..],
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", &["200 with no content type:"]),
        ("HTTP/1.1 204 No Content\r\n\r\n", &["204 with no content type"]),
        (
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/v1/messages\r\ncontent-length: 0\r\n\r\n",
            &["redirects to another address"],
        ),
        ("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", &["answered 101"]),
        ("HTTP/1.1 200 OK\r\ncontent-", &["without an answer"]),
        ("SSH-2.0-Server\r\n", &["without an answer"]),
        ("", &["without an answer"]),
    ] {
        let gateway = gateway_to(answer).await;
        for stream in [true, false] {
            let got = ask(&gateway, stream).await;
            assert_eq!(got.status, 502, "{answer}: {}", got.text());
            assert_eq!(got.json()["error"]["type"], "api_error", "{answer}");
            for part in parts {
                assert!(got.text().contains(part), "{answer}: {}", got.text());
            }
        }
    }
}

#[tokio::test]
async fn a_compressed_stream_passes_but_cannot_be_folded() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n";
    let gateway = gateway_to([head.as_bytes(), b"\x1f\x8b\x08"].concat()).await;
    let passed = ask(&gateway, true).await;
    assert_eq!((passed.status, &*passed.body), (200, &b"\x1f\x8b\x08"[..]));
    let message = ask(&gateway, false).await;
    assert_eq!(message.status, 502);
    assert!(message.text().contains("compressed"), "{}", message.text());
}

#[tokio::test]
async fn an_error_page_keeps_its_status_and_its_words() {
    let gateway = gateway_to(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/html\r\nretry-after: 9\r\ncontent-length: 4\r\n\r\nbusy",
    )
    .await;
    for stream in [true, false] {
        let answer = ask(&gateway, stream).await;
        assert_eq!((answer.status, answer.text(), answer.header("retry-after")), (503, "busy", "9"));
    }
}

#[tokio::test]
async fn early_hints_come_before_the_answer_and_are_none() {
    let gateway = gateway_to(
        "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    )
    .await;
    let answer = ask(&gateway, true).await;
    assert_eq!((answer.status, answer.text()), (200, "{}"));
}

/// A failure inside a stream that was folded is the upstream's: its id finds it in the upstream's log, its limits say when to come again.
#[tokio::test]
async fn a_failed_message_keeps_the_upstreams_id_and_limits() {
    let rig = Rig::new().await;
    for orders in ["error=overloaded_error@event=6", "end@event=6"] {
        let answer = rig.ask(&question(MODEL, false), orders).await;
        assert!(answer.status >= 500, "{orders}");
        let asked = rig.sim.journal().entries().pop().unwrap();
        assert_eq!(answer.header("request-id"), asked.request_id, "{orders}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(!answer.header("anthropic-ratelimit-requests-remaining").is_empty(), "{orders}");
    }
}
