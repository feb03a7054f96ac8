//! Conversations: asked, answered by streams, stopped, gone on with, and what is left of them after a kill.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use perennial_gateway::{Builder, FetchPolicy, Gateway, Handle, Key, Recovery};
use perennial_history::History;
use perennial_log::{DiskLog, DiskOptions, Log, ReserveBytes};
use perennial_sim::{Pace, Phase, Scenario};
use reqwest::Method;
use serde_json::{Value, json};

use crate::native::Growing;
use crate::rig::{Answer, PATIENCE, Rig, quick, receive, simulator};

/// What stands between the gateway and the simulator and writes down what is asked.
#[derive(Clone)]
struct Recorder {
    to: String,
    http: reqwest::Client,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Recorder {
    async fn start(to: String) -> (Self, String) {
        let recorder = Self { to, http: client(), bodies: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(Self::pass).with_state(recorder.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (recorder, url)
    }

    async fn pass(State(recorder): State<Self>, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        if head.method == Method::POST {
            recorder.bodies.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        }
        let mut headers = head.headers;
        headers.remove("host");
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let sent = recorder.http.request(head.method, format!("{}{path}", recorder.to)).headers(headers);
        let answer = sent.body(body).send().await.unwrap();
        let mut response = Response::builder().status(answer.status());
        response.headers_mut().unwrap().extend(answer.headers().clone());
        response.headers_mut().unwrap().remove("transfer-encoding");
        response.body(Body::from_stream(answer.bytes_stream())).unwrap()
    }
}

/// A gateway with conversations, and what its upstream was asked.
struct Room {
    rig: Rig,
    recorder: Recorder,
}

impl std::ops::Deref for Room {
    type Target = Rig;

    fn deref(&self) -> &Rig {
        &self.rig
    }
}

async fn rig(change: impl FnOnce(Builder) -> Builder) -> Room {
    rig_with(simulator(), change).await
}

async fn rig_with(sim: perennial_sim::Builder, change: impl FnOnce(Builder) -> Builder) -> Room {
    let sim = sim.pace(Pace::instant()).spawn().await.unwrap();
    let (recorder, url) = Recorder::start(sim.url()).await;
    let history = History::open("sqlite::memory:").await.unwrap();
    let builder = Gateway::builder(url).recovery(Recovery::none()).clocks(quick()).history(history);
    let gateway = change(builder).build().unwrap().spawn().await.unwrap();
    Room { rig: Rig { sim, gateway, http: client() }, recorder }
}

impl Rig {
    async fn say(&self, method: Method, path: &str, body: &Value, orders: &str) -> Answer {
        let request = self.call(method, path).header("perennial-sim", orders).body(body.to_string());
        receive(request).await
    }

    /// A new conversation's name.
    async fn talk(&self, body: Value) -> String {
        let made = self.say(Method::POST, "/v1/conversations", &body, "").await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    }

    async fn tell(&self, conversation: &str, body: Value, orders: &str) -> Value {
        let path = format!("/v1/conversations/{conversation}/turns");
        let made = self.say(Method::POST, &path, &body, orders).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()
    }

    async fn conversation(&self, id: &str) -> Value {
        let shown = self.get(&format!("/v1/conversations/{id}")).await;
        assert_eq!(shown.status, 200, "{}", shown.text());
        shown.json()
    }

    async fn feed(&self) -> Growing {
        let mut feed = Growing::open(self.call(Method::GET, "/v1/conversations/events")).await;
        feed.until("event: hello").await;
        feed
    }

    /// The conversation, once it is as it should be; told by the feed, not by asking again and again.
    async fn once(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut feed = self.feed().await;
        loop {
            let shown = self.conversation(id).await;
            if is_so(&shown) {
                return shown;
            }
            feed.body.clear();
            tokio::time::timeout(PATIENCE, feed.until("event: conversation"))
                .await
                .unwrap_or_else(|_| panic!("it never is so: {shown:#}"));
        }
    }

    async fn over(&self, id: &str) -> Value {
        self.once(id, |shown| turns(shown).iter().all(|turn| !is_open(turn))).await
    }
}

fn turns(shown: &Value) -> &Vec<Value> {
    shown["turns"].as_array().unwrap()
}

fn is_open(turn: &Value) -> bool {
    turn["state"] == "running" || turn["state"] == "queued"
}

fn turn<'a>(shown: &'a Value, id: &Value) -> &'a Value {
    turns(shown).iter().find(|turn| turn["id"] == *id).unwrap_or_else(|| panic!("no {id} in {shown:#}"))
}

fn text(turn: &Value) -> String {
    let blocks = turn["content"].as_array().unwrap();
    blocks.iter().filter_map(|block| block["text"].as_str()).collect()
}

/// What the upstream was asked, request by request.
fn asked(room: &Room) -> Vec<Value> {
    room.recorder.bodies.lock().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_answered_by_a_stream_and_kept() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({"model": "claude-opus-4-8", "system": "Be brief."})).await;
    let made = rig.tell(&id, json!({"parent": null, "content": "Why is the **sea** blue?"}), "").await;
    assert_eq!((&made["user"]["role"], &made["assistant"]["state"]), (&json!("user"), &json!("running")));
    let stream = made["assistant"]["stream"].as_str().unwrap();
    let message = rig.lines(stream).await;
    assert_eq!(message.last().unwrap()["event"], "perennial.terminal");
    let shown = rig.over(&id).await;
    let answer = turn(&shown, &made["assistant"]["id"]);
    let folded = rig.get(&format!("/v1/streams/{stream}/message")).await.json();
    assert_eq!(answer["content"], folded["content"], "what the stream had");
    assert_eq!((&answer["state"], &answer["stop_reason"]), (&json!("completed"), &json!("end_turn")));
    assert!(answer["usage"]["output_tokens"].as_u64().unwrap() > 0 && answer["timing"]["elapsed_ms"].is_number());
    assert_eq!(shown["title"], "Why is the **sea** blue?");
    assert_eq!((&shown["head"], &shown["live"]), (&answer["id"], &Value::Null));

    // The next question goes up with all that was said.
    rig.tell(&id, json!({"content": [{"type": "text", "text": "And the sky?"}]}), "").await;
    let shown = rig.over(&id).await;
    assert_eq!(turns(&shown).len(), 4);
    let asked = asked(&rig);
    let messages = asked[1]["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert_eq!(messages[1]["content"], folded["content"], "as it came");
    assert_eq!((&asked[1]["system"], &asked[1]["model"]), (&json!("Be brief."), &json!("claude-opus-4-8")));

    // An edited question is a branch of its own; the text of the last answer for who takes only text; and tapes for pages.
    let edited = rig.tell(&id, json!({"parent": null, "content": "Why is grass green?"}), "").await;
    let shown = rig.over(&id).await;
    assert_eq!((turns(&shown).len(), &shown["head"]), (6, &edited["assistant"]["id"]));
    let taped = rig.get(&format!("/v1/conversations/{id}?format=tape")).await.json();
    let block = &turn(&taped, &edited["assistant"]["id"])["content"][0];
    assert_eq!((&block["tape"]["v"], &block["tape"]["seq"]), (&json!(1), &json!(0)));
    assert!(!block["tape"]["ops"].as_array().unwrap().is_empty());
    let plain = receive(rig.call(Method::GET, &format!("/c/{id}"))).await;
    assert_eq!(plain.text().trim_end(), text(turn(&shown, &edited["assistant"]["id"])).trim_end());
    let found = rig.get("/v1/conversations?q=grass").await.json();
    assert_eq!((&found["data"][0]["id"], found["hits"].as_array().unwrap().len()), (&json!(id), 1));
    assert!(rig.get("/v1/conversations?q=nowhere").await.json()["data"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_stopped_in_any_state_and_gone_on_with() {
    for (orders, phase) in [("stall@headers", Phase::BeforeHeaders), ("stall@event=9", Phase::Content)] {
        let rig = rig(|gateway| gateway).await;
        let id = rig.talk(json!({"model": "claude-opus-4-8"})).await;
        let made = rig.tell(&id, json!({"content": "Write about the sea."}), orders).await;
        rig.reached(phase).await;
        if phase == Phase::Content {
            let stream = made["assistant"]["stream"].as_str().unwrap();
            let mut reading =
                Growing::open(rig.call(Method::GET, &format!("/v1/streams/{stream}/events"))).await;
            reading.until("text_delta").await;
        }
        let busy = rig.say(Method::POST, &format!("/v1/conversations/{id}/turns"), &json!({"content": "More"}), "").await;
        assert_eq!(busy.status, 409, "{}", busy.text());
        let answer = made["assistant"]["id"].as_str().unwrap();
        let path = format!("/v1/conversations/{id}/turns/{answer}");
        for _ in 0..2 {
            let stopped = rig.say(Method::POST, &format!("{path}/stop"), &json!({}), "").await;
            assert_eq!((stopped.status, &stopped.json()["turn"]["state"]), (200, &json!("cancelled")), "{orders}");
        }
        let shown = rig.conversation(&id).await;
        let said = text(turn(&shown, &made["assistant"]["id"]));
        assert_eq!(said.is_empty(), phase == Phase::BeforeHeaders);

        let more = rig.say(Method::POST, &format!("{path}/continue"), &json!({}), "").await;
        assert_eq!(more.status, 201, "{}", more.text());
        let more = more.json()["assistant"].clone();
        assert_eq!((&more["continues"], &more["parent"]), (&json!(answer), &json!(answer)));
        rig.over(&id).await;
        let asked = asked(&rig);
        let messages = asked.last().unwrap()["messages"].as_array().unwrap();
        if said.is_empty() {
            assert_eq!(messages.len(), 1, "nothing came: the same is asked again");
        } else {
            assert_eq!(messages[1]["content"][0]["text"], json!(said));
            assert!(messages[2]["content"][0]["text"].as_str().unwrap().contains("Go on exactly where it stopped"));
        }
        // What is whole is not gone on with; it is asked for again beside it.
        let more = more["id"].as_str().unwrap();
        let path = format!("/v1/conversations/{id}/turns/{more}");
        assert_eq!(rig.say(Method::POST, &format!("{path}/continue"), &json!({}), "").await.status, 409);
        let retried = rig.say(Method::POST, &format!("{path}/retry"), &json!({}), "").await;
        assert_eq!((retried.status, &retried.json()["assistant"]["parent"]), (201, &json!(answer)));
        rig.over(&id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_waits_for_the_answer_before_it() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({})).await;
    let first = rig.tell(&id, json!({"content": "One"}), "stall@event=12,times=1").await;
    rig.reached(Phase::Content).await;
    let second = rig.tell(&id, json!({"content": "Two", "queue": true}), "").await;
    let third = rig.tell(&id, json!({"content": "Three", "queue": true}), "").await;
    assert_eq!((&second["assistant"]["state"], &third["assistant"]["state"]), (&json!("queued"), &json!("queued")));
    // The one in the middle is taken back; the last still waits for the first.
    let middle = second["assistant"]["id"].as_str().unwrap();
    let stopped = rig.say(Method::POST, &format!("/v1/conversations/{id}/turns/{middle}/stop"), &json!({}), "").await;
    assert_eq!(stopped.json()["turn"]["state"], "cancelled");
    assert_eq!(rig.sim.journal().entries().len(), 1);
    let running = first["assistant"]["id"].as_str().unwrap();
    rig.say(Method::POST, &format!("/v1/conversations/{id}/turns/{running}/stop"), &json!({}), "").await;
    let shown = rig.over(&id).await;
    assert_eq!(turn(&shown, &third["assistant"]["id"])["state"], "completed");
    let asked = asked(&rig);
    assert_eq!(asked.len(), 2);
    let said: Vec<_> = asked[1]["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(said, ["user", "assistant", "user"]);
    let last = asked[1]["messages"][2]["content"].as_array().unwrap();
    assert_eq!(last.iter().map(|block| block["text"].as_str().unwrap()).collect::<Vec<_>>(), ["Two", "Three"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_is_repeated_is_asked_once() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({})).await;
    let ask = async |content: &str| {
        let request = rig.call(Method::POST, &format!("/v1/conversations/{id}/turns"));
        receive(request.header("idempotency-key", "k").body(json!({"content": content}).to_string())).await
    };
    let (one, other) = (ask("Once").await, ask("Once").await);
    assert_eq!((one.status, other.status), (201, 200));
    assert_eq!(one.json()["assistant"]["id"], other.json()["assistant"]["id"]);
    assert_eq!(ask("Something else").await.status, 409);
    let shown = rig.over(&id).await;
    assert_eq!((turns(&shown).len(), rig.sim.journal().entries().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_and_writes_nothing() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({})).await;
    let turns_path = format!("/v1/conversations/{id}/turns");
    for (method, path, body, status) in [
        (Method::POST, "/v1/conversations", json!({"settings": {"tools": ["shell"]}}), 400),
        (Method::POST, "/v1/conversations", json!({"settings": {"max_tokens": 0}}), 400),
        (Method::POST, "/v1/conversations", json!({"settings": {"thinking": "a lot"}}), 400),
        (Method::POST, "/v1/conversations", json!({"colour": "blue"}), 400),
        (Method::POST, &turns_path, json!({"content": " "}), 400),
        (Method::POST, &turns_path, json!({"content": []}), 400),
        (Method::POST, &turns_path, json!({"content": [1]}), 400),
        (Method::POST, &turns_path, json!({}), 400),
        (Method::POST, &turns_path, json!({"content": "x", "parent": "turn_none"}), 404),
        (Method::POST, "/v1/conversations/conv_none/turns", json!({"content": "x"}), 404),
        (Method::GET, "/v1/conversations/conv_none", json!({}), 404),
        (Method::GET, "/v1/conversations?limit=0", json!({}), 400),
        (Method::POST, "/v1/conversations/import", json!({"type": "something"}), 400),
        (Method::PATCH, &format!("/v1/conversations/{id}"), json!({"head": "turn_none"}), 404),
    ] {
        let answer = rig.say(method.clone(), path, &body, "").await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
        assert_eq!(answer.json()["type"], "error");
    }
    assert!(turns(&rig.conversation(&id).await).is_empty());
    let without = Rig::new().await;
    assert!(without.get("/v1/conversations").await.text().contains("keeps no conversations"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_changed_exported_imported_and_deleted() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({"title": "Mine"})).await;
    rig.tell(&id, json!({"content": "Hello"}), "").await;
    rig.over(&id).await;
    let mut feed = rig.feed().await;
    let path = format!("/v1/conversations/{id}");
    let settings = json!({"thinking": "omitted", "max_tokens": 100, "tools": ["clock"]});
    let changed = rig.say(Method::PATCH, &path, &json!({"title": "Ours", "settings": settings}), "").await.json();
    assert_eq!((&changed["title"], &changed["settings"]), (&json!("Ours"), &settings));
    feed.until(&format!("\"id\":\"{id}\"")).await;
    let document = rig.get(&format!("{path}/export")).await.json();
    let imported = rig.say(Method::POST, "/v1/conversations/import", &document, "").await;
    let copy = imported.json()["data"][0]["id"].as_str().unwrap().to_owned();
    assert_ne!(copy, id, "the name is taken");
    let texts = |shown: &Value| turns(shown).iter().map(text).collect::<Vec<_>>();
    assert_eq!(texts(&rig.conversation(&copy).await), texts(&rig.conversation(&id).await));
    assert_eq!(rig.say(Method::DELETE, &path, &json!({}), "").await.status, 204);
    feed.until("\"deleted\":true").await;
    assert_eq!(rig.get(&path).await.status, 404);
}

/// What several processes after one another have in common.
struct House {
    folder: tempfile::TempDir,
    sim: perennial_sim::Handle,
}

struct Home {
    runtime: tokio::runtime::Runtime,
    handle: Handle,
    log: Arc<dyn Log>,
}

impl House {
    async fn new() -> Self {
        let sim = simulator().pace(Pace::instant()).spawn().await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), sim }
    }

    /// A gateway on a runtime of its own, which is gone all at once with it.
    async fn start(&self, recovers: bool) -> Home {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (url, folder) = (self.sim.url(), self.folder.path().to_owned());
        let options = DiskOptions::new().reserve(ReserveBytes::new(0));
        let log: Arc<dyn Log> = Arc::new(DiskLog::open(folder.join("log"), options).await.unwrap());
        let for_gateway = Arc::clone(&log);
        let starting = runtime.spawn(async move {
            let history = History::open_file(folder.join("conversations.db")).await.unwrap();
            let recovery = if recovers { Recovery::default() } else { Recovery::none() };
            let builder = Gateway::builder(url).clocks(quick()).recovery(recovery).log(for_gateway).history(history);
            builder.upstream_key(Key::new("sk-own").unwrap()).build().unwrap().spawn().await.unwrap()
        });
        let handle = starting.await.unwrap();
        Home { runtime, handle, log }
    }
}

impl Home {
    fn url(&self) -> String {
        self.handle.url()
    }

    /// As `kill -9` does: no task does anything any more, and no last word is written.
    async fn kill(self) {
        let Self { runtime, handle, log } = self;
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.unwrap();
        drop(handle);
        log.close().await.unwrap();
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn call(home: &Home, method: Method, path: &str, body: Value, orders: &str) -> Value {
    let request = client().request(method, format!("{}{path}", home.url()));
    // All attempts belong together for the simulator, the one that asks for the rest too.
    let request = request.header("perennial-sim", orders).header("perennial-sim-key", "one");
    let answer = receive(request.body(body.to_string())).await;
    assert!(answer.status < 300, "{path}: {}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_in_the_middle_of_an_answer_its_end_reaches_its_turn() {
    for (orders, recovers, state) in [
        // Gone on with by the next process.
        ("stall@event=9,times=1", true, "completed"),
        ("stall@headers,times=1", true, "completed"),
        // Nothing is gone on with: what came stands.
        ("stall@event=9,times=1", false, "interrupted"),
    ] {
        let house = House::new().await;
        let first = house.start(recovers).await;
        let id = call(&first, Method::POST, "/v1/conversations", json!({"model": "claude-opus-4-8"}), "").await["id"].clone();
        let path = format!("/v1/conversations/{}", id.as_str().unwrap());
        let made = call(&first, Method::POST, &format!("{path}/turns"), json!({"content": "Write about two hundred words on the sea."}), orders).await;
        let waiting = call(&first, Method::POST, &format!("{path}/turns"), json!({"content": "And then?", "queue": true}), "").await;
        let phase = if orders.contains("headers") { Phase::BeforeHeaders } else { Phase::Content };
        let reached = house.sim.journal().wait_for(|entry| entry.phase >= phase && !entry.is_over());
        tokio::time::timeout(PATIENCE, reached).await.expect("it is asked");
        let stream = made["assistant"]["stream"].as_str().unwrap();
        let seen = {
            let poll = format!("{}/v1/streams/{stream}/events?live=poll&format=text&wait=0.3", first.url());
            receive(client().get(poll)).await.text().to_owned()
        };
        first.kill().await;

        let second = house.start(recovers).await;
        // The recovered stream's end is awaited, then its turn's and that of the one that waits, on the feed.
        let whole = receive(client().get(format!("{}/v1/streams/{stream}/events", second.url())));
        if tokio::time::timeout(PATIENCE / 2, whole).await.is_err() {
            let shown = receive(client().get(format!("{}/v1/streams/{stream}", second.url()))).await;
            panic!("{orders}: it does not end: {}", shown.text());
        }
        let feed = client().get(format!("{}/v1/conversations/events", second.url()));
        let mut feed = Growing::open(feed).await;
        feed.until("event: hello").await;
        let shown = loop {
            let shown = call(&second, Method::GET, &path, json!({}), "").await;
            if !turns(&shown).iter().any(is_open) {
                break shown;
            }
            feed.body.clear();
            tokio::time::timeout(PATIENCE, feed.until("event: conversation"))
                .await
                .unwrap_or_else(|_| panic!("{orders}: never over: {shown:#}"));
        };
        let answer = turn(&shown, &made["assistant"]["id"]);
        assert_eq!(answer["state"], state, "{orders}: {answer:#}");
        assert!(text(answer).starts_with(&seen), "{orders}: what was seen stands");
        assert_eq!(turn(&shown, &waiting["assistant"]["id"])["state"], "completed", "{orders}: what waited was begun");
        second.kill().await;
        house.sim.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_without_scripts_has_the_answer_in_the_one_response() {
    // A form brings no key.
    let rig = rig(|gateway| gateway.upstream_key(Key::new("sk-own").unwrap())).await;
    let form = |body: &'static str| {
        let request = rig.http.post(format!("{}/c", rig.gateway.url()));
        request.header("content-type", "application/x-www-form-urlencoded").header("accept", "text/html").body(body)
    };
    let page = receive(form("text=Why+is+%3Cb%3E+the+sea+blue%3F")).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    let html = page.text();
    assert!(html.contains("Why is &lt;b&gt; the sea blue?") && html.trim_end().ends_with("</html>"), "{html}");
    let id = html.split("name=\"conversation\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let shown = rig.over(&id).await;
    let words = text(&turns(&shown)[1]);
    let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 3).collect::<Vec<_>>();
    assert!(words.len() > 5 && words.iter().take(20).all(|word| html.contains(word)), "{html}");
    // The conversation's own page has both, and so has the list.
    for path in [format!("/c/{id}"), "/".to_owned()] {
        let request = rig.http.get(format!("{}{path}", rig.gateway.url())).header("accept", "text/html");
        let page = receive(request).await;
        let plain = page.text().split("<noscript>").nth(1).unwrap().to_owned();
        assert!(plain.contains("the sea blue?"), "{path}: {plain}");
    }
    assert_eq!(receive(form("text=+")).await.status, 400);
    let foreign = receive(form("text=x").header("origin", "https://evil.example")).await;
    assert_eq!(foreign.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_says_what_pages_need() {
    let rig = rig(|gateway| gateway.mode(perennial_gateway::Mode::Simulated)).await;
    let session = rig.get("/v1/session").await.json();
    assert_eq!((&session["mode"], &session["keys"], &session["conversations"]), (&json!("sim"), &json!(false), &json!(true)));
    assert!(session["models"].as_array().unwrap().iter().any(|model| model["id"].as_str().unwrap().contains("claude")));
    assert!(session["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "calculator"));
}

const STEPS: &str = r#"
[[step]]
text = "Let me compute that."
tools = [{ name = "calculator", input = { expression = "6 * 7" } }, { name = "clock", input = {} }]

[[step]]
text = "It is 42."
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_are_carried_out_and_what_waits_waits_for_all_of_it() {
    let rig = rig_with(simulator().scenario(Scenario::parse(STEPS).unwrap()), |gateway| gateway).await;
    let tools = json!({"settings": {"tools": ["calculator", "clock"]}});
    let id = rig.talk(tools).await;
    let made = rig.tell(&id, json!({"content": "What is six times seven?"}), "").await;
    let shown = rig.once(&id, |shown| turns(shown).len() == 4 && !turns(shown).iter().any(is_open)).await;
    let first = turn(&shown, &made["assistant"]["id"]);
    assert_eq!(first["stop_reason"], "tool_use");
    let given = turns(&shown).iter().find(|turn| turn["by"] == "tools").unwrap();
    assert_eq!((&given["parent"], &given["content"][0]["content"]), (&first["id"], &json!("42")));
    assert!(given["content"][1]["content"].as_str().unwrap().contains("(UTC)"));
    let last = turn(&shown, &shown["head"]);
    assert_eq!((&last["parent"], text(last).as_str()), (&given["id"], "It is 42."));
    let asked = asked(&rig);
    assert_eq!(asked[0]["tools"].as_array().unwrap().len(), 2);
    assert_eq!(asked[1]["messages"][1]["content"], first["content"], "as it came");
    assert_eq!(asked[1]["messages"][2]["content"], given["content"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_loop_has_an_end() {
    let step = "[[step]]\ntools = [{ name = \"calculator\", input = { expression = \"1 + 1\" } }]\n";
    let rig = rig_with(simulator().scenario(Scenario::parse(&step.repeat(40)).unwrap()), |gateway| gateway).await;
    let id = rig.talk(json!({"settings": {"tools": ["calculator"]}})).await;
    rig.tell(&id, json!({"content": "Count for ever."}), "").await;
    rig.once(&id, |shown| turns(shown).len() >= 34 && !turns(shown).iter().any(is_open)).await;
    let asked = asked(&rig);
    let words: Vec<bool> = asked.iter().map(|body| body["tool_choice"]["type"] == "none").collect();
    assert!(!words[0] && words.iter().filter(|none| **none).count() == 1 && words[words.len() - 1], "{words:?}");
    assert_eq!(asked.len(), 17);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_loop_is_stopped_between_two_steps_and_fetches_only_what_it_may() {
    // A host that takes the request and says nothing, so that the tool is waited for.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let step = format!("[[step]]\ntools = [{{ name = \"fetch\", input = {{ url = \"http://{host}/\" }} }}]\n");
    for allowed in [true, false] {
        let policy = FetchPolicy::of(allowed.then(|| host.clone()));
        let scenario = Scenario::parse(&step).unwrap();
        let rig = rig_with(simulator().scenario(scenario), |gateway| gateway.fetch(policy)).await;
        let id = rig.talk(json!({"settings": {"tools": ["fetch"]}})).await;
        let made = rig.tell(&id, json!({"content": "Look there."}), "").await;
        if !allowed {
            let shown = rig.once(&id, |shown| turns(shown).len() == 4 && !turns(shown).iter().any(is_open)).await;
            let given = turns(&shown).iter().find(|turn| turn["by"] == "tools").unwrap();
            assert_eq!(given["content"][0]["is_error"], true);
            assert!(given["content"][0]["content"].as_str().unwrap().contains("allowed no hosts"));
            continue;
        }
        let (_socket, _) = tokio::time::timeout(PATIENCE, silent.accept()).await.expect("it is fetched").unwrap();
        let answer = made["assistant"]["id"].as_str().unwrap();
        let path = format!("/v1/conversations/{id}/turns/{answer}/stop");
        let stopped = rig.say(Method::POST, &path, &json!({}), "").await;
        assert_eq!(stopped.status, 200, "{}", stopped.text());
        let shown = rig.conversation(&id).await;
        let last = turn(&shown, &shown["head"]);
        assert_eq!((turns(&shown).len(), &last["state"]), (4, &json!("cancelled")), "{shown:#}");
        assert_eq!(asked(&rig).len(), 1, "no further step is asked for");
        assert_eq!(rig.say(Method::POST, &path, &json!({}), "").await.status, 200);
    }
}
