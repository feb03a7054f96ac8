//! Tools, and the loop that they make.

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use perennial_gateway::FetchPolicy;
use perennial_sim::Scenario;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{asked, is_open, rig_with, text, turn, turns};
use crate::rig::{PATIENCE, receive, simulator};

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
    let rig =
        rig_with(simulator().scenario(Scenario::parse(&step.repeat(40)).unwrap()), |gateway| gateway).await;
    let id = rig.talk(json!({"settings": {"tools": ["calculator"]}})).await;
    rig.tell(&id, json!({"content": "Count for ever."}), "").await;
    rig.once(&id, |shown| turns(shown).len() >= 34 && !turns(shown).iter().any(is_open)).await;
    let asked = asked(&rig);
    let words: Vec<bool> = asked.iter().map(|body| body["tool_choice"]["type"] == "none").collect();
    assert!(
        !words[0] && words.iter().filter(|none| **none).count() == 1 && words[words.len() - 1],
        "{words:?}"
    );
    assert_eq!(asked.len(), 17);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_loop_is_stopped_between_two_steps_and_fetches_only_what_it_may() {
    // A host that takes the request and says nothing, so that the tool is waited for.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let step =
        format!("[[step]]\ntools = [{{ name = \"fetch\", input = {{ url = \"http://{host}/\" }} }}]\n");
    for allowed in [true, false] {
        let policy = FetchPolicy::of(allowed.then(|| host.clone()));
        let scenario = Scenario::parse(&step).unwrap();
        let rig = rig_with(simulator().scenario(scenario), |gateway| gateway.fetch(policy)).await;
        let id = rig.talk(json!({"settings": {"tools": ["fetch"]}})).await;
        let made = rig.tell(&id, json!({"content": "Look there."}), "").await;
        if !allowed {
            let shown =
                rig.once(&id, |shown| turns(shown).len() == 4 && !turns(shown).iter().any(is_open)).await;
            let given = turns(&shown).iter().find(|turn| turn["by"] == "tools").unwrap();
            assert_eq!(given["content"][0]["is_error"], true);
            assert!(given["content"][0]["content"].as_str().unwrap().contains("allowed no hosts"));
            continue;
        }
        let (_socket, _) =
            tokio::time::timeout(PATIENCE, silent.accept()).await.expect("it is fetched").unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_comes_while_tools_run_waits_for_the_whole_answer() {
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = slow.local_addr().unwrap().to_string();
    let steps = format!(
        "[[step]]\ntools = [{{ name = \"fetch\", input = {{ url = \"http://{host}/\" }} }}]\n\n\
         [[step]]\ntext = \"Done.\"\n\n[[step]]\ntext = \"Next.\"\n"
    );
    let scenario = Scenario::parse(&steps).unwrap();
    let rig =
        rig_with(simulator().scenario(scenario), |gateway| gateway.fetch(FetchPolicy::of([host]))).await;
    let id = rig.talk(json!({"settings": {"tools": ["fetch"]}})).await;
    let first = rig.tell(&id, json!({"content": "Look there."}), "").await;
    let (mut socket, _) =
        tokio::time::timeout(PATIENCE, slow.accept()).await.expect("it is fetched").unwrap();
    let path = format!("/v1/conversations/{id}/turns");
    assert_eq!(rig.say(Method::POST, &path, &json!({"content": "And?"}), "").await.status, 409);
    let second = rig.tell(&id, json!({"content": "And?", "queue": true}), "").await;
    assert_eq!(
        (&second["assistant"]["state"], &second["user"]["parent"]),
        (&json!("queued"), &first["assistant"]["id"])
    );
    let _ = socket.read(&mut [0; 1024]).await.unwrap();
    let page =
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
    socket.write_all(page.as_bytes()).await.unwrap();
    let shown = rig.once(&id, |shown| turns(shown).len() == 6 && !turns(shown).iter().any(is_open)).await;
    let given = turns(&shown).iter().find(|turn| turn["by"] == "tools").unwrap();
    assert_eq!(given["content"][0]["content"], "hello");
    let done = turns(&shown).iter().find(|turn| text(turn) == "Done.").unwrap();
    let asked_then = turn(&shown, &second["user"]["id"]);
    assert_eq!((&done["parent"], &asked_then["parent"]), (&given["id"], &done["id"]), "behind all of it");
    let answer = turn(&shown, &second["assistant"]["id"]);
    assert_eq!((text(answer).as_str(), &shown["head"]), ("Next.", &answer["id"]));
    let roles: Vec<Value> = asked(&rig)[2]["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].clone())
        .collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant", "user"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_fetched_within_limits_and_no_redirect_leads_off_the_list() {
    let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = host.local_addr().unwrap().to_string();
    let pages = Router::new()
        .route("/page", get(|| async { "a page" }))
        .route("/there", get(|| async { Redirect::temporary("/page") }))
        .route("/away", get(|| async { Redirect::temporary("http://127.0.0.2:9/secret") }))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .route("/large", get(|| async { "x".repeat(3_000_000) }))
        .route("/image", get(|| async { ([("content-type", "image/png")], "png") }));
    tokio::spawn(async move { axum::serve(host, pages).await });
    let paths = ["page", "there", "away", "round", "large", "image", "none"];
    let calls: Vec<String> = paths
        .iter()
        .map(|path| format!("{{ name = \"fetch\", input = {{ url = \"http://{address}/{path}\" }} }}"))
        .collect();
    let scenario = Scenario::parse(&format!("[[step]]\ntools = [{}]\n", calls.join(", "))).unwrap();
    let rig =
        rig_with(simulator().scenario(scenario), |gateway| gateway.fetch(FetchPolicy::of([address]))).await;
    let id = rig.talk(json!({"settings": {"tools": ["fetch"]}})).await;
    rig.tell(&id, json!({"content": "Look there."}), "").await;
    let shown = rig.once(&id, |shown| turns(shown).len() == 4 && !turns(shown).iter().any(is_open)).await;
    let given = turns(&shown).iter().find(|turn| turn["by"] == "tools").unwrap();
    let results = given["content"].as_array().unwrap();
    for (result, (is_error, part)) in results.iter().zip([
        (false, "a page"),
        (false, "a page"),
        (true, "not allowed"),
        (true, "without an end"),
        (false, "the rest is left out"),
        (true, "image/png"),
        (true, "404"),
    ]) {
        assert_eq!(result["is_error"] == true, is_error, "{result:.200}");
        let said = result["content"].as_str().unwrap();
        assert!(said.contains(part) && said.chars().count() < 41_000, "{said:.200}");
    }
    assert_eq!(results.len(), paths.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_in_a_conversation_that_is_deleted_is_stopped_and_nothing_else_begins() {
    let page = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = page.local_addr().unwrap().to_string();
    let steps =
        format!("[[step]]\ntools = [{{ name = \"fetch\", input = {{ url = \"http://{host}/\" }} }}]\n");
    let sim = simulator().scenario(Scenario::parse(&steps).unwrap());
    let rig = rig_with(sim, |gateway| gateway.fetch(FetchPolicy::of([host]))).await;
    let id = rig.talk(json!({"settings": {"tools": ["fetch"]}})).await;
    rig.tell(&id, json!({"content": "Look there."}), "").await;
    let (mut socket, _) = page.accept().await.unwrap();
    rig.tell(&id, json!({"content": "And then?", "queue": true}), "").await;
    let path = format!("/v1/conversations/{id}");
    let deleted = rig.say(Method::DELETE, &path, &json!({}), "").await;
    assert_eq!((deleted.status, rig.get(&path).await.status), (204, 404));
    // The tool has left, long before it would have lost its patience.
    let left = async {
        let mut request = Vec::new();
        let _ = socket.read_to_end(&mut request).await;
    };
    let others = async {
        for _ in 0..1_000 {
            receive(rig.call(Method::GET, "/healthz")).await;
        }
    };
    tokio::select! {
        () = left => {}
        () = others => panic!("the tool still runs"),
    }
    assert_eq!(rig.listed().await.len(), 1, "what waited was never begun");

    // The same where an answer comes.
    let id = rig.talk(json!({})).await;
    rig.tell(&id, json!({"content": "Long."}), "stall@headers").await;
    rig.tell(&id, json!({"content": "And then?", "queue": true}), "").await;
    assert_eq!(rig.say(Method::DELETE, &format!("/v1/conversations/{id}"), &json!({}), "").await.status, 204);
    assert_eq!(rig.listed().await.len(), 2);
}
