//! Tool loops of a process that is killed at each of their steps, and of the next one, which goes on with them.

use perennial_gateway::FetchPolicy;
use perennial_history::{Content, Ended, History, NewTurn, State};
use perennial_log::StreamId;
use perennial_sim::{Phase, Scenario};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::kill::{Home, House, call};
use super::{client, is_open, text, turn, turns};
use crate::native::Growing;
use crate::postgres::Postgres;
use crate::rig::{PATIENCE, receive, simulator};

const SAID: &str = "The page says hello, which is a good thing to say, and nothing else.";

/// A house whose model fetches a page once and says what it makes of it, and the page's host.
struct Loop {
    house: House,
    page: TcpListener,
}

/// A question whose answer takes two steps, and one that waits for it.
struct Talk {
    path: String,
    first: Value,
    waiting: Value,
}

impl Loop {
    async fn new() -> Self {
        Self::with(["", "", ""]).await
    }

    /// With what becomes of the first request for the first step, and of those for the second. One that is broken is asked for again, and is the next.
    async fn with(orders: [&str; 3]) -> Self {
        let page = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = page.local_addr().unwrap().to_string();
        let look = format!(
            "text = \"I look.\"\ntools = [{{ name = \"fetch\", input = {{ url = \"http://{host}/\" }} }}]"
        );
        let said = format!("text = \"{SAID}\"");
        let mut steps = String::new();
        for (step, first) in
            [(look, orders[0]), (said, orders[1]), ("text = \"Next.\"".to_owned(), orders[2])]
        {
            if !first.is_empty() {
                steps.push_str(&format!("[[step]]\n{step}\norders = \"{first}\"\n"));
            }
            steps.push_str(&format!("[[step]]\n{step}\n"));
        }
        let sim = simulator().scenario(Scenario::parse(&steps).unwrap());
        Self { house: House::with(sim, FetchPolicy::of([host])).await, page }
    }

    async fn asked(&self, home: &Home) -> Talk {
        let new = json!({"model": "claude-opus-4-8", "settings": {"tools": ["fetch"]}});
        let id = call(home, Method::POST, "/v1/conversations", new, "").await["id"].clone();
        let path = format!("/v1/conversations/{}", id.as_str().unwrap());
        let turns = format!("{path}/turns");
        let first = call(home, Method::POST, &turns, json!({"content": "Look there."}), "").await;
        let next = json!({"content": "And then?", "queue": true});
        let waiting = call(home, Method::POST, &turns, next, "").await;
        Talk { path, first: first["assistant"].clone(), waiting: waiting["assistant"].clone() }
    }

    /// The next time that the page is fetched.
    async fn fetched(&self) -> TcpStream {
        tokio::time::timeout(PATIENCE, self.page.accept()).await.expect("it is fetched").unwrap().0
    }

    async fn served(&self) {
        let mut socket = self.fetched().await;
        let _ = socket.read(&mut [0; 1024]).await.unwrap();
        let page = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
        socket.write_all(page.as_bytes()).await.unwrap();
    }
}

impl Talk {
    /// What stands there once nothing runs any more, as the feed tells it.
    async fn over(&self, home: &Home) -> Value {
        let mut feed = Growing::open(client().get(format!("{}/v1/conversations/events", home.url()))).await;
        feed.until("event: hello").await;
        loop {
            let shown = call(home, Method::GET, &self.path, json!({}), "").await;
            if turn(&shown, &self.waiting["id"])["state"] != "queued" && !turns(&shown).iter().any(is_open) {
                return shown;
            }
            feed.body.clear();
            let told = tokio::time::timeout(PATIENCE, feed.until("event: conversation")).await;
            told.unwrap_or_else(|_| panic!("it is never over: {shown:#}"));
        }
    }

    /// The loop went to its end once, and what waited was asked behind all of it.
    async fn is_whole(&self, home: &Home, when: &str) {
        let shown = self.over(home).await;
        let states: Vec<_> = turns(&shown).iter().map(|turn| turn["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["completed"; 6], "{when}: {shown:#}");
        let first = turn(&shown, &self.first["id"]);
        assert_eq!((text(first).as_str(), &first["stop_reason"]), ("I look.", &json!("tool_use")), "{when}");
        let given: Vec<_> = turns(&shown).iter().filter(|turn| turn["by"] == "tools").collect();
        assert_eq!((given.len(), &given[0]["parent"]), (1, &first["id"]), "{when}: once");
        assert_eq!(given[0]["content"][0]["content"], "hello", "{when}");
        let said = turns(&shown).iter().find(|turn| turn["parent"] == given[0]["id"]).unwrap();
        assert_eq!(text(said), SAID, "{when}");
        let waited = turn(&shown, &self.waiting["id"]);
        let question = turn(&shown, &waited["parent"]);
        assert_eq!((&question["parent"], text(waited).as_str()), (&said["id"], "Next."), "{when}");
        // Each stream has one end.
        for turn in turns(&shown).iter().filter(|turn| turn["role"] == "assistant") {
            let events = format!("{}/v1/streams/{}/events", home.url(), turn["stream"].as_str().unwrap());
            let events = receive(client().get(events)).await;
            assert_eq!(events.text().matches("event: perennial.terminal").count(), 1, "{when}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_whose_stream_is_killed_goes_on() {
    // The request that is broken, and how far it is then.
    for (orders, request, phase) in [
        (["stall@headers", "", ""], 1, Phase::BeforeHeaders),
        // Before anything of the call came.
        (["stall@event=3", "", ""], 1, Phase::Content),
        (["", "stall@headers", ""], 2, Phase::BeforeHeaders),
        (["", "stall@event=5", ""], 2, Phase::Content),
        // The one that waited.
        (["", "", "stall@headers"], 3, Phase::BeforeHeaders),
    ] {
        let looped = Loop::with(orders).await;
        let first = looped.house.start(true).await;
        let talk = looped.asked(&first).await;
        if request > 1 {
            looped.served().await;
        }
        let journal = looped.house.sim.journal();
        let reached = journal.wait_for(|entry| entry.number == request && entry.phase >= phase);
        tokio::time::timeout(PATIENCE, reached).await.expect("it is asked");
        first.kill().await;
        let second = looped.house.start(true).await;
        if request == 1 {
            looped.served().await;
        }
        talk.is_whole(&second, &format!("{orders:?}")).await;
        second.kill().await;
        looped.house.sim.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_that_a_kill_stopped_are_run_again() {
    run_again(Loop::new().await).await;
}

/// There no lock says that a process is gone: the streams in its log do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_are_run_again_from_a_postgres_too() {
    let Some(postgres) = Postgres::start() else { return };
    let mut looped = Loop::new().await;
    looped.house.history = Some(postgres.database("loops").await);
    run_again(looped).await;
}

async fn run_again(looped: Loop) {
    let first = looped.house.start(true).await;
    let talk = looped.asked(&first).await;
    let socket = looped.fetched().await;
    first.kill().await;
    drop(socket);
    // Twice: what goes on is killed as well.
    let second = looped.house.start(true).await;
    let socket = looped.fetched().await;
    second.kill().await;
    drop(socket);
    let third = looped.house.start(true).await;
    looped.served().await;
    talk.is_whole(&third, "while the tool ran").await;
    third.kill().await;
    looped.house.sim.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_was_written_and_not_begun_is_begun() {
    let looped = Loop::new().await;
    let first = looped.house.start(true).await;
    let talk = looped.asked(&first).await;
    let socket = looped.fetched().await;
    first.kill().await;
    drop(socket);
    // What a process leaves that is killed between the step and its stream.
    let history = History::open_file(looped.house.conversations()).await.unwrap();
    let of = history.of("local");
    let called = of.turn(talk.first["id"].as_str().unwrap()).await.unwrap();
    let calls: Vec<Value> = called.content.as_json().read().unwrap();
    let result = json!([{"type": "tool_result", "tool_use_id": calls[1]["id"], "content": "hello"}]);
    let mut given = NewTurn::user(Content::of(&result).unwrap());
    given.by = Some("tools".to_owned());
    let mut answer = NewTurn::assistant("claude-opus-4-8");
    answer.stream = Some(StreamId::new().to_string());
    let waiting = of.turn(talk.waiting["id"].as_str().unwrap()).await.unwrap().parent;
    of.follow(&called.id, &[given, answer], waiting.as_deref()).await.unwrap();
    history.close().await;
    drop((of, history));
    let second = looped.house.start(true).await;
    talk.is_whole(&second, "between the step and its stream").await;
    second.kill().await;
    looped.house.sim.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_that_may_not_go_on_ends_and_what_waits_is_asked() {
    let looped = Loop::new().await;
    let first = looped.house.start(true).await;
    let talk = looped.asked(&first).await;
    let socket = looped.fetched().await;
    // The conversation has no tools any more.
    call(&first, Method::PATCH, &talk.path, json!({"settings": {"tools": []}}), "").await;
    first.kill().await;
    drop(socket);
    let second = looped.house.start(true).await;
    let shown = talk.over(&second).await;
    assert_eq!(turns(&shown).len(), 4, "{shown:#}");
    assert_eq!(turn(&shown, &talk.waiting["id"])["state"], "completed", "{shown:#}");
    second.kill().await;
    let history = History::open_file(looped.house.conversations()).await.unwrap();
    assert_eq!(history.running().await.unwrap(), [], "nothing is left for a third");
    // What is not owed is not gone on with, whatever the answer ended with.
    let mut called = Ended::new(State::Completed);
    called.stop_reason = Some("tool_use".to_owned());
    assert!(!called.owes);
    history.close().await;
    looped.house.sim.stop().await;
}
