//! Message batches, from creation to deletion.

use perennial_sim::Handle;
use serde_json::{Value, json};

use crate::raw::{PATIENCE, Raw, Seen, fetch, hello, instant, quick};

const PATH: &str = "/v1/messages/batches";

async fn create(handle: &Handle, body: &Value) -> Seen {
    Raw::post(handle, PATH, body, &[]).await.read(PATIENCE).await
}

fn two() -> Value {
    let mut good = hello(false);
    good.as_object_mut().unwrap().remove("stream");
    let mut bad = good.clone();
    bad["model"] = json!("claude-none");
    json!({"requests": [{"custom_id": "good", "params": good}, {"custom_id": "bad", "params": bad}]})
}

#[tokio::test]
async fn a_batch_is_created_read_and_deleted() {
    let handle = instant().await;
    let created = create(&handle, &two()).await;
    assert_eq!(created.status, 200);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("msgbatch_"));
    let got = fetch(&handle, "GET", &format!("{PATH}/{id}")).await.json();
    assert_eq!(got["processing_status"], "ended");
    assert_eq!(
        (&got["request_counts"]["succeeded"], &got["request_counts"]["errored"]),
        (&json!(1), &json!(1))
    );
    let results = fetch(&handle, "GET", got["results_url"].as_str().unwrap()).await;
    assert_eq!(results.header("content-type"), Some("application/x-jsonl"));
    let lines: Vec<Value> = results.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["custom_id"], "good");
    assert_eq!(lines[0]["result"]["message"]["role"], "assistant");
    assert_eq!(lines[1]["result"]["error"]["error"]["type"], "not_found_error");
    assert_eq!(fetch(&handle, "GET", PATH).await.json()["data"][0]["id"], id.as_str());
    let deleted = fetch(&handle, "DELETE", &format!("{PATH}/{id}")).await.json();
    assert_eq!(deleted, json!({"id": id, "type": "message_batch_deleted"}));
    assert_eq!(fetch(&handle, "GET", &format!("{PATH}/{id}")).await.status, 404);
}

#[tokio::test]
async fn a_batch_that_takes_its_time_can_be_cancelled() {
    let handle = quick().pace("tps=0.1".parse().unwrap()).spawn().await.unwrap();
    let created = create(&handle, &two()).await.json();
    let id = created["id"].as_str().unwrap();
    assert_eq!(created["processing_status"], "in_progress");
    assert_eq!(fetch(&handle, "GET", &format!("{PATH}/{id}/results")).await.status, 404);
    assert_eq!(fetch(&handle, "DELETE", &format!("{PATH}/{id}")).await.status, 400);
    let cancelled =
        Raw::post(&handle, &format!("{PATH}/{id}/cancel"), &json!({}), &[]).await.read(PATIENCE).await.json();
    assert_eq!(cancelled["processing_status"], "canceling");
    let got = fetch(&handle, "GET", &format!("{PATH}/{id}")).await.json();
    assert_eq!(got["processing_status"], "ended");
    let counts = &got["request_counts"];
    let sum: u64 = counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((sum, counts["processing"].as_u64()), (2, Some(0)));
    let results = fetch(&handle, "GET", &format!("{PATH}/{id}/results")).await.text();
    assert!(results.contains(r#""result":{"type":"canceled"}"#), "{results}");
}

#[tokio::test]
async fn what_is_no_batch_is_refused() {
    let handle = instant().await;
    for (body, part) in [
        (json!({}), "requests: Field required"),
        (json!({"requests": [{"params": {}}]}), "requests.0.custom_id"),
        (json!({"requests": [{"custom_id": "a"}]}), "requests.0.params: Field required"),
        (json!({"requests": [{"custom_id": "a", "params": {"stream": true}}]}), "not supported in batches"),
    ] {
        let seen = create(&handle, &body).await;
        assert_eq!(seen.status, 400);
        assert!(seen.text().contains(part), "{}", seen.text());
    }
    assert_eq!(fetch(&handle, "GET", &format!("{PATH}/msgbatch_none")).await.status, 404);
}
