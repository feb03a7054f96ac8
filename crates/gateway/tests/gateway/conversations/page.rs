//! Pages that the gateway makes, and what pages need.

use futures_util::FutureExt as _;
use perennial_gateway::{FetchPolicy, Key};
use perennial_sim::Scenario;
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use super::gate::waited;
use super::{rig, rig_with, text, turns};
use crate::native::Growing;
use crate::rig::{PATIENCE, pinging, receive, simulator};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_without_scripts_has_the_answer_in_the_one_response() {
    // A form brings no key.
    let rig = rig(|gateway| gateway.clocks(pinging()).upstream_key(Key::new("sk-own").unwrap())).await;
    let form = |body: &'static str| {
        let request = rig.http.post(format!("{}/c", rig.gateway.url()));
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "text/html")
            .body(body)
    };
    let page = receive(form("text=Why+is+%3Cb%3E+the+sea+blue%3F")).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    let html = page.text();
    assert!(
        html.contains("Why is &lt;b&gt; the sea blue?") && html.trim_end().ends_with("</html>"),
        "{html}"
    );
    let id =
        html.split("name=\"conversation\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let shown = rig.over(&id).await;
    let words = text(&turns(&shown)[1]);
    let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 3).collect::<Vec<_>>();
    assert!(words.len() > 5 && words.iter().take(20).all(|word| html.contains(word)), "{html}");
    // The conversation's own page has both, and so has the list.
    for path in [format!("/c/{id}"), "/".to_owned()] {
        let request = rig.http.get(format!("{}{path}", rig.gateway.url())).header("accept", "text/html");
        let page = receive(request).await;
        let plain = page.text().split("<noscript>\n").nth(1).unwrap().to_owned();
        assert!(plain.contains("the sea blue?"), "{path}: {plain}");
    }
    // A model that is silent is no connection that is dead.
    let mut silent = Growing::open(form("text=Why%3F").header("perennial-sim", "stall@headers")).await;
    silent.until("<article class=\"plain answer prose\">\n\n\n").await;
    assert_eq!(receive(form("text=+")).await.status, 400);
    let foreign = receive(form("text=x").header("origin", "https://evil.example")).await;
    assert_eq!(foreign.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_says_what_pages_need() {
    let rig = rig(|gateway| gateway.mode(perennial_gateway::Mode::Simulated)).await;
    let session = rig.get("/v1/session").await.json();
    assert_eq!(
        (&session["mode"], &session["keys"], &session["conversations"]),
        (&json!("sim"), &json!(false), &json!(true))
    );
    assert!(
        session["models"]
            .as_array()
            .unwrap()
            .iter()
            .any(|model| model["id"].as_str().unwrap().contains("claude"))
    );
    assert!(session["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "calculator"));
}

/// A lane serves many streams: what is rendered of a conversation at once, and what reads files, is done beside it.
#[test]
fn what_takes_long_keeps_no_stream_waiting() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.unwrap().block_on(async {
        let page = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = page.local_addr().unwrap().to_string();
        let call = format!("tools = [{{ name = \"fetch\", input = {{ url = \"http://{host}/\" }} }}]");
        let steps = format!("[[step]]\ntext = \"**Words**\"\n[[step]]\n{call}\n");
        let sim = simulator().scenario(Scenario::parse(&steps).unwrap());
        let rig = rig_with(sim, |gateway| gateway.fetch(FetchPolicy::of([host]))).await;
        let id = rig.talk(json!({"settings": {"tools": ["fetch"]}})).await;
        rig.tell(&id, json!({"content": "Why?"}), "").await;
        rig.over(&id).await;
        // The one thread for what takes long has something else to do.
        let busy = || {
            let (over, wait) = std::sync::mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || wait.recv());
            move || drop(over)
        };
        let other = || rig.call(Method::GET, "/healthz");
        let tape = rig.call(Method::GET, &format!("/v1/conversations/{id}?format=tape"));
        let tape = waited(tape, other, busy()).await;
        assert!(tape.text().contains("\"tape\""), "{}", tape.text());
        let plain = rig.call(Method::GET, &format!("/c/{id}")).header("accept", "text/html");
        assert!(waited(plain, other, busy()).await.text().contains("<strong>Words</strong>"));
        let over = busy();
        rig.tell(&id, json!({"content": "Look there."}), "").await;
        tokio::select! {
            biased;
            _ = page.accept() => panic!("it is fetched by what has been read on the lane"),
            _ = rig.once(&id, |shown| turns(shown).iter().any(|turn| turn["stop_reason"] == "tool_use")) => {}
        }
        for _ in 0..30 {
            receive(other()).await;
        }
        assert!(page.accept().now_or_never().is_none());
        over();
        tokio::time::timeout(PATIENCE, page.accept()).await.expect("it is fetched").unwrap();
    });
}
