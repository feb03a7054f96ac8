//! Faults in combination, armed, at a rate, from a scenario; and what is wrong with an order.

use perennial_sim::mind::tokens::count;
use perennial_sim::{Outcome, Scenario};
use serde_json::{Value, json};

use crate::raw::{End, PATIENCE, Raw, ask, fetch, hello, instant, quick};

#[tokio::test]
async fn faults_compose() {
    let handle = instant().await;
    let healthy = ask(&handle, &hello(true), "").await;
    let orders =
        "comments,lines=crlf,unknown=event; duplicate=message_delta; fin@after=message_stop; writes=7";
    let seen = ask(&handle, &hello(true), orders).await;
    assert_eq!(seen.end, End::Fin);
    assert!(seen.text().starts_with(": a comment\r\nevent: message_start\r\n"), "{}", seen.text());
    assert_eq!(seen.names().len(), healthy.names().len() + 2);
    assert_eq!(seen.answer(), healthy.answer());
    let entry = handle.journal().wait_for(|entry| entry.outcome == Outcome::Faulted).await;
    assert_eq!(
        entry.faults,
        "comments,lines=crlf,unknown=event,duplicate=message_delta,fin@after=message_stop,writes=7"
    );
    // The cap on writes goes with its request.
    assert_eq!(ask(&handle, &hello(true), "").await.body, healthy.body);
}

#[tokio::test]
async fn every_byte_can_be_the_last() {
    let handle = instant().await;
    let whole = ask(&handle, &hello(true), "").await.body;
    for at in (0..whole.len()).step_by(37).chain([whole.len() - 1]) {
        let seen = ask(&handle, &hello(true), &format!("fin@byte={at}")).await;
        assert!(seen.body == whole[..at] && seen.end == End::Fin, "byte {at}: {}", seen.text());
    }
}

#[tokio::test]
async fn a_range_is_picked_from_by_the_seed() {
    let handle = instant().await;
    let sizes = |seed: u64| {
        let handle = &handle;
        async move { ask(handle, &hello(true), &format!("fin@byte=10..900; seed={seed}")).await.body.len() }
    };
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let size = sizes(seed).await;
        assert!((10..=900).contains(&size));
        found.insert(size);
    }
    assert!(found.len() > 10, "{found:?}");
    let one = quick().spawn().await.unwrap();
    let two = quick().spawn().await.unwrap();
    for attempt in 0..4 {
        let (a, b) = (
            ask(&one, &hello(true), "fin@byte=10..900").await,
            ask(&two, &hello(true), "fin@byte=10..900").await,
        );
        assert_eq!(a.body, b.body, "attempt {attempt} of one seed");
    }
}

#[tokio::test]
async fn attempts_are_told_by_key_or_by_body() {
    let handle = instant().await;
    let status = async |key: &str, text: &str| {
        let mut body = hello(true);
        body["messages"][0]["content"] = json!(text);
        let headers = [("perennial-sim", "status=529,times=1"), ("perennial-sim-key", key)];
        let headers = if key.is_empty() { &headers[..1] } else { &headers[..] };
        Raw::post(&handle, "/v1/messages", &body, headers).await.read(PATIENCE).await.status
    };
    assert_eq!((status("", "a").await, status("", "a").await), (529, 200));
    assert_eq!((status("", "b").await, status("", "b").await), (529, 200), "another body starts anew");
    assert_eq!((status("k1", "a").await, status("k1", "b").await), (529, 200), "one key, whatever the body");
    assert_eq!(status("k2", "a").await, 529);
}

#[tokio::test]
async fn an_admin_call_arms_faults_for_the_next_requests() {
    let handle = instant().await;
    let arm = async |body: Value| Raw::post(&handle, "/sim/faults", &body, &[]).await.read(PATIENCE).await;
    assert_eq!(arm(json!({"faults": "status=503", "count": 2})).await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(ask(&handle, &hello(true), "").await.status);
    }
    assert_eq!(statuses, [503, 503, 200]);
    arm(json!({"faults": "status=500", "count": 0})).await;
    for _ in 0..3 {
        assert_eq!(ask(&handle, &hello(true), "").await.status, 500);
    }
    assert_eq!(fetch(&handle, "GET", "/sim/faults").await.json()["armed"][0]["orders"], "status=500");
    assert_eq!(fetch(&handle, "DELETE", "/sim/faults").await.status, 204);
    assert_eq!(ask(&handle, &hello(true), "").await.status, 200);
    for wrong in [json!({"faults": "fim@event=1"}), json!({"fault": "bom"}), json!(3)] {
        let seen = arm(wrong).await;
        assert_eq!(seen.status, 400);
        assert_eq!(seen.json()["error"]["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn a_rate_is_met_by_that_share_of_requests() {
    let handle = quick().orders("status=529,rate=0.3").spawn().await.unwrap();
    let mut met = 0;
    for _ in 0..200 {
        met += u32::from(ask(&handle, &hello(false), "").await.status == 529);
    }
    assert!((35..=85).contains(&met), "{met} of 200 at a rate of 0.3");
    let again = quick().orders("status=529,rate=0.3").spawn().await.unwrap();
    let mut repeated = 0;
    for _ in 0..200 {
        repeated += u32::from(ask(&again, &hello(false), "").await.status == 529);
    }
    assert_eq!(met, repeated, "the same seed");
}

#[tokio::test]
async fn an_order_that_is_none_is_refused_with_a_hint() {
    let handle = instant().await;
    for (orders, part) in [
        ("fim@event=5", "perennial-sim: `fim` is no order; did you mean `fin`?"),
        ("fin", "fin@PLACE"),
        ("continuation=loud", "honest|repeat"),
        ("pace=fast", "real|instant"),
    ] {
        let seen = ask(&handle, &hello(true), orders).await;
        assert_eq!(seen.status, 400, "{orders}");
        let message = seen.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn folded_answers_break_too() {
    let handle = instant().await;
    let whole = ask(&handle, &hello(false), "").await.body;
    for (orders, end, kept) in [
        ("fin@byte=20", End::Fin, 20),
        ("rst@byte=20", End::Rst, 20),
        ("end@byte=20", End::Complete, 20),
        ("stall=50ms@byte=20", End::Complete, whole.len()),
        ("lines=crlf", End::Complete, whole.len()),
    ] {
        let seen = ask(&handle, &hello(false), orders).await;
        assert_eq!((seen.status, seen.end), (200, end), "{orders}");
        assert!(seen.body == whole[..kept], "{orders}: {}", seen.text());
    }
    assert_eq!(ask(&handle, &hello(false), "status=529").await.status, 529);
}

/// The last usage of each message in the body counts what came in that message, and the journal bills `messages` of them.
async fn check_figures(body: &Value, orders: &str, expected: usize) {
    let handle = instant().await;
    let seen = ask(&handle, body, orders).await;
    let events = seen.data();
    let messages: Vec<&[Value]> =
        events.split(|event| event["type"] == "message_start").filter(|part| !part.is_empty()).collect();
    assert_eq!(messages.len(), expected, "{orders}");
    let tokens = |message: &[Value], kind: &str| -> u64 {
        message.iter().filter_map(|event| event["delta"][kind].as_str()).map(count).sum()
    };
    let usage = |message: &[Value]| {
        message.iter().find(|event| event["type"] == "message_delta").unwrap()["usage"].clone()
    };
    for message in &messages {
        let (thought, usage) = (tokens(message, "thinking"), usage(message));
        assert_eq!(usage["output_tokens"], thought + tokens(message, "text"), "{orders}: {usage}");
        let details = usage["output_tokens_details"]["thinking_tokens"].as_u64();
        assert_eq!(details.unwrap_or(0), thought, "{orders}: {usage}");
    }
    let entry = handle.journal().wait_for(|entry| entry.is_over()).await;
    assert_eq!(usage(messages[0])["output_tokens"], entry.billed.output_tokens, "{orders}");
}

#[tokio::test]
async fn usage_and_journal_count_what_was_sent() {
    let mut thinking = hello(true);
    thinking["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    thinking["max_tokens"] = json!(2000);
    for body in [hello(true), thinking] {
        check_figures(&body, "", 1).await;
        check_figures(&body, "repeat=20@event=6", 1).await;
        check_figures(&body, "repeat=2@event=5; repeat=3@event=8", 1).await;
        check_figures(&body, "two-messages", 2).await;
        // The copy is one of the answer, not of the model that was stuck.
        check_figures(&body, "two-messages,repeat=3@event=6", 2).await;
        check_figures(&body, "duplicate=message_delta,repeat=3@event=6", 1).await;
    }
}

#[tokio::test]
async fn a_scenario_answers_in_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let recording = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
    std::fs::write(folder.path().join("one.sse"), recording).unwrap();
    let scenario = Scenario::parse(
        r#"
        [[rule]]
        when = { contains = "rain", nth = 1 }
        orders = "status=529"

        [[rule]]
        when = { contains = "rain" }
        text = "Take an umbrella."

        [[step]]
        thinking = "A search will do."
        text = "Let me look."
        tools = [{ name = "search", input = { query = "x", n = 3 } }]

        [[step]]
        replay = "one"
        orders = "bom"
        "#,
    )
    .unwrap();
    let handle = quick().replay_dir(folder.path()).scenario(scenario).spawn().await.unwrap();
    let say = async |text: &str, stream: bool| {
        let mut body = hello(stream);
        body["messages"][0]["content"] = json!(text);
        ask(&handle, &body, "").await
    };
    assert_eq!(say("rain?", true).await.status, 529);
    assert_eq!(say("rain?", true).await.answer(), "Take an umbrella.");
    let message = say("anything", false).await.json();
    let kinds: Vec<_> =
        message["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use"]);
    assert_eq!(message["content"][2]["input"], json!({"query": "x", "n": 3}));
    assert_eq!(message["stop_reason"], "tool_use");
    assert!(message["usage"]["output_tokens"].as_u64().unwrap() > 5);
    assert_eq!(say("anything", true).await.text(), format!("\u{feff}{recording}"));
    assert_eq!(say("anything", true).await.status, 200, "after the last step, as ever");
    // What was thought can be sent back, and what was changed cannot.
    let mut next = hello(false);
    let mut turn = message["content"].clone();
    let result = json!([{"type": "tool_result", "tool_use_id": turn[2]["id"], "content": "found"}]);
    for status in [200, 400] {
        let asked = json!({"role": "user", "content": "anything"});
        let said = json!({"role": "assistant", "content": turn});
        next["messages"] = json!([asked, said, {"role": "user", "content": result}]);
        next["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
        next["max_tokens"] = json!(2000);
        next["tools"] = json!([{"name": "search", "input_schema": {"type": "object"}}]);
        let seen = ask(&handle, &next, "answer=ok").await;
        assert_eq!(seen.status, status, "{}", seen.text());
        turn[0]["thinking"] = json!("Something else.");
    }
}

#[tokio::test]
async fn the_journal_adds_up() {
    let handle = quick().orders("fin@byte=100..3000,rate=0.5; status=529,rate=0.2").spawn().await.unwrap();
    let mut bytes = 0;
    let mut texts = String::new();
    for turn in 0..40 {
        let mut body = hello(true);
        body["messages"][0]["content"] = json!(format!("Tell me about number {turn}"));
        let seen = ask(&handle, &body, "").await;
        if seen.status == 200 {
            bytes += seen.body.len() as u64;
            // What is cut inside an event did not arrive as an event.
            let complete = seen.text().rfind("\n\n").map_or(0, |at| at + 2);
            for event in seen.text()[..complete].lines().filter_map(|line| line.strip_prefix("data: ")) {
                let event: Value = serde_json::from_str(event).unwrap();
                texts.push_str(event["delta"]["text"].as_str().unwrap_or_default());
            }
        }
    }
    let entries = handle.journal().entries();
    assert_eq!(entries.len(), 40);
    assert!(entries.iter().all(|entry| entry.is_over()), "all are over");
    for outcome in [Outcome::Completed, Outcome::Faulted, Outcome::Refused] {
        assert!(entries.iter().any(|entry| entry.outcome == outcome), "{outcome:?}");
    }
    let sent: u64 = entries.iter().filter(|entry| entry.status == Some(200)).map(|entry| entry.bytes).sum();
    assert_eq!(sent, bytes);
    assert_eq!(entries.iter().map(|entry| entry.text()).collect::<String>(), texts);
    for entry in entries.iter().filter(|entry| entry.outcome == Outcome::Refused) {
        assert_eq!((entry.billed.input_tokens, entry.billed.output_tokens), (0, 0));
    }
}
