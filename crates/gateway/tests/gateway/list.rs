//! The list of streams: whose they are, in which order, page by page.

use perennial_gateway::Key;
use reqwest::Method;
use serde_json::Value;

use crate::rig::{Answer, MODEL, Rig, question, quick, receive, simulator};

async fn keyed() -> Rig {
    let key = |key| Key::new(key).unwrap();
    Rig::with(simulator(), |gateway| {
        gateway.clocks(quick()).client_key(key("a")).client_key(key("b")).operator_key(key("chief"))
    })
    .await
}

async fn ask(rig: &Rig, method: Method, path: &str, key: &str) -> Answer {
    let body = if method == Method::POST { question(MODEL, true).to_string() } else { String::new() };
    receive(rig.call_with(method, path, Some(key)).body(body)).await
}

async fn create(rig: &Rig, key: &str) -> String {
    let answer = ask(rig, Method::POST, "/v1/streams", key).await;
    answer.json()["id"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|stream| stream["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_key_has_its_own_list_page_by_page() {
    let rig = keyed().await;
    let mut own = Vec::new();
    let mut all = Vec::new();
    for turn in 0..5 {
        own.insert(0, create(&rig, "a").await);
        all.insert(0, own[0].clone());
        // Those of others lie between.
        for _ in 0..turn % 3 {
            all.insert(0, create(&rig, "b").await);
        }
    }
    for (key, expected) in [("a", &own), ("chief", &all)] {
        for limit in [1, 2, 3, 1000] {
            let mut seen = Vec::new();
            let mut after = String::new();
            loop {
                let path = format!("/v1/streams?limit={limit}{after}");
                let list = ask(&rig, Method::GET, &path, key).await.json();
                let page = ids(&list);
                assert!(page.len() <= limit);
                seen.extend(page);
                assert!(seen.len() <= expected.len(), "{path}");
                if list["has_more"] == false {
                    break;
                }
                after = format!("&after_id={}", list["last_id"].as_str().unwrap());
            }
            assert_eq!(&seen, expected, "{key}, {limit} at a time");
        }
    }
    // Whoever has none sees none, and learns no name of another's.
    let nothing = ask(&rig, Method::GET, "/v1/streams", "b").await.json();
    assert_eq!(ids(&nothing).len(), all.len() - own.len());
    let last = nothing["last_id"].as_str().unwrap();
    assert!(!own.iter().any(|stream| stream == last), "{last} is another's");
}

#[tokio::test]
async fn who_has_nothing_learns_of_nothing() {
    let rig = keyed().await;
    create(&rig, "a").await;
    let list = ask(&rig, Method::GET, "/v1/streams", "b").await;
    assert_eq!(list.text(), "{\"data\":[],\"has_more\":false,\"last_id\":null}");
}

#[tokio::test]
async fn a_list_says_what_its_streams_are() {
    let rig = Rig::new().await;
    let ended = rig.create("").await;
    rig.outcome(&ended).await;
    let runs = rig.create("stall@event=6").await;
    let list = rig.get("/v1/streams").await.json();
    assert_eq!(ids(&list), [runs.clone(), ended]);
    let of = |index: usize, member: &str| list["data"][index][member].clone();
    assert_eq!((of(0, "state"), of(1, "state")), ("running".into(), "completed".into()));
    assert_eq!((of(0, "model"), of(0, "on_disconnect")), (MODEL.into(), "detach".into()));
    assert_eq!((of(0, "type"), of(0, "usage")), ("stream".into(), Value::Null));
    assert_eq!(rig.get("/v1/streams").await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn what_is_no_page_is_refused_in_words() {
    let rig = Rig::new().await;
    for (query, part) in [
        ("limit=0", "1 to 1000"),
        ("limit=1001", "1 to 1000"),
        ("after_id=msg_1", "strm_"),
        ("limit=many", ""),
        ("limit=-1", ""),
    ] {
        let answer = rig.get(&format!("/v1/streams?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error", "{query}");
        assert!(answer.text().contains(part), "{query}: {}", answer.text());
    }
}
