//! Who is answered, and which key goes up.

use perennial_gateway::{Gateway, Key};
use serde_json::json;

use crate::rig::{MODEL, Rig, question, quick, receive, simulator};

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

#[tokio::test]
async fn without_a_key_of_its_own_the_gateway_passes_the_clients_on() {
    let rig = Rig::new().await;
    let url = format!("{}/v1/messages", rig.gateway.url());
    let send = |name: &'static str, value: &'static str| {
        let body = question(MODEL, true).to_string();
        receive(rig.http.post(&url).header("anthropic-version", "2026-10-21").header(name, value).body(body))
    };
    assert_eq!(send("x-api-key", "one").await.status, 200);
    assert_eq!(send("authorization", "Bearer one").await.status, 200);
    assert_eq!(send("authorization", "Bearer two").await.status, 200);
    assert_eq!(send("x-nothing", "").await.status, 401, "the upstream's own refusal");
    let keys: Vec<_> = rig.sim.journal().entries().into_iter().map(|entry| entry.key).collect();
    assert!(keys[0].is_some() && keys[0] == keys[1] && keys[1] != keys[2] && keys[3].is_none(), "{keys:?}");
}

#[tokio::test]
async fn a_key_of_its_own_goes_up_in_place_of_the_clients() {
    let rig = Rig::with(simulator(), |gateway| {
        gateway.clocks(quick()).upstream_key(key("sk-upstream")).client_key(key("client-1"))
    })
    .await;
    let url = format!("{}/v1/messages", rig.gateway.url());
    let send = |name: &'static str, value: &'static str, base: String| {
        let body = question(MODEL, true).to_string();
        receive(rig.http.post(base).header("anthropic-version", "2026-10-21").header(name, value).body(body))
    };
    let direct = format!("{}/v1/messages", rig.sim.url());
    assert_eq!(send("x-api-key", "sk-upstream", direct).await.status, 200);
    for (name, value, status) in [
        ("x-api-key", "client-1", 200),
        ("authorization", "Bearer client-1", 200),
        ("x-api-key", "client-2", 401),
        ("x-api-key", "sk-upstream", 401),
        ("x-nothing", "", 401),
    ] {
        let answer = send(name, value, url.clone()).await;
        assert_eq!(answer.status, status, "{name}: {value}");
        if status == 401 {
            assert_eq!(answer.json()["error"]["type"], json!("authentication_error"));
        }
        assert!(!answer.text().contains("sk-upstream"));
        assert!(
            answer
                .headers
                .values()
                .all(|value| !value.as_bytes().windows(11).any(|part| part == b"sk-upstream"))
        );
    }
    let entries = rig.sim.journal().entries();
    assert_eq!(entries.len(), 3, "strangers do not reach the upstream");
    assert!(entries.iter().all(|entry| entry.key == entries[0].key));
}

#[tokio::test]
async fn web_pages_of_other_origins_are_not_answered_without_keys() {
    let rig = Rig::new().await;
    let request = || rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), "");
    assert_eq!(receive(request().header("origin", "https://evil.example")).await.status, 403);
    assert_eq!(receive(request().header("host", "evil.example")).await.status, 403);
    assert_eq!(receive(request().header("origin", "http://localhost:3000")).await.status, 200);
}

#[tokio::test]
async fn other_machines_are_not_let_in_without_keys() {
    let gateway = |keyed: bool| {
        let builder = Gateway::builder("http://127.0.0.1:1");
        if keyed { builder.client_key(key("k")) } else { builder }.build().unwrap()
    };
    let open = "0.0.0.0:8787".parse().unwrap();
    let message = gateway(false).may_listen(open).unwrap_err().to_string();
    assert!(message.contains("set client keys"), "{message}");
    gateway(true).may_listen(open).unwrap();
    gateway(false).may_listen("[::1]:8787".parse().unwrap()).unwrap();
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    assert!(gateway(false).run(listener, std::future::pending()).await.is_err());
}

#[test]
fn an_upstream_that_is_none_is_refused_in_words() {
    for (url, part) in [
        ("", "no URL"),
        ("localhost:8787", "must begin with http"),
        ("ftp://x", "must begin with http"),
        ("http://user:secret@host", "user name"),
        ("http://host/?a=b", "query"),
    ] {
        let message = Gateway::builder(url).build().unwrap_err().to_string();
        assert!(message.contains(part), "{url}: {message}");
    }
    Gateway::builder("https://api.anthropic.com/").build().unwrap();
}
