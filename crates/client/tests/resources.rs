//! Counts, models and batches: what is sent, what is made of the answers, and that a cut list is never taken for whole.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod scripted;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use perennial::resources::{BatchOutcome, BatchResult, BatchStatus, MaxLineBytes, PageRequest};
use perennial::{Client, Error, ErrorKind, MessageRequest};
use perennial_sim::{Pace, Simulator};
use proptest::prelude::*;
use scripted::Script;
use serde_json::{Value, json};

fn question(text: &str) -> MessageRequest {
    MessageRequest::new("claude-haiku-5-5", 64).user(text)
}

async fn simulator() -> (perennial_sim::Handle, Client) {
    let simulator = Simulator::builder().seed(7).pace(Pace::instant()).spawn().await.unwrap();
    let client = Client::builder().api_key("sk-ant-test").base_url(simulator.url()).build().unwrap();
    (simulator, client)
}

#[tokio::test]
async fn tokens_are_counted() {
    let (_simulator, client) = simulator().await;
    let short = client.messages().count_tokens(&question("Hi")).await.unwrap().input_tokens;
    let long = question(&"word ".repeat(500)).stop_sequences(["x"]).user_id("u");
    let long = client.messages().count_tokens(&long).await.unwrap().input_tokens;
    assert!(short > 0 && long > short + 300, "{short} {long}");
}

#[tokio::test]
async fn a_count_sends_betas_and_leaves_out_what_is_not_counted() {
    let script = Script::default().json(&json!({"input_tokens": 12, "new": 1}));
    let request = question("Hi").beta("b1").field("novelty", 1);
    let count = script.client().messages().count_tokens(&request).await.unwrap();
    assert_eq!(count.input_tokens, 12);
    assert_eq!(count.raw().get(), r#"{"input_tokens":12,"new":1}"#);
    let asked = &script.asked()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/v1/messages/count_tokens"));
    assert_eq!(asked.betas.as_deref(), Some("b1"));
    assert_eq!(asked.body.get("max_tokens"), None);
    assert_eq!(asked.body["novelty"], 1);
    // A wrong request is not sent.
    let error = script.client().messages().count_tokens(&MessageRequest::new("m", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request);
}

#[tokio::test]
async fn models_are_listed_and_got() {
    let (_simulator, client) = simulator().await;
    let all: Vec<_> = client.models().all().try_collect().await.unwrap();
    assert!(all.iter().any(|model| model.id == "claude-opus-5-5" && !model.display_name.is_empty()));
    let page = client.models().list(PageRequest::first().limit(2)).await.unwrap();
    assert_eq!(page.data.len(), 2);
    assert_eq!(page.data[..], all[..2]);
    let next = client.models().list(page.after().unwrap().limit(2)).await.unwrap();
    assert_eq!(next.data[..], all[2..4]);
    let one = client.models().get("claude-opus-5-5").await.unwrap();
    assert_eq!(one.id, "claude-opus-5-5");
    let error = client.models().get("claude-none").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Status, Some(404)));
}

fn page(ids: &[&str], more: bool) -> Value {
    let data: Vec<Value> = ids.iter().map(|id| json!({"id": id, "type": "model"})).collect();
    json!({"data": data, "has_more": more, "first_id": ids.first(), "last_id": ids.last()})
}

#[tokio::test]
async fn pages_follow_each_other_until_there_is_no_more() {
    let script =
        Script::default().json(&page(&["a", "b"], true)).json(&page(&["c"], true)).json(&page(&[], true));
    let ids: Vec<String> =
        script.client().models().all().map_ok(|model| model.id).try_collect().await.unwrap();
    assert_eq!(ids, ["a", "b", "c"]);
    let targets: Vec<String> = script.asked().into_iter().map(|asked| asked.target).collect();
    // An empty page ends it, whatever it says: there is nothing to go on from.
    assert_eq!(targets, ["/v1/models", "/v1/models?after_id=b", "/v1/models?after_id=c"]);
}

#[tokio::test]
async fn ids_cannot_lead_elsewhere() {
    let script = Script::default().json(&json!({"id": "x"})).json(&page(&[], false));
    let models = script.client().models();
    models.get("a/../../v1/secret?x#y").await.unwrap();
    models.list(PageRequest::first().limit(5).before("a&b")).await.unwrap();
    assert_eq!(models.get("..").await.unwrap_err().kind(), ErrorKind::Request);
    assert_eq!(models.get(" ").await.unwrap_err().kind(), ErrorKind::Request);
    let targets: Vec<String> = script.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(
        targets,
        ["/v1/models/a%2F..%2F..%2Fv1%2Fsecret%3Fx%23y", "/v1/models?limit=5&before_id=a%26b"]
    );
}

#[tokio::test]
async fn calls_are_made_again_where_that_may_help() {
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    let script = Script::default()
        .status(529, &overloaded)
        .lost_after(vec![Bytes::from_static(b"{\"id\":")])
        .json(&json!({"id": "x"}));
    assert_eq!(script.client().models().get("x").await.unwrap().id, "x");
    assert_eq!(script.asked().len(), 3);

    let script = Script::default().pieces(vec![Bytes::from_static(b"<html>Sign in</html>")]);
    let error = script.client().models().get("x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedBody);
    assert!(error.to_string().contains("Sign in"), "{error}");
    assert_eq!(error.request_id(), Some("req_1"));
}

#[tokio::test]
async fn a_batch_is_never_made_twice() {
    let made = json!({"id": "msgbatch_1", "processing_status": "in_progress"});
    let create =
        async |script: &Script| script.client().messages().batches().create([("a", question("Hi"))]).await;
    // The request was certainly not taken: again.
    let refused = json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    let script = Script::default().unreachable().status(529, &refused).json(&made);
    assert_eq!(create(&script).await.unwrap().id, "msgbatch_1");
    assert_eq!(script.asked().len(), 3);
    // It may have been taken: not again.
    let script = Script::default().lost_after(vec![]);
    assert_eq!(create(&script).await.unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_batch_is_said_before_it_is_sent() {
    let batches = Script::default().client().messages().batches();
    let none: [(&str, MessageRequest); 0] = [];
    assert!(batches.create(none).await.unwrap_err().to_string().contains("no requests"));
    let twice = [("a", question("Hi")), ("a", question("Ho"))];
    assert!(batches.create(twice).await.unwrap_err().to_string().contains("`a` occurs twice"));
    let empty = [("a", MessageRequest::new("m", 1))];
    assert!(batches.create(empty).await.unwrap_err().to_string().contains("messages"));
}

#[tokio::test]
async fn a_batch_from_its_making_to_its_end() {
    let (_simulator, client) = simulator().await;
    let batches = client.messages().batches();
    let wrong = MessageRequest::new("claude-none", 64).user("Hi");
    let batch = batches
        .create([("one", question("Say hello")), ("two", question("Count to 3")), ("three", wrong)])
        .await
        .unwrap();
    let batch = batches.wait(&batch.id, Duration::from_millis(5)).await.unwrap();
    assert_eq!(batch.request_counts.total(), 3);
    let mut results: Vec<BatchResult> = batches.results(&batch).await.unwrap().try_collect().await.unwrap();
    results.sort_by(|a, b| a.custom_id.cmp(&b.custom_id));
    let ids: Vec<&str> = results.iter().map(|result| result.custom_id.as_str()).collect();
    assert_eq!(ids, ["one", "three", "two"]);
    assert!(!results[0].outcome.message().unwrap().text().is_empty());
    assert!(
        matches!(&results[1].outcome, BatchOutcome::Errored(error) if error.kind == perennial::protocol::ErrorKind::NotFound)
    );
    assert_eq!(batches.list(PageRequest::first()).await.unwrap().data[0].id, batch.id);
    batches.delete(&batch.id).await.unwrap();
    assert_eq!(batches.get(&batch.id).await.unwrap_err().status(), Some(404));
}

#[tokio::test]
async fn a_batch_that_is_cancelled_or_not_done() {
    let slow = Simulator::builder().pace(Pace::default()).spawn().await.unwrap();
    let client = Client::builder().api_key("k").base_url(slow.url()).build().unwrap();
    let batches = client.messages().batches();
    let batch = batches.create([("a", question("Write 300 words"))]).await.unwrap();
    assert_eq!(batch.processing_status, BatchStatus::InProgress);
    let error = batches.results(&batch).await.unwrap_err();
    assert!(error.to_string().contains("has not ended"), "{error}");
    let cancelled = batches.cancel(&batch.id).await.unwrap();
    assert!(cancelled.cancel_initiated_at.is_some());
    let ended = batches.wait(&batch.id, Duration::from_millis(5)).await.unwrap();
    let results: Vec<BatchResult> = batches.results(&ended).await.unwrap().try_collect().await.unwrap();
    assert_eq!(results[0].outcome, BatchOutcome::Canceled);
}

/// A batch of so many requests that has ended.
fn ended(requests: usize) -> Value {
    json!({"id": "msgbatch_1", "processing_status": "ended", "request_counts": {"succeeded": requests}})
}

fn line(id: usize) -> String {
    let message = json!({"id": "msg_1", "role": "assistant", "model": "m", "content": [{"type": "text", "text": format!("Answer {id} ✓\n")}], "stop_reason": "end_turn"});
    format!(
        "{}\n",
        json!({"custom_id": format!("r{id}"), "result": {"type": "succeeded", "message": message}})
    )
}

/// Reads results that arrive in these pieces: the texts, and the error at the end.
async fn read(pieces: Vec<Bytes>, expected: usize, limit: MaxLineBytes) -> (Vec<String>, Option<Error>) {
    let script = Script::default().json(&ended(expected)).pieces(pieces);
    let batches = script.client().messages().batches().max_line_bytes(limit);
    let batch = batches.get("msgbatch_1").await.unwrap();
    let mut results = batches.results(&batch).await.unwrap();
    let mut texts = Vec::new();
    while let Some(result) = results.next().await {
        match result {
            Ok(result) => texts.push(result.outcome.message().unwrap().text()),
            Err(error) => {
                assert!(results.next().await.is_none(), "nothing follows an error");
                return (texts, Some(error));
            }
        }
    }
    (texts, None)
}

fn split(body: &[u8], sizes: &[usize]) -> Vec<Bytes> {
    let mut rest = body;
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = after;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Pieces of any size give the same results; a body cut anywhere is an error unless nothing is missing.
    #[test]
    fn results_in_pieces_and_cut(
        count in 1_usize..4,
        sizes in prop::collection::vec(1_usize..300, 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let body: String = (0..count).map(line).collect();
        let texts: Vec<String> = (0..count).map(|id| format!("Answer {id} ✓\n")).collect();
        let (all, error) = runtime.block_on(read(split(body.as_bytes(), &sizes), count, MaxLineBytes::default()));
        prop_assert_eq!(&all, &texts);
        prop_assert!(error.is_none(), "{:?}", error);

        let cut = cut.index(body.len());
        let (some, error) = runtime.block_on(read(split(&body.as_bytes()[..cut], &sizes), count, MaxLineBytes::default()));
        prop_assert!(texts.starts_with(&some));
        // Only the last line's end may be missing.
        prop_assert_eq!(error.map(|error| error.kind()), (cut + 1 < body.len()).then_some(ErrorKind::Truncated));
    }
}

#[tokio::test]
async fn results_that_are_none() {
    let kinds = async |body: &str, limit: usize| {
        let (_, error) = read(vec![Bytes::copy_from_slice(body.as_bytes())], 1, MaxLineBytes(limit)).await;
        let error = error.unwrap();
        (error.kind(), error.to_string())
    };
    let (kind, text) = kinds("<html>\nGateway</html>\n", 1000).await;
    assert_eq!(kind, ErrorKind::UnexpectedBody);
    assert!(text.contains("result 1"), "{text}");
    let (kind, text) = kinds(&line(0), 20).await;
    assert_eq!(kind, ErrorKind::UnexpectedBody);
    assert!(text.contains("MaxLineBytes"), "{text}");
}

#[tokio::test]
async fn a_connection_lost_in_the_results_is_an_error() {
    let script = Script::default().json(&ended(2)).lost_after(vec![line(0).into()]);
    let batches = script.client().messages().batches();
    let batch = batches.get("msgbatch_1").await.unwrap();
    let results: Vec<Result<BatchResult, Error>> = batches.results(&batch).await.unwrap().collect().await;
    assert_eq!(results.len(), 2);
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::Lost);
}

#[tokio::test]
async fn outcomes_that_are_no_answer() {
    let lines = [
        json!({"custom_id": "a", "result": {"type": "errored", "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}}}),
        json!({"custom_id": "b", "result": {"type": "expired"}}),
        json!({"custom_id": "c", "result": {"type": "evaporated", "n": 1}}),
    ];
    let body: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let script = Script::default().json(&ended(3)).pieces(vec![body.into()]);
    let batches = script.client().messages().batches();
    let batch = batches.get("msgbatch_1").await.unwrap();
    let results: Vec<BatchResult> = batches.results(&batch).await.unwrap().try_collect().await.unwrap();
    assert!(matches!(&results[0].outcome, BatchOutcome::Errored(error) if error.message == "no"));
    assert_eq!(results[1].outcome, BatchOutcome::Expired);
    assert!(matches!(&results[2].outcome, BatchOutcome::Other(raw) if raw.get().contains("evaporated")));
}
