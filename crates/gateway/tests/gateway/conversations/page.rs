//! Pages that the gateway makes, and what pages need.

use perennial_gateway::Key;
use serde_json::json;

use super::{rig, text, turns};
use crate::native::Growing;
use crate::rig::receive;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_without_scripts_has_the_answer_in_the_one_response() {
    // A form brings no key.
    let rig = rig(|gateway| gateway.upstream_key(Key::new("sk-own").unwrap())).await;
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
