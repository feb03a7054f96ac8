//! The conversations of `perennial serve`: kept beside the streams, through `kill -9`.

use serde_json::{Value, json};

use crate::rig::{Service, Sim, perennial};

fn serve(sim: &Sim, data: &str) -> Service {
    let mut command = perennial(&["serve", "--listen", "127.0.0.1:0", "--data", data]);
    command.env("PERENNIAL_DURABILITY", "process");
    command.args(["--upstream", &sim.handle.url(), "--upstream-key", "sk-own"]);
    Service::start(&mut command)
}

async fn call(method: &str, url: String, body: Value) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.request(method.parse().unwrap(), url).body(body.to_string());
    // All attempts belong together for the simulator, the one that asks for the rest too.
    let request = request.header("perennial-sim", "stall@event=9,times=1").header("perennial-sim-key", "one");
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    text
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn an_answer_that_a_kill_cut_is_finished_by_the_next_process_in_its_conversation() {
    let sim = Sim::new();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let mut first = serve(&sim, data);
    let (path, stream, seen) = sim.runtime.block_on(async {
        let new = json!({"model": "claude-opus-4-8", "title": "Kept"});
        let made = read(&call("POST", format!("{}/v1/conversations", first.url), new).await);
        let path = format!("/v1/conversations/{}", made["id"].as_str().unwrap());
        let question = json!({"content": "Write about two hundred words on the sea."});
        let asked = read(&call("POST", format!("{}{path}/turns", first.url), question).await);
        let stream = asked["assistant"]["stream"].as_str().unwrap().to_owned();
        // Something of it has come.
        let poll = format!("{}/v1/streams/{stream}/events?live=poll&format=text&wait=20", first.url);
        (path, stream, call("GET", poll, json!({})).await)
    });
    assert!(!seen.is_empty());
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    drop(first);

    let second = serve(&sim, data);
    sim.runtime.block_on(async {
        let text = format!("{}/v1/streams/{stream}/events?format=text", second.url);
        let whole = call("GET", text, json!({})).await;
        assert!(whole.starts_with(&seen) && whole.len() > seen.len());
        // The text ends a moment before its turn does; stopping what has ended waits for that and changes nothing.
        let shown = read(&call("GET", format!("{}{path}", second.url), json!({})).await);
        let answer = shown["turns"][1]["id"].as_str().unwrap();
        let stop = format!("{}{path}/turns/{answer}/stop", second.url);
        let answer = read(&call("POST", stop, json!({})).await)["turn"].clone();
        assert_eq!((&answer["state"], &shown["title"]), (&json!("completed"), &json!("Kept")), "{answer:#}");
        let blocks = answer["content"].as_array().unwrap().iter();
        assert_eq!(blocks.filter_map(|block| block["text"].as_str()).collect::<String>(), whole);
    });
    assert!(folder.path().join("data/conversations.db").is_file());
}
