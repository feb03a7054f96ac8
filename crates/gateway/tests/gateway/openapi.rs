//! Real answers, held against the document at `/openapi.json`.

use boon::{Compiler, Draft, Schemas};
use futures_util::{SinkExt as _, StreamExt as _};
use perennial_gateway::{Key, Limits, MaxBodyBytes, MaxReaders, MaxStreamsPerKey};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::rig::{Answer, MODEL, PATIENCE, Rig, question, quick, receive, simulator};

const ADDRESS: &str = "http://localhost/openapi.json";

/// The document, as the gateway gives it.
struct Document {
    json: Value,
    compiler: Compiler,
    schemas: Schemas,
}

impl Document {
    async fn of(rig: &Rig) -> Self {
        let answer = receive(rig.http.get(format!("{}/openapi.json", rig.gateway.url()))).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        let json = answer.json();
        assert!(json["openapi"].as_str().unwrap().starts_with("3.1."));
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource(ADDRESS, json.clone()).unwrap();
        Self { json, compiler, schemas: Schemas::new() }
    }

    /// Holds a value against the schema at a pointer.
    fn hold(&mut self, pointer: &str, value: &Value) {
        assert!(self.json.pointer(pointer).is_some(), "nothing is documented at {pointer}");
        let schema = self.compiler.compile(&format!("{ADDRESS}#{pointer}"), &mut self.schemas).unwrap();
        if let Err(error) = self.schemas.validate(value, schema) {
            panic!("{pointer}: {error:#}\n{value:#}");
        }
    }

    fn hold_to(&mut self, schema: &str, value: &Value) {
        self.hold(&format!("/components/schemas/{schema}"), value);
    }

    /// Holds an answer against what is documented for its path, method and status.
    fn answer(&mut self, method: &str, path: &str, answer: &Answer) {
        let responses = format!("/paths/{}/{method}/responses", path.replace('/', "~1"));
        let mut at = format!("{responses}/{}", answer.status);
        let response = self.json.pointer(&at);
        let response =
            response.unwrap_or_else(|| panic!("{method} {path}: {} is not documented", answer.status));
        if let Some(reference) = response["$ref"].as_str() {
            at = reference.trim_start_matches('#').to_owned();
        }
        let response = self.json.pointer(&at).unwrap();
        for name in response["headers"].as_object().into_iter().flat_map(serde_json::Map::keys) {
            // Of a 200 each face has its own, and an error of the upstream has what the upstream gave it.
            let must = answer.status != 200 && !(name == "retry-after" && path == "/v1/messages");
            assert!(!must || !answer.header(name).is_empty(), "{method} {path}: no {name}");
        }
        let media = answer.header("content-type").split(';').next().unwrap();
        let Some(content) = response.get("content") else {
            assert!(answer.body.is_empty(), "{method} {path}: a body that is not documented");
            return;
        };
        assert!(content.get(media).is_some(), "{method} {path}: {media} is not documented");
        let value = if media == "application/json" { answer.json() } else { json!(answer.text()) };
        self.hold(&format!("{at}/content/{}/schema", media.replace('/', "~1")), &value);
    }

    fn lines(&mut self, lines: &str) -> Vec<String> {
        let mut events = Vec::new();
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let line: Value = serde_json::from_str(line).unwrap();
            self.hold_to("Line", &line);
            events.push(line["event"].as_str().unwrap().to_owned());
        }
        events
    }
}

/// Asks the gateway, by path and with these headers.
async fn ask(rig: &Rig, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = rig
        .http
        .request(method.to_uppercase().parse().unwrap(), format!("{}{path}", rig.gateway.url()))
        .header("anthropic-version", "2026-10-21")
        .body(body.to_owned());
    if !headers.iter().any(|(name, _)| *name == "x-api-key") {
        request = request.header("x-api-key", "sk-test");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    receive(request).await
}

/// Makes a stream.
async fn make(rig: &Rig, document: &mut Document, orders: &str) -> String {
    let body = question(MODEL, true).to_string();
    let answer = ask(rig, "post", "/v1/streams", &[("perennial-sim", orders)], &body).await;
    document.answer("post", "/v1/streams", &answer);
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_and_their_faces_are_as_documented() {
    let rig = Rig::new().await;
    let mut document = Document::of(&rig).await;
    let body = question(MODEL, true).to_string();
    for stream in [true, false] {
        let answer = rig.ask(&question(MODEL, stream), "").await;
        document.answer("post", "/v1/messages", &answer);
    }
    for (orders, outcome) in [
        ("", "completed"),
        ("fin@event=5", "interrupted"),
        ("error=overloaded_error@event=5", "failed"),
        ("status=529", "failed"),
        ("stall@event=5", "cancelled"),
        ("stall@headers", "cancelled"),
    ] {
        let stream = make(&rig, &mut document, orders).await;
        let of = format!("/v1/streams/{stream}");
        let path = "/v1/streams/{id}";
        let shown = ask(&rig, "get", &of, &[], "").await;
        document.answer("get", path, &shown);
        if outcome == "cancelled" {
            let cancelled = ask(&rig, "post", &format!("{of}/cancel"), &[], "").await;
            document.answer("post", &format!("{path}/cancel"), &cancelled);
        }
        for format in ["sse", "ndjson", "text"] {
            // What is not whole is no text: that face breaks off, maybe before its first byte.
            if format == "text" && outcome != "completed" {
                continue;
            }
            let answer = ask(&rig, "get", &format!("{of}/events?format={format}"), &[], "").await;
            document.answer("get", &format!("{path}/events"), &answer);
            if format == "ndjson" {
                let events = document.lines(answer.text());
                assert_eq!(events.last().unwrap(), "perennial.terminal");
            }
        }
        let polled = ask(&rig, "get", &format!("{of}/events?live=poll&wait=0"), &[], "").await;
        document.answer("get", &format!("{path}/events"), &polled);
        let over = ask(&rig, "get", &format!("{of}/events?after=9"), &[], "").await;
        document.answer("get", &format!("{path}/events"), &over);
        let shown = ask(&rig, "get", &of, &[], "").await;
        document.answer("get", path, &shown);
        assert_eq!(shown.json()["outcome"]["type"], outcome);
        let message = ask(&rig, "get", &format!("{of}/message"), &[], "").await;
        document.answer("get", &format!("{path}/message"), &message);
        for body in ["", r#"{"scope":"cancel","expires_in":60}"#] {
            let link = ask(&rig, "post", &format!("{of}/links"), &[], body).await;
            document.answer("post", &format!("{path}/links"), &link);
        }
        let many =
            ask(&rig, "get", &format!("/v1/events?streams={stream}:1,strm_x:0,{stream}:99.9"), &[], "").await;
        document.answer("get", "/v1/events", &many);
        let data = many.text().lines().filter_map(|line| line.strip_prefix("data: ")).collect::<Vec<_>>();
        let events = document.lines(&data.join("\n").replace("\"strm_x\"", &format!("\"{stream}\"")));
        for event in ["perennial.error", "perennial.diverged", "perennial.terminal"] {
            assert!(events.iter().any(|one| one == event), "{event}");
        }
        let nothing =
            ask(&rig, "get", &format!("/v1/events?streams={stream}:{}", terminal(&shown)), &[], "").await;
        assert_eq!(nothing.status, 204);
        document.answer("get", "/v1/events", &nothing);
    }
    let repeated = [("idempotency-key", "once")];
    for status in [201, 200] {
        let answer = ask(&rig, "post", "/v1/streams", &repeated, &body).await;
        assert_eq!(answer.status, status);
        document.answer("post", "/v1/streams", &answer);
    }
    for path in
        ["/v1/streams", "/v1/streams?limit=2", "/v1/streams?after_id=strm_0199c0ffee0070008000000000000001"]
    {
        let list = ask(&rig, "get", path, &[], "").await;
        document.answer("get", "/v1/streams", &list);
    }
    let stream = make(&rig, &mut document, "").await;
    let deleted = ask(&rig, "delete", &format!("/v1/streams/{stream}"), &[], "").await;
    document.answer("delete", "/v1/streams/{id}", &deleted);
}

/// The position of an ended stream's last record.
fn terminal(shown: &Answer) -> String {
    shown.json()["position"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_the_log_are_as_documented() {
    let rig = Rig::new().await;
    let mut document = Document::of(&rig).await;
    let stream = make(&rig, &mut document, "stall@event=5").await;
    ask(&rig, "post", &format!("/v1/streams/{stream}/cancel"), &[], "").await;
    let whole = ask(&rig, "get", &format!("/v1/streams/{stream}/events"), &[], "").await;
    let foreign = ask(&rig, "get", &format!("/v1/streams/{stream}/events?after=99.9"), &[], "").await;
    let mut seen = Vec::new();
    for answer in [whole, foreign] {
        document.answer("get", "/v1/streams/{id}/events", &answer);
        let data = answer.text().lines().filter_map(|line| line.strip_prefix("data: "));
        for data in data.filter(|data| data.contains("\"perennial.")) {
            let data: Value = serde_json::from_str(data).unwrap();
            let schema = match data["type"].as_str().unwrap() {
                "perennial.terminal" => "Terminal",
                "perennial.cancel" => "Cancel",
                "perennial.diverged" => "Diverged",
                other => panic!("{other}"),
            };
            document.hold_to(schema, &data);
            seen.push(schema);
        }
    }
    assert_eq!(seen, ["Cancel", "Terminal", "Diverged"]);
    // Those that no stream of today has: as the log writes them.
    document.hold_to("Seam", &json!({"type": "perennial.seam", "reason": "takeover", "mode": "restart"}));
    document.hold_to("Takeover", &json!({"type": "perennial.takeover", "reason": "crash", "epoch": 2}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_a_socket_are_as_documented() {
    let rig = Rig::with(simulator(), |gateway| gateway).await;
    let mut document = Document::of(&rig).await;
    let stream = make(&rig, &mut document, "").await;
    let request = format!("ws://{}/v1/ws", rig.gateway.address()).into_client_request().unwrap();
    let tcp = tokio::net::TcpStream::connect(rig.gateway.address()).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, tcp).await.unwrap();
    let headers = json!({"x-api-key": "sk-test", "anthropic-version": "2026-10-21"});
    let frames = [
        json!({"op": "ping", "ref": {"any": [1, null]}}),
        json!({"op": "create", "body": question(MODEL, true), "headers": headers}),
        json!({"op": "cancel", "stream": stream, "ref": 1}),
        json!({"op": "unsubscribe", "stream": stream}),
        json!({"op": "cancel", "stream": "strm_0199c0ffee0070008000000000000001", "ref": 2}),
        json!({"op": "subscribe", "stream": stream, "after": "99.9"}),
        json!({"op": "subscribe", "stream": stream, "after": "1.1"}),
    ];
    for frame in &frames {
        document.hold_to("SocketRequest", frame);
        socket.send(Message::text(frame.to_string())).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.last().is_none_or(|op| op != "ended") {
        let said = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        let said: Value = serde_json::from_str(said.to_text().unwrap()).unwrap();
        document.hold_to("SocketMessage", &said);
        seen.push(said["op"].as_str().unwrap().to_owned());
    }
    seen.dedup();
    let expected = ["pong", "created", "cancelled", "unsubscribed", "error", "subscribed", "record", "ended"];
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_as_documented() {
    let key = |key: &str| Key::new(key).unwrap();
    let mut limits = Limits::default();
    (limits.body, limits.readers, limits.streams_per_key) =
        (MaxBodyBytes(1000), MaxReaders(1), MaxStreamsPerKey(2));
    let rig = Rig::with(simulator(), |gateway| {
        gateway.clocks(quick()).limits(limits).client_key(key("sk-test")).upstream_key(key("up"))
    })
    .await;
    let mut document = Document::of(&rig).await;
    let (body, large) = (question(MODEL, true).to_string(), "x".repeat(1001));
    let running = make(&rig, &mut document, "stall@event=5").await;
    let deleted = make(&rig, &mut document, "").await;
    let key = [("idempotency-key", "once")];
    let (running, gone) = (format!("/v1/streams/{running}"), format!("/v1/streams/{deleted}"));
    assert_eq!(ask(&rig, "delete", &gone, &[], "").await.status, 204);
    assert_eq!(ask(&rig, "post", "/v1/streams", &key, &body).await.status, 201);
    let none = "/v1/streams/strm_0199c0ffee0070008000000000000001";
    let link = ask(&rig, "post", &format!("{running}/links"), &[], "").await;
    document.answer("post", "/v1/streams/{id}/links", &link);
    let cap = link.json()["cap"].as_str().unwrap().to_owned();
    let stranger = [("x-api-key", "stranger")];
    let reader =
        rig.http.get(format!("{}{running}/events?cap={cap}", rig.gateway.url())).send().await.unwrap();
    let of = |path: &str, stream: &str| format!("{stream}{path}");
    for (method, path, actual, headers, body, status) in [
        ("post", "/v1/messages", "/v1/messages".to_owned(), &[][..], "{", 400),
        ("post", "/v1/messages", "/v1/messages".to_owned(), &stranger[..], &*body, 401),
        ("post", "/v1/messages", "/v1/messages".to_owned(), &[], &*large, 413),
        ("post", "/v1/messages", "/v1/messages".to_owned(), &[("perennial-sim", "status=429")], &*body, 429),
        ("post", "/v1/streams", "/v1/streams".to_owned(), &[("perennial-on-disconnect", "no")], &*body, 400),
        ("post", "/v1/streams", "/v1/streams".to_owned(), &stranger, &*body, 401),
        ("post", "/v1/streams", "/v1/streams".to_owned(), &key, "{\"another\":1}", 409),
        ("post", "/v1/streams", "/v1/streams".to_owned(), &[], &*large, 413),
        ("get", "/v1/streams", "/v1/streams?limit=0".to_owned(), &[], "", 400),
        ("get", "/v1/streams", "/v1/streams".to_owned(), &stranger, "", 401),
        ("get", "/v1/streams/{id}", "/v1/streams/x".to_owned(), &[], "", 400),
        ("get", "/v1/streams/{id}", running.clone(), &stranger, "", 401),
        ("get", "/v1/streams/{id}", none.to_owned(), &[], "", 404),
        ("get", "/v1/streams/{id}", gone.clone(), &[], "", 410),
        ("delete", "/v1/streams/{id}", none.to_owned(), &[], "", 404),
        ("delete", "/v1/streams/{id}", gone.clone(), &[], "", 204),
        ("get", "/v1/streams/{id}/message", of("/message", none), &[], "", 404),
        ("post", "/v1/streams/{id}/cancel", of(&format!("/cancel?cap={cap}"), &running), &[], "", 403),
        ("post", "/v1/streams/{id}/cancel", of("/cancel?cap=x", &running), &[], "", 401),
        ("post", "/v1/streams/{id}/cancel", of("/cancel", &gone), &[], "", 410),
        ("post", "/v1/streams/{id}/links", of("/links", &running), &[], "{\"scope\":\"all\"}", 400),
        ("get", "/v1/streams/{id}/events", of("/events?after=x", &running), &[], "", 400),
        ("get", "/v1/streams/{id}/events", of("/events", none), &[], "", 404),
        ("get", "/v1/streams/{id}/events", of("/events", &running), &[("accept", "image/png")], "", 406),
        ("get", "/v1/streams/{id}/events", of("/events", &gone), &[], "", 410),
        ("get", "/v1/streams/{id}/events", of("/events?format=text", &running), &[], "", 429),
        ("get", "/v1/streams/{id}/events", of("/events", &running), &[], "", 200),
        ("get", "/v1/events", "/v1/events".to_owned(), &[], "", 400),
        ("get", "/v1/events", "/v1/events?streams=strm_x".to_owned(), &stranger, "", 401),
        ("get", "/v1/ws", "/v1/ws".to_owned(), &[], "", 400),
        ("get", "/", "/".to_owned(), &[], "", 200),
        ("get", "/openapi.json", "/openapi.json".to_owned(), &[], "", 200),
        ("get", "/api/hello", "/api/hello".to_owned(), &[], "", 200),
        ("get", "/healthz", "/healthz".to_owned(), &[], "", 200),
        ("get", "/readyz", "/readyz".to_owned(), &[], "", 200),
        ("get", "/v1/models", "/v1/models".to_owned(), &[], "", 200),
    ] {
        let answer = ask(&rig, method, &actual, headers, body).await;
        assert_eq!(answer.status, status, "{method} {actual}: {}", answer.text());
        document.answer(method, path, &answer);
    }
    drop(reader);
    // Two that run are as many as this key may have: the first, and this one.
    make(&rig, &mut document, "stall@headers").await;
    let answer = ask(&rig, "post", "/v1/streams", &[], &body).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    document.answer("post", "/v1/streams", &answer);

    let rig = Rig::new().await;
    let stream = make(&rig, &mut document, "").await;
    for headers in [[("origin", "https://evil.example")], [("host", "evil.example")]] {
        let answer = ask(&rig, "get", &format!("/v1/streams/{stream}"), &headers, "").await;
        assert_eq!(answer.status, 403);
        document.answer("get", "/v1/streams/{id}", &answer);
    }
    let answer =
        ask(&rig, "get", &format!("/v1/streams/{stream}/events?format=ndjson&after=99.9"), &[], "").await;
    assert_eq!(answer.status, 412);
    document.answer("get", "/v1/streams/{id}/events", &answer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_are_as_documented() {
    let history = perennial_history::History::open("sqlite::memory:").await.unwrap();
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).history(history)).await;
    let mut document = Document::of(&rig).await;
    let all = "/v1/conversations";
    let made =
        ask(&rig, "post", all, &[], r#"{"model":"claude-opus-4-8","settings":{"thinking":true}}"#).await;
    document.answer("post", all, &made);
    let conversation = made.json()["id"].as_str().unwrap().to_owned();
    let (of, one) = (format!("{all}/{conversation}"), "/v1/conversations/{id}");
    let mut asked = Vec::new();
    for (key, orders) in [("a", "stall@event=9"), ("a", ""), ("b", "")] {
        let headers = [("idempotency-key", key), ("perennial-sim", orders)];
        let answer =
            ask(&rig, "post", &format!("{of}/turns"), &headers, r#"{"content":"Hello","parent":null}"#).await;
        document.answer("post", &format!("{one}/turns"), &answer);
        asked.push(answer.json()["assistant"]["id"].as_str().unwrap().to_owned());
    }
    let waits = format!(r#"{{"content":"Then?","parent":"{}","queue":true}}"#, asked[0]);
    for (body, status) in
        [(waits.as_str(), 201), (r#"{"content":""}"#, 400), (&waits.replace("true", "false"), 409)]
    {
        let answer = ask(&rig, "post", &format!("{of}/turns"), &[], body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        document.answer("post", &format!("{one}/turns"), &answer);
    }
    let of_turn = format!("{of}/turns/{}", asked[0]);
    for word in ["stop", "retry", "continue", "continue"] {
        let answer = ask(&rig, "post", &format!("{of_turn}/{word}"), &[], "").await;
        document.answer("post", &format!("{one}/turns/{{turn}}/{word}"), &answer);
    }
    for query in ["", "?format=tape", "?format=text"] {
        let answer = ask(&rig, "get", &format!("{of}{query}"), &[], "").await;
        document.answer("get", one, &answer);
    }
    for query in ["", "?limit=1", "?q=hello", "?limit=0"] {
        let answer = ask(&rig, "get", &format!("{all}{query}"), &[], "").await;
        document.answer("get", all, &answer);
    }
    let changed = ask(&rig, "patch", &of, &[], r#"{"title":"Other","system":null}"#).await;
    document.answer("patch", one, &changed);
    let exported = ask(&rig, "get", &format!("{of}/export"), &[], "").await;
    document.answer("get", &format!("{one}/export"), &exported);
    let imported = ask(&rig, "post", &format!("{all}/import"), &[], exported.text()).await;
    document.answer("post", &format!("{all}/import"), &imported);
    for path in ["/v1/session", "/"] {
        let answer = ask(&rig, "get", path, &[], "").await;
        document.answer("get", path, &answer);
    }
    for accept in ["text/html", "*/*"] {
        let answer = ask(&rig, "get", &format!("/c/{conversation}"), &[("accept", accept)], "").await;
        document.answer("get", "/c/{id}", &answer);
    }
    let form = ask(&rig, "post", "/c", &[], "text=Hello").await;
    document.answer("post", "/c", &form);
    for _ in 0..2 {
        let deleted = ask(&rig, "delete", &of, &[], "").await;
        document.answer("delete", one, &deleted);
    }
    let gone = ask(&rig, "get", &of, &[], "").await;
    document.answer("get", one, &gone);
}
