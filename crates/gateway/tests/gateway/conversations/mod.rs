//! Conversations: asked, answered by streams, stopped, gone on with, and what is left of them after a kill.

mod gate;
mod kill;
mod loops;
mod moments;
mod owners;
mod page;
mod refuses;
mod talk;
mod tools;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use parking_lot::Mutex;
use perennial_gateway::{Builder, Gateway, Recovery};
use perennial_history::History;
use perennial_sim::Pace;
use reqwest::Method;
use serde_json::Value;

use crate::native::Growing;
use crate::rig::{Answer, PATIENCE, Rig, quick, receive, simulator};

/// What stands between the gateway and the simulator and writes down what is asked.
#[derive(Clone)]
pub(super) struct Recorder {
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
            recorder.bodies.lock().push(serde_json::from_slice(&body).unwrap());
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
pub(super) struct Room {
    pub(super) rig: Rig,
    recorder: Recorder,
}

impl std::ops::Deref for Room {
    type Target = Rig;

    fn deref(&self) -> &Rig {
        &self.rig
    }
}

pub(super) async fn rig(change: impl FnOnce(Builder) -> Builder) -> Room {
    rig_with(simulator(), change).await
}

pub(super) async fn rig_with(sim: perennial_sim::Builder, change: impl FnOnce(Builder) -> Builder) -> Room {
    let sim = sim.pace(Pace::instant()).spawn().await.unwrap();
    let (recorder, url) = Recorder::start(sim.url()).await;
    let history = History::open("sqlite::memory:").await.unwrap();
    let builder = Gateway::builder(url).recovery(Recovery::none()).clocks(quick()).history(history);
    let gateway = change(builder).build().unwrap().spawn().await.unwrap();
    Room { rig: Rig { sim, gateway, http: client() }, recorder }
}

impl Rig {
    pub(super) async fn say(&self, method: Method, path: &str, body: &Value, orders: &str) -> Answer {
        let request = self.call(method, path).header("perennial-sim", orders).body(body.to_string());
        receive(request).await
    }

    /// A new conversation's name.
    pub(super) async fn talk(&self, body: Value) -> String {
        let made = self.say(Method::POST, "/v1/conversations", &body, "").await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn tell(&self, conversation: &str, body: Value, orders: &str) -> Value {
        let path = format!("/v1/conversations/{conversation}/turns");
        let made = self.say(Method::POST, &path, &body, orders).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()
    }

    pub(super) async fn conversation(&self, id: &str) -> Value {
        let shown = self.get(&format!("/v1/conversations/{id}")).await;
        assert_eq!(shown.status, 200, "{}", shown.text());
        shown.json()
    }

    pub(super) async fn feed(&self) -> Growing {
        let mut feed = Growing::open(self.call(Method::GET, "/v1/conversations/events")).await;
        feed.until("event: hello").await;
        feed
    }

    /// The conversation, once it is as it should be; told by the feed, not by asking again and again.
    pub(super) async fn once(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
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

    pub(super) async fn over(&self, id: &str) -> Value {
        // The conversation is read before its turns: the last of them may have ended between the two.
        self.once(id, |shown| shown["live"].is_null() && turns(shown).iter().all(|turn| !is_open(turn))).await
    }
}

pub(super) fn turns(shown: &Value) -> &Vec<Value> {
    shown["turns"].as_array().unwrap()
}

pub(super) fn is_open(turn: &Value) -> bool {
    turn["state"] == "running" || turn["state"] == "queued"
}

pub(super) fn turn<'a>(shown: &'a Value, id: &Value) -> &'a Value {
    turns(shown).iter().find(|turn| turn["id"] == *id).unwrap_or_else(|| panic!("no {id} in {shown:#}"))
}

pub(super) fn text(turn: &Value) -> String {
    let blocks = turn["content"].as_array().unwrap();
    blocks.iter().filter_map(|block| block["text"].as_str()).collect()
}

/// What the upstream was asked, request by request.
pub(super) fn asked(room: &Room) -> Vec<Value> {
    room.recorder.bodies.lock().clone()
}

pub(super) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}
