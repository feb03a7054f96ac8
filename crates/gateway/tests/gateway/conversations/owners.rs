//! Whose conversations they are, and who pays for their answers.

use std::sync::Arc;

use perennial_gateway::Key;
use perennial_ledger::{Ledger, NewKey};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Room, rig, turn, turns};
use crate::rig::receive;

async fn call(room: &Room, key: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
    let request = room.call_with(method, path, Some(key)).body(body.to_string());
    let answer = receive(request).await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_sees_its_own_conversations_and_no_others() {
    let rig = rig(|gateway| {
        let key = |text: &str| Key::new(text).unwrap();
        gateway
            .upstream_key(key("sk-up"))
            .client_key(key("one"))
            .client_key(key("two"))
            .operator_key(key("chief"))
    })
    .await;
    let (status, made) = call(&rig, "one", Method::POST, "/v1/conversations", json!({"title": "Ours"})).await;
    assert_eq!(status, 201);
    let path = format!("/v1/conversations/{}", made["id"].as_str().unwrap());
    for other in ["two", "chief"] {
        for (method, path) in [
            (Method::GET, path.clone()),
            (Method::PATCH, path.clone()),
            (Method::GET, format!("{path}/export")),
            (Method::POST, format!("{path}/turns")),
            (Method::GET, path.replace("/v1/conversations", "/c")),
        ] {
            let (status, _) = call(&rig, other, method.clone(), &path, json!({"content": "x"})).await;
            assert!(
                status == 404 || (method == Method::PATCH && status == 400),
                "{other} {method} {path}: {status}"
            );
        }
        assert_eq!(
            call(&rig, other, Method::DELETE, &path, json!({})).await.0,
            204,
            "told as if it were not there"
        );
        assert!(
            call(&rig, other, Method::GET, "/v1/conversations", json!({})).await.1["data"]
                .as_array()
                .unwrap()
                .is_empty()
        );
    }
    assert_eq!(call(&rig, "one", Method::GET, &path, json!({})).await.0, 200, "and it is");
    assert_eq!(call(&rig, "none", Method::GET, &path, json!({})).await.0, 401);
    let (status, session) = call(&rig, "none", Method::GET, "/v1/session", json!({})).await;
    assert_eq!((status, &session["keys"], &session["models"]), (200, &json!(true), &json!([])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_paid_for_by_its_key_and_refused_over_its_budget() {
    let ledger = Arc::new(Ledger::open("sqlite::memory:").await.unwrap());
    let given = Arc::clone(&ledger);
    let rig = rig(|gateway| gateway.upstream_key(Key::new("sk-up").unwrap()).ledger(given)).await;
    let mut new = NewKey::named("team");
    new.rules.models = vec!["claude-opus-*".to_owned()];
    let (key, secret) = ledger.create_key(&new).await.unwrap();
    let secret = secret.expose();
    let talk = async |model: &str| {
        let body = json!({"model": model});
        let made = call(&rig, secret, Method::POST, "/v1/conversations", body).await.1;
        let path = format!("/v1/conversations/{}", made["id"].as_str().unwrap());
        let (status, asked) =
            call(&rig, secret, Method::POST, &format!("{path}/turns"), json!({"content": "Hello"})).await;
        assert_eq!(status, 201, "{asked}");
        if let Some(stream) = asked["assistant"]["stream"].as_str() {
            // Its end, then that of its turn.
            call(&rig, secret, Method::GET, &format!("/v1/streams/{stream}/events"), json!({})).await;
            call(
                &rig,
                secret,
                Method::POST,
                &format!("{path}/turns/{}/stop", asked["assistant"]["id"].as_str().unwrap()),
                json!({}),
            )
            .await;
        }
        let shown = call(&rig, secret, Method::GET, &path, json!({})).await.1;
        assert_eq!(turns(&shown).len(), 2);
        turn(&shown, &asked["assistant"]["id"]).clone()
    };
    let answer = talk("claude-opus-4-8").await;
    assert_eq!(answer["state"], "completed");
    let rows = ledger.attempts(answer["stream"].as_str().unwrap()).await.unwrap();
    let cost: perennial_history::Decimal =
        rows.iter().map(perennial_ledger::Row::cost).sum::<Option<_>>().unwrap();
    assert_eq!((rows[0].key.as_deref(), answer["cost"].as_str()), (Some(&*key.id), Some(&*cost.to_string())));
    assert!(answer["timing"]["ttft_ms"].as_u64() <= answer["timing"]["elapsed_ms"].as_u64());

    // What may not be asked is kept, with the reason.
    let refused = talk("claude-haiku-4-5").await;
    assert_eq!(refused["state"], "failed");
    assert!(refused["error"]["message"].as_str().unwrap().contains("model"), "{refused}");
    assert_eq!(rig.sim.journal().entries().len(), 1, "the upstream heard nothing of it");
}
