//! The other paths, the limits, and the connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use perennial_gateway::{Gateway, Limits, MaxBodyBytes, MaxConnections};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{MODEL, PATIENCE, Rig, question, quick, receive, simulator};

#[tokio::test]
async fn what_is_no_message_is_passed_through() {
    let rig = Rig::new().await;
    let get = |base: String, path: &str| {
        receive(
            rig.http
                .get(format!("{base}{path}"))
                .header("x-api-key", "sk-test")
                .header("anthropic-version", "2026-10-21"),
        )
    };
    for path in ["/v1/models?limit=3", "/v1/models", "/v1/messages/batches", "/v1/models/claude-none"] {
        let direct = get(rig.sim.url(), path).await;
        let passed = get(rig.gateway.url(), path).await;
        assert_eq!(passed.status, direct.status, "{path}");
        let same = |answer: &crate::rig::Answer| answer.text().replace(answer.header("request-id"), "ID");
        assert_eq!(same(&passed), same(&direct), "{path}");
    }
    let count = rig
        .http
        .post(format!("{}/v1/messages/count_tokens", rig.gateway.url()))
        .header("x-api-key", "sk-test")
        .header("anthropic-version", "2026-10-21")
        .body(json!({"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}).to_string());
    assert!(receive(count).await.json()["input_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn the_gateways_own_paths() {
    let rig = Rig::new().await;
    let asked = rig.sim.journal().entries().len();
    for (method, path, status) in [
        ("HEAD", "/api/hello", 200),
        ("GET", "/api/hello", 200),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/v1/messages", 405),
        ("PUT", "/v1/messages/batches", 405),
        ("POST", "/", 405),
        ("POST", "/v1/complete", 404),
        ("POST", "/v1/v1/messages", 404),
    ] {
        let request = rig.http.request(method.parse().unwrap(), format!("{}{path}", rig.gateway.url()));
        let answer = receive(request).await;
        assert_eq!(answer.status, status, "{method} {path}");
        if status >= 400 {
            let body = answer.json();
            assert_eq!(body["type"], json!("error"), "{path}");
            assert_eq!(body["request_id"].as_str(), Some(answer.header("request-id")), "{path}");
            let message = body["error"]["message"].as_str().unwrap();
            assert!(message.contains(path), "{body}");
            assert_eq!(message.contains("without /v1"), path.starts_with("/v1/v1"), "{body}");
        }
    }
    assert_eq!(rig.sim.journal().entries().len(), asked, "none of them is the upstream's business");
}

#[tokio::test]
async fn a_person_is_told_what_this_is() {
    let key = |key: &str| perennial_gateway::Key::new(key).unwrap();
    for (gateway, shown) in [
        (Gateway::builder("http://127.0.0.1:1"), "x-api-key: $ANTHROPIC_API_KEY"),
        (Gateway::builder("http://127.0.0.1:1").upstream_key(key("theirs")), "x-api-key: any"),
        (Gateway::builder("http://127.0.0.1:1").client_key(key("ours")), "x-api-key: A-KEY-OF-THIS-GATEWAY"),
    ] {
        let gateway = gateway.answers_from("an aunt").build().unwrap().spawn().await.unwrap();
        let page = receive(reqwest::Client::builder().no_proxy().build().unwrap().get(gateway.url())).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/plain; charset=utf-8"));
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        for part in [shown, "Answers come from an aunt.", &format!("curl -N {}/v1/messages", gateway.url())] {
            assert!(page.text().contains(part), "{part}: {}", page.text());
        }
        assert!(!page.text().contains("theirs") && !page.text().contains("ours"), "{}", page.text());
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let mut limits = Limits::default();
    limits.body = MaxBodyBytes(1000);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).limits(limits)).await;
    let large = "x".repeat(1001);
    let pieces = futures_util::stream::iter((0..1001).map(|_| Ok::<_, std::io::Error>("x")));
    for body in [reqwest::Body::from(large), reqwest::Body::wrap_stream(pieces)] {
        let answer = receive(rig.post(&rig.gateway.url(), body, "")).await;
        assert_eq!(answer.status, 413);
        assert_eq!(answer.json()["error"]["type"], json!("request_too_large"));
        assert!(answer.text().contains("1000 bytes"), "{}", answer.text());
    }
    assert_eq!(rig.ask(&question(MODEL, true), "").await.status, 200);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_refused() {
    for (piece, whole, said) in [(100, 60_000, "stopped coming"), (60_000, 300, "did not come within")] {
        let mut clocks = quick();
        clocks.body_read = Duration::from_millis(piece);
        clocks.body = Duration::from_millis(whole);
        let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
        let pace = if piece < whole { Duration::from_secs(60) } else { Duration::from_millis(20) };
        let drip = futures_util::stream::unfold((), move |()| async move {
            tokio::time::sleep(pace).await;
            Some((Ok::<_, std::io::Error>(" "), ()))
        });
        let request = rig.post(&rig.gateway.url(), reqwest::Body::wrap_stream(drip), "");
        let answer = receive(request).await;
        assert_eq!(answer.status, 408);
        assert_eq!(answer.json()["error"]["type"], json!("timeout_error"));
        assert!(answer.text().contains(said), "{}", answer.text());
    }
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let mut limits = Limits::default();
    limits.connections = MaxConnections(1);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).limits(limits)).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut first = TcpStream::connect(rig.gateway.address()).await.unwrap();
    first.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let mut second = TcpStream::connect(rig.gateway.address()).await.unwrap();
    second.write_all(request).await.unwrap();
    let mut answer = String::new();
    second.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\"overloaded_error\"") && answer.contains("retry-after: 1"), "{answer}");
}

/// Answers every request with one small stream, and closes the connection after `requests` of them.
async fn upstream(requests: usize) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                for _ in 0..requests {
                    let mut request = Vec::new();
                    while !request.ends_with(b"}") {
                        let mut piece = [0; 4096];
                        match socket.read(&mut piece).await {
                            Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
                            _ => return,
                        }
                    }
                    let event = concat!(
                        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\n",
                        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
                        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
                    );
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{event}\r\n0\r\n\r\n",
                        event.len()
                    );
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn connections_to_the_upstream_are_used_again_while_they_last() {
    for (requests, connections) in [(100, 1), (1, 5), (2, 3)] {
        let (address, counted) = upstream(requests).await;
        let gateway =
            Gateway::builder(format!("http://{address}/prefix/")).build().unwrap().spawn().await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        for _ in 0..5 {
            let request = http.post(format!("{}/v1/messages", gateway.url())).body("{\"stream\":true}");
            let answer = tokio::time::timeout(PATIENCE, receive(request)).await.unwrap();
            assert!(answer.text().ends_with("{\"type\":\"message_stop\"}\n\n"), "{}", answer.text());
        }
        assert_eq!(counted.load(Ordering::SeqCst), connections, "{requests} requests for each connection");
    }
}
