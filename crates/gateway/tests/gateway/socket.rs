//! The WebSocket face: what is read, made and stopped over one socket.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use perennial_gateway::{Clocks, Key, Limits, MaxBodyBytes};
use perennial_sim::{Outcome, Phase};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::doored::IN_TEXT;
use crate::rig::{MODEL, PATIENCE, Rig, question, receive, simulator};

/// A client of the face.
struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(rig: &Rig, headers: &[(&'static str, &str)]) -> Self {
        Self::over(TcpStream::connect(rig.gateway.address()).await.unwrap(), rig, headers).await
    }

    /// One whose end holds little.
    async fn small(rig: &Rig) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::over(socket.connect(rig.gateway.address()).await.unwrap(), rig, &[]).await
    }

    async fn over(tcp: TcpStream, rig: &Rig, headers: &[(&'static str, &str)]) -> Self {
        let mut request = format!("ws://{}/v1/ws", rig.gateway.address()).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Self(tokio_tungstenite::client_async(request, tcp).await.unwrap().0)
    }

    async fn send(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next message that is no ping; `None` where the connection ends without a word.
    async fn message(&mut self) -> Option<Message> {
        let next = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Ping(_))) => {}
                    Some(Ok(message)) => return Some(message),
                    Some(Err(_)) | None => return None,
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("something comes")
    }

    async fn line(&mut self) -> String {
        match self.message().await {
            Some(Message::Text(text)) => text.as_str().to_owned(),
            other => panic!("no text: {other:?}"),
        }
    }

    async fn next(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    async fn ask(&mut self, frame: &Value) -> Value {
        self.send(frame).await;
        self.next().await
    }

    async fn subscribe(&mut self, stream: &str, after: &str) {
        let answer = self.ask(&json!({"op": "subscribe", "stream": stream, "after": after})).await;
        assert_eq!((&answer["op"], &answer["after"]), (&json!("subscribed"), &json!(after)), "{answer}");
    }

    /// The lines of the only stream, up to its end.
    async fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            if line.starts_with("{\"op\":\"ended\"") {
                return lines;
            }
            lines.push(line);
        }
    }

    /// With what the gateway closes.
    async fn closed(&mut self) -> (u16, String) {
        match self.message().await {
            Some(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.as_str().to_owned()),
            other => panic!("no close frame: {other:?}"),
        }
    }
}

/// With the clocks of every day: on a loaded machine a client may be late with its pong.
async fn rig() -> Rig {
    Rig::with(simulator(), |gateway| gateway).await
}

/// A stream of its own, by its name.
async fn make(rig: &Rig, model: &str, orders: &str, policy: &str) -> String {
    let request = rig
        .http
        .post(format!("{}/v1/streams", rig.gateway.url()))
        .header("x-api-key", "sk-test")
        .header("anthropic-version", "2026-10-21")
        .header("perennial-sim", orders)
        .header("perennial-on-disconnect", policy)
        .body(question(model, true).to_string());
    let answer = receive(request).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// What the line-by-line face has of a stream, as it is written here.
async fn whole(rig: &Rig, stream: &str) -> Vec<String> {
    let url = format!("{}/v1/streams/{stream}/events?format=ndjson", rig.gateway.url());
    let answer = receive(rig.http.get(url).header("x-api-key", "sk-test")).await;
    let lead = format!("{{\"op\":\"record\",\"stream\":\"{stream}\",");
    answer
        .text()
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| format!("{lead}{}", &line[1..]))
        .collect()
}

fn id(line: &str) -> String {
    serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
}

fn key(key: &str) -> Key {
    Key::new(key).unwrap()
}

#[tokio::test]
async fn whoever_comes_back_gets_what_follows_and_nothing_else() {
    let rig = rig().await;
    for orders in ["", "fin@event=5", "lines=crlf,comments", "error=overloaded_error@event=4"] {
        let stream = make(&rig, MODEL, orders, "detach").await;
        let whole = whole(&rig, &stream).await;
        assert!(whole.len() > 5 && whole.last().unwrap().contains("perennial.terminal"));
        let mut socket = Socket::open(&rig, &[]).await;
        socket.subscribe(&stream, "0").await;
        assert_eq!(socket.lines().await, whole, "{orders}");
        // Over one socket, and each over its own.
        for k in 0..whole.len() {
            socket.subscribe(&stream, &id(&whole[k])).await;
            assert_eq!(socket.lines().await, whole[k + 1..], "{orders} after {k}");
        }
        let mut socket = Socket::open(&rig, &[]).await;
        let seq = id(&whole[2]).split('.').next().unwrap().to_owned();
        socket.subscribe(&stream, &seq).await;
        assert_eq!(socket.lines().await, whole[3..], "{orders}: a number alone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_lost_again_and_again_loses_nothing() {
    let rig = rig().await;
    let stream = make(&rig, MODEL, "pace=instant,tps=2000", "detach").await;
    let mut lines: Vec<String> = Vec::new();
    let mut connections = 0;
    while !lines.last().is_some_and(|line| line.contains("perennial.terminal")) {
        connections += 1;
        let mut socket = Socket::open(&rig, &[]).await;
        let after = lines.last().map_or("0".to_owned(), |line| id(line));
        socket.subscribe(&stream, &after).await;
        for _ in 0..3 {
            match socket.line().await {
                line if line.starts_with("{\"op\":\"ended\"") => break,
                line => lines.push(line),
            }
        }
        // No goodbye: the socket is gone.
    }
    assert!(connections > 5, "{connections}");
    assert_eq!(lines, whole(&rig, &stream).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_made_read_and_stopped_before_its_first_byte() {
    let rig = rig().await;
    let mut socket = Socket::open(&rig, &[("x-api-key", "sk-test")]).await;
    let create = json!({
        "op": "create",
        "ref": {"n": 1.50},
        "body": question(MODEL, false),
        "headers": {
            "anthropic-version": "2026-10-21",
            "perennial-sim": "stall@headers",
            "idempotency-key": "once",
        },
    });
    socket.send(&create).await;
    let created = socket.line().await;
    assert!(created.starts_with("{\"op\":\"created\",\"ref\":{\"n\":1.5},\"stream\":\"strm_"), "{created}");
    let created: Value = serde_json::from_str(&created).unwrap();
    assert_eq!(socket.ask(&create).await["stream"], created["stream"], "an idempotency key is one here too");
    let stream = created["stream"].as_str().unwrap();
    let asked = rig.sim.journal().wait_for(|entry| entry.phase == Phase::BeforeHeaders);
    tokio::time::timeout(PATIENCE, asked).await.expect("the upstream is asked");

    let subscribed = socket.ask(&json!({"op": "subscribe", "stream": stream, "ref": "s"})).await;
    assert_eq!(
        subscribed,
        json!({"op": "subscribed", "ref": "s", "stream": stream, "after": "0", "state": "running"})
    );
    socket.send(&json!({"op": "cancel", "stream": stream, "ref": null})).await;
    let mut said = Vec::new();
    while !(said.iter().any(|one: &Value| one["op"] == "ended")
        && said.iter().any(|one: &Value| one["op"] == "cancelled"))
    {
        said.push(socket.next().await);
    }
    let cancelled = said.iter().find(|one| one["op"] == "cancelled").unwrap();
    assert_eq!(cancelled["state"], "cancelled");
    let events: Vec<_> = said.iter().filter_map(|one| one["event"].as_str()).collect();
    assert_eq!(events, ["perennial.cancel", "perennial.terminal"]);
    let over = rig.sim.journal().wait_for(perennial_sim::Entry::is_over);
    let entry = tokio::time::timeout(PATIENCE, over).await.expect("the upstream is closed");
    assert_eq!((entry.outcome, entry.phase), (Outcome::ClientLeft, Phase::BeforeHeaders));

    let again = socket.ask(&json!({"op": "cancel", "stream": stream})).await;
    assert_eq!(
        (&again["op"], &again["state"]),
        (&json!("cancelled"), &json!("cancelled")),
        "nothing changes"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_stream_does_not_keep_a_short_one_waiting() {
    let rig = rig().await;
    let long = make(&rig, "bench:deltas=4000,chars=200", "", "detach").await;
    let short = make(&rig, MODEL, "", "detach").await;
    let (long_lines, short_lines) = (whole(&rig, &long).await, whole(&rig, &short).await);
    let mut socket = Socket::open(&rig, &[]).await;
    // In one write, so that the second comes while the first has hardly begun.
    for stream in [&long, &short] {
        let frame = json!({"op": "subscribe", "stream": stream});
        socket.0.feed(Message::text(frame.to_string())).await.unwrap();
    }
    socket.0.flush().await.unwrap();
    let (mut longs, mut shorts, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    let mut after_the_short = 0;
    while ended.len() < 2 {
        let line = socket.line().await;
        let value: Value = serde_json::from_str(&line).unwrap();
        let is_long = value["stream"] == long.as_str();
        match value["op"].as_str().unwrap() {
            "subscribed" => {}
            "ended" => ended.push(is_long),
            "record" if is_long => {
                after_the_short += ended.len();
                longs.push(line);
            }
            "record" => shorts.push(line),
            other => panic!("{other}"),
        }
    }
    assert!(longs == long_lines && shorts == short_lines, "each is whole, and in its order");
    assert_eq!(ended, [false, true]);
    assert!(after_the_short > 2_000, "the short one ended {after_the_short} records before the long one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_ends_and_begins_anew_without_the_stream_noticing() {
    let rig = rig().await;
    // Stopped as soon as nobody reads it.
    let response =
        rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), "stall@event=6").send().await;
    let response = response.unwrap();
    let stream = response.headers()["perennial-stream"].to_str().unwrap().to_owned();
    let mut socket = Socket::open(&rig, &[]).await;
    socket.subscribe(&stream, "0").await;
    drop(response);
    let first = socket.line().await;
    for _ in 0..10 {
        socket.send(&json!({"op": "subscribe", "stream": stream, "after": "0"})).await;
        while !socket.line().await.starts_with("{\"op\":\"subscribed\"") {}
        assert_eq!(socket.line().await, first, "from the beginning again");
    }
    assert!(!rig.sim.journal().entries()[0].is_over());
    socket.send(&json!({"op": "unsubscribe", "stream": stream, "ref": 1})).await;
    while socket.next().await != json!({"op": "unsubscribed", "ref": 1, "stream": stream}) {}
    let over = rig.sim.journal().wait_for(perennial_sim::Entry::is_over);
    let entry = tokio::time::timeout(PATIENCE, over).await.expect("the upstream is closed");
    assert_eq!(entry.outcome, Outcome::ClientLeft);
    let pong = socket.ask(&json!({"op": "ping", "ref": [1, 2]})).await;
    assert_eq!(pong, json!({"op": "pong", "ref": [1, 2]}), "nothing more came of the stream");
}

#[tokio::test]
async fn an_error_says_to_what_and_ends_nothing_else() {
    let rig = rig().await;
    let stream = make(&rig, MODEL, "", "detach").await;
    let whole = whole(&rig, &stream).await;
    let waiting = make(&rig, MODEL, "stall@event=6", "detach").await;
    let mut socket = Socket::open(&rig, &[]).await;
    let long = "x".repeat(64 * 1024);
    let none = "strm_0199c0ffee0070008000000000000001";
    for (frame, status, to) in [
        (json!("{"), 400, None),
        (json!([]), 400, None),
        (json!({"op": "dance"}), 400, None),
        (json!({"op": "ping", "pong": 1}), 400, None),
        (json!({"op": "subscribe"}), 400, Some("subscribe")),
        (json!({"op": "subscribe", "stream": "x"}), 400, Some("subscribe")),
        (json!({"op": "subscribe", "stream": stream, "after": "x"}), 400, Some("subscribe")),
        (json!({"op": "subscribe", "stream": none}), 404, Some("subscribe")),
        (json!({"op": "subscribe", "stream": stream, "after": "9999"}), 412, Some("subscribe")),
        (json!({"op": "subscribe", "stream": stream, "cap": "x"}), 401, Some("subscribe")),
        (json!({"op": "cancel", "stream": none}), 404, Some("cancel")),
        (json!({"op": "create"}), 400, Some("create")),
        (json!({"op": "create", "body": []}), 400, Some("create")),
        (json!({"op": "create", "body": {}, "headers": {"a b": "c"}}), 400, Some("create")),
        (
            json!({"op": "create", "body": {}, "headers": {"perennial-on-disconnect": "cancel"}}),
            400,
            Some("create"),
        ),
        (json!({"op": "subscribe", "stream": stream, "cap": long}), 413, Some("subscribe")),
    ] {
        let text = if frame == "{" { "{".to_owned() } else { frame.to_string() };
        socket.0.send(Message::text(text)).await.unwrap();
        let answer = socket.next().await;
        assert_eq!(
            (&answer["op"], answer["status"].as_u64(), answer["to"].as_str()),
            (&json!("error"), Some(status), to),
            "{frame:.80}: {answer}"
        );
        assert!(!answer["error"]["message"].as_str().unwrap().is_empty());
    }
    let answer = socket.ask(&json!({"op": "dance", "ref": 7})).await;
    assert_eq!((&answer["ref"], &answer["status"]), (&json!(7), &json!(400)));
    let answer = socket.ask(&json!({"op": "ping", "ref": 7, "what": 1})).await;
    assert_eq!((&answer["ref"], &answer["status"]), (&json!(7), &json!(400)), "a frame that cannot be read");
    let answer = socket.ask(&json!({"op": "ping", "ref": "x".repeat(2000)})).await;
    assert_eq!((answer.get("ref"), &answer["status"]), (None, &json!(400)));
    socket.0.send(Message::binary(b"{}".to_vec())).await.unwrap();
    assert_eq!(socket.next().await["status"], 400);

    let diverged = socket.ask(&json!({"op": "subscribe", "stream": stream, "after": "9999.9"})).await;
    assert_eq!(diverged["status"], 412);
    assert_eq!(
        (&diverged["after"], diverged["last_common"].as_str()),
        (&json!("9999.9"), Some(&*id(whole.last().unwrap())))
    );

    socket.subscribe(&waiting, "0").await;
    let mut last = socket.next().await;
    socket.send(&json!({"op": "subscribe", "stream": none})).await;
    while last["op"] != "error" {
        last = socket.next().await;
    }
    let url = format!("{}/v1/streams/{waiting}", rig.gateway.url());
    assert_eq!(receive(rig.http.delete(url)).await.status, 204);
    while last["stream"] != waiting.as_str() || last["op"] == "record" {
        last = socket.next().await;
    }
    // It was stopped first, so a reader may have seen its end; one that has not learns that it is gone.
    assert!(last["op"] == "ended" || (last["status"] == 410 && last.get("to").is_none()), "{last}");
}

#[tokio::test]
async fn a_socket_has_its_limits() {
    let mut limits = Limits::default();
    limits.body = MaxBodyBytes(1000);
    let rig = Rig::with(simulator(), |gateway| gateway.limits(limits)).await;
    let mut streams = Vec::new();
    for _ in 0..65 {
        streams.push(make(&rig, MODEL, "stall@headers", "detach").await);
    }
    let mut socket = Socket::open(&rig, &[]).await;
    for stream in &streams[..64] {
        socket.subscribe(stream, "0").await;
    }
    let subscribe = json!({"op": "subscribe", "stream": streams[64]});
    assert_eq!(socket.ask(&subscribe).await["status"], 429);
    socket.subscribe(&streams[3], "0").await;
    assert_eq!(socket.ask(&json!({"op": "unsubscribe", "stream": streams[3]})).await["op"], "unsubscribed");
    assert_eq!(socket.ask(&subscribe).await["op"], "subscribed");

    let mut body = question(MODEL, true);
    body["messages"][0]["content"] = "x".repeat(1000).into();
    let answer = socket.ask(&json!({"op": "create", "body": body})).await;
    assert_eq!((&answer["status"], &answer["error"]["type"]), (&json!(413), &json!("request_too_large")));
    let pong = socket.ask(&json!({"op": "ping"})).await;
    assert_eq!(pong["op"], "pong", "that was no reason to go");
    // More than any frame may have is not read at all.
    drop(socket.0.send(Message::text("x".repeat(80_000))).await);
    assert_eq!(socket.closed().await.0, 1008);
}

#[tokio::test]
async fn a_stream_is_for_who_may_have_it() {
    let rig = Rig::with(simulator(), |gateway| {
        gateway
            .client_key(key("one"))
            .client_key(key("two"))
            .operator_key(key("chief"))
            .upstream_key(key("up"))
    })
    .await;
    let mut one = Socket::open(&rig, &[("authorization", "Bearer one")]).await;
    let headers = json!({"anthropic-version": "2026-10-21", "perennial-sim": "stall@event=6"});
    let create = json!({"op": "create", "body": question(MODEL, true), "headers": headers});
    let stream = one.ask(&create).await["stream"].as_str().unwrap().to_owned();
    let link = |scope: &str| {
        let url = format!("{}/v1/streams/{stream}/links", rig.gateway.url());
        let request = rig.http.post(url).header("x-api-key", "one").body(json!({"scope": scope}).to_string());
        async { receive(request).await.json()["cap"].as_str().unwrap().to_owned() }
    };
    let (read, cancel) = (link("read").await, link("cancel").await);
    let subscribe = json!({"op": "subscribe", "stream": stream});
    let with = |op: &str, cap: &str| json!({"op": op, "stream": stream, "cap": cap});

    let mut two = Socket::open(&rig, &[("x-api-key", "two")]).await;
    assert_eq!(two.ask(&subscribe).await["status"], 404);
    let mut chief = Socket::open(&rig, &[("x-api-key", "chief")]).await;
    assert_eq!(chief.ask(&subscribe).await["op"], "subscribed");

    // A handshake without a key, as a browser makes it: each frame brings its own right.
    let mut stranger = Socket::open(&rig, &[("origin", "https://any.example")]).await;
    assert_eq!(stranger.ask(&subscribe).await["status"], 401);
    assert_eq!(stranger.ask(&create).await["status"], 401);
    assert_eq!(stranger.ask(&with("cancel", &read)).await["status"], 403);
    assert_eq!(stranger.ask(&with("subscribe", &read)).await["op"], "subscribed");
    let mut last = stranger.next().await;
    stranger.send(&with("cancel", &cancel)).await;
    while last["op"] != "cancelled" {
        last = stranger.next().await;
    }
    // Nor may a stranger send what is large.
    drop(stranger.0.send(Message::text("x".repeat(70_000))).await);
    while !matches!(stranger.message().await, Some(Message::Close(_))) {}
}

#[tokio::test]
async fn a_page_of_another_origin_needs_a_capability() {
    let rig = rig().await;
    let stream = make(&rig, MODEL, "", "detach").await;
    let subscribe = json!({"op": "subscribe", "stream": stream});
    let create =
        json!({"op": "create", "body": question(MODEL, true), "headers": {"origin": "http://localhost"}});
    for headers in [[("origin", "https://evil.example")], [("host", "evil.example")]] {
        let mut socket = Socket::open(&rig, &headers).await;
        for frame in [&subscribe, &create] {
            assert_eq!(socket.ask(frame).await["status"], 403, "{headers:?} {frame}");
        }
    }
    assert_eq!(rig.sim.journal().entries().len(), 1);
    let mut own = Socket::open(&rig, &[("origin", "http://localhost:3000")]).await;
    own.subscribe(&stream, "0").await;

    let url = format!("{}/v1/streams/{stream}/links", rig.gateway.url());
    let cap = receive(rig.http.post(url)).await.json()["cap"].clone();
    let mut socket = Socket::open(&rig, &[("origin", "https://evil.example")]).await;
    let answer = socket.ask(&json!({"op": "subscribe", "stream": stream, "cap": cap})).await;
    assert_eq!(answer["op"], "subscribed");
}

#[tokio::test]
async fn what_is_no_handshake_is_told_so() {
    let rig = rig().await;
    let answer = receive(rig.http.get(format!("{}/v1/ws", rig.gateway.url()))).await;
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (400, &json!("invalid_request_error")));
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_closed() {
    let mut clocks = Clocks::default();
    clocks.ping = Duration::from_millis(200);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
    // One that does stays: the library answers while it is read.
    let mut socket = Socket::open(&rig, &[]).await;
    let mut pings = 0;
    while pings < 6 {
        let message = tokio::time::timeout(PATIENCE, socket.0.next()).await.unwrap();
        assert!(matches!(message, Some(Ok(Message::Ping(_)))), "{message:?}");
        pings += 1;
    }
    // One that is not read does not: its stream is stopped for want of a reader.
    let response =
        rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), "stall@event=6").send().await;
    let response = response.unwrap();
    let stream = response.headers()["perennial-stream"].to_str().unwrap().to_owned();
    socket.subscribe(&stream, "0").await;
    drop(response);
    let over = rig.sim.journal().wait_for(|entry| entry.is_over() && entry.phase == Phase::Content);
    let entry = tokio::time::timeout(PATIENCE, over).await.expect("the upstream is closed");
    assert_eq!(entry.outcome, Outcome::ClientLeft);
    assert!(socket.0.get_ref().peer_addr().is_ok(), "the client did nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_is_given_up_after_the_upgrade_too() {
    let mut clocks = Clocks::default();
    clocks.reader = Duration::from_millis(300);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
    // More than sockets hold, and then nothing.
    let large: String = (3..11).map(|event| format!("huge=800000@event={event}; ")).collect();
    let orders = format!("{large}stall@event=11");
    let stream = make(&rig, MODEL, &orders, "detach").await;
    let mut socket = Socket::small(&rig).await;
    socket.subscribe(&stream, "0").await;
    let object = format!("/v1/streams/{stream}");
    let alone = async { while rig.get(&object).await.json()["readers"] != 0 {} };
    tokio::time::timeout(PATIENCE, alone).await.expect("it is given up");
    assert_eq!(rig.get(&object).await.json()["state"], "running", "the stream has nothing to do with it");
    rig.cancel(&stream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_closed_when_the_gateway_stops() {
    let (rig, door) = Rig::behind_door(IN_TEXT, |gateway| gateway).await;
    let running = make(&rig, MODEL, "", "detach").await;
    let (mut idle, mut reading) = (Socket::open(&rig, &[]).await, Socket::open(&rig, &[]).await);
    assert_eq!(idle.ask(&json!({"op": "ping"})).await["op"], "pong");
    reading.subscribe(&running, "0").await;
    rig.gateway.begin_stop();
    assert_eq!(idle.closed().await, (1001, "the gateway is shutting down".to_owned()));
    let create = json!({"op": "create", "body": question(MODEL, true)});
    reading.send(&create).await;
    let mut said = Vec::new();
    while !said.iter().any(|one: &Value| one["op"] == "error") {
        said.push(reading.next().await);
    }
    door.open();
    while !said.iter().any(|one: &Value| one["op"] == "ended") {
        said.push(reading.next().await);
    }
    let refused = said.iter().find(|one| one["op"] == "error").unwrap();
    assert_eq!((&refused["status"], &refused["to"]), (&json!(503), &json!("create")));
    let last = &said[said.len() - 2];
    assert_eq!(
        (&last["event"], &last["data"]["outcome"]),
        (&json!("perennial.terminal"), &json!("completed"))
    );
    assert_eq!(reading.closed().await.0, 1001);
    drop((idle, reading));
    tokio::time::timeout(PATIENCE, rig.gateway.stop()).await.expect("nothing runs any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_whose_streams_are_ended_by_force_learn_it() {
    let mut clocks = Clocks::default();
    clocks.drain = Duration::from_millis(150);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
    let running = make(&rig, MODEL, "stall@event=6", "detach").await;
    let mut socket = Socket::open(&rig, &[]).await;
    socket.subscribe(&running, "0").await;
    rig.gateway.begin_stop();
    let lines = socket.lines().await;
    let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert_eq!(last["data"]["outcome"], "interrupted");
    assert_eq!(socket.closed().await.0, 1001);
    drop(socket);
    tokio::time::timeout(PATIENCE, rig.gateway.stop()).await.expect("nothing runs any more");
}
