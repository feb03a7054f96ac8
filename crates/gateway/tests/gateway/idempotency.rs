//! A request that is repeated makes one stream.

use std::sync::Arc;

use perennial_gateway::{Builder, Gateway, Key};
use perennial_log::{DiskLog, DiskOptions, Log};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::rig::{Answer, MODEL, Rig, question, quick, receive, simulator};

const KEY: &str = "idempotency-key";

fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

fn other() -> Value {
    question("claude-haiku-4-5", true)
}

async fn disk(folder: &std::path::Path) -> Arc<dyn Log> {
    Arc::new(DiskLog::open(folder, DiskOptions::new()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_makes_one_stream() {
    let rig = Rig::new().await;
    let body = question(MODEL, true);
    let ask = |key: &str, body: &Value| receive(rig.creation(body, "").header(KEY, key));
    let first = ask("one", &body).await;
    assert_eq!(first.status, 201);
    let again = ask("one", &body).await;
    assert_eq!((again.status, id(&again)), (200, id(&first)));
    assert_eq!(again.header("location"), first.header("location"));
    let refused = ask("one", &other()).await;
    assert_eq!((refused.status, &refused.json()["error"]["type"]), (409, &"conflict_error".into()));
    assert!(refused.text().contains("use a new key for a new request"), "{}", refused.text());
    let second = ask("two", &body).await;
    assert_eq!(second.status, 201);
    assert_ne!(id(&second), id(&first));
    // Without a key every request is a new one.
    assert_ne!(rig.create("").await, rig.create("").await);
    for wrong in ["", &"x".repeat(256)] {
        assert_eq!(ask(wrong, &body).await.status, 400, "{wrong}");
    }
    assert_eq!(ask(&"x".repeat(255), &body).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_make_one_stream() {
    let rig = Rig::new().await;
    let body = question(MODEL, true);
    let asked = (0..16).map(|_| tokio::spawn(receive(rig.creation(&body, "").header(KEY, "one"))));
    let answers = futures_util::future::join_all(asked).await;
    let answers: Vec<Answer> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| id(answer) == id(&answers[0])));
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(rig.listed().await.len(), 1);
    rig.outcome(&id(&answers[0])).await;
    assert_eq!(rig.sim.journal().entries().len(), 1, "the upstream is asked once");
}

#[tokio::test]
async fn keys_belong_to_who_sent_them() {
    let key = |key| Key::new(key).unwrap();
    let rig =
        Rig::with(simulator(), |gateway| gateway.clocks(quick()).client_key(key("a")).client_key(key("b")))
            .await;
    let ask = |key: &str, body: &Value| {
        let request = rig.call_with(Method::POST, "/v1/streams", Some(key));
        receive(request.header(KEY, "one").body(body.to_string()))
    };
    let (a, b) = (ask("a", &question(MODEL, true)).await, ask("b", &other()).await);
    assert_eq!((a.status, b.status), (201, 201));
    assert_ne!(id(&a), id(&b));
    assert_eq!(id(&ask("a", &question(MODEL, true)).await), id(&a));
}

#[tokio::test]
async fn keys_are_known_to_the_next_gateway_and_forgotten_with_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let body = question(MODEL, true);
    let ask = |rig: &Rig| -> RequestBuilder { rig.creation(&body, "").header(KEY, "one") };
    let with_log = |log: &Arc<dyn Log>| {
        let log = Arc::clone(log);
        |gateway: Builder| gateway.clocks(quick()).log(log)
    };
    let log = disk(folder.path()).await;
    let rig = Rig::with(simulator(), with_log(&log)).await;
    let first = receive(ask(&rig)).await;
    assert_eq!(rig.outcome(&id(&first)).await, "completed");
    rig.gateway.stop().await;
    log.close().await.unwrap();
    drop(log);

    let log = disk(folder.path()).await;
    let gateway = with_log(&log)(Gateway::builder(rig.sim.url()));
    let rig = Rig { gateway: gateway.build().unwrap().spawn().await.unwrap(), ..rig };
    let again = receive(ask(&rig)).await;
    assert_eq!((again.status, id(&again)), (200, id(&first)));
    let refused = receive(rig.creation(&other(), "").header(KEY, "one")).await;
    assert_eq!(refused.status, 409);

    // Deleted, it may be made again, with another body too.
    assert_eq!(rig.delete(&id(&first)).await.status, 204);
    let anew = receive(rig.creation(&other(), "").header(KEY, "one")).await;
    assert_eq!(anew.status, 201);
    assert_ne!(id(&anew), id(&first));
}
