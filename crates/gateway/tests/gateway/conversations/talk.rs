//! Questions and answers, and what is done to conversations.

use perennial_sim::Phase;
use reqwest::Method;
use serde_json::{Value, json};

use super::{asked, rig, text, turn, turns};
use crate::native::Growing;
use crate::rig::{PATIENCE, Rig, receive};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_answered_by_a_stream_and_kept() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({"model": "claude-opus-4-8", "system": "Be brief."})).await;
    let made = rig.tell(&id, json!({"parent": null, "content": "Why is the **sea** blue?"}), "").await;
    assert_eq!((&made["user"]["role"], &made["assistant"]["state"]), (&json!("user"), &json!("running")));
    let stream = made["assistant"]["stream"].as_str().unwrap();
    let message = rig.lines(stream).await;
    assert_eq!(message.last().unwrap()["event"], "perennial.terminal");
    let shown = rig.over(&id).await;
    let answer = turn(&shown, &made["assistant"]["id"]);
    let folded = rig.get(&format!("/v1/streams/{stream}/message")).await.json();
    assert_eq!(answer["content"], folded["content"], "what the stream had");
    assert_eq!((&answer["state"], &answer["stop_reason"]), (&json!("completed"), &json!("end_turn")));
    assert!(
        answer["usage"]["output_tokens"].as_u64().unwrap() > 0 && answer["timing"]["elapsed_ms"].is_number()
    );
    assert_eq!(shown["title"], "Why is the **sea** blue?");
    assert_eq!((&shown["head"], &shown["live"]), (&answer["id"], &Value::Null));

    // The next question goes up with all that was said.
    rig.tell(&id, json!({"content": [{"type": "text", "text": "And the sky?"}]}), "").await;
    let shown = rig.over(&id).await;
    assert_eq!(turns(&shown).len(), 4);
    let asked = asked(&rig);
    let messages = asked[1]["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert_eq!(messages[1]["content"], folded["content"], "as it came");
    assert_eq!((&asked[1]["system"], &asked[1]["model"]), (&json!("Be brief."), &json!("claude-opus-4-8")));

    // An edited question is a branch of its own; the text of the last answer for who takes only text; and tapes for pages.
    let edited = rig.tell(&id, json!({"parent": null, "content": "Why is grass green?"}), "").await;
    let shown = rig.over(&id).await;
    assert_eq!((turns(&shown).len(), &shown["head"]), (6, &edited["assistant"]["id"]));
    let taped = rig.get(&format!("/v1/conversations/{id}?format=tape")).await.json();
    let block = &turn(&taped, &edited["assistant"]["id"])["content"][0];
    assert_eq!((&block["tape"]["v"], &block["tape"]["seq"]), (&json!(1), &json!(0)));
    assert!(!block["tape"]["ops"].as_array().unwrap().is_empty());
    let plain = receive(rig.call(Method::GET, &format!("/c/{id}"))).await;
    assert_eq!(plain.text().trim_end(), text(turn(&shown, &edited["assistant"]["id"])).trim_end());
    let found = rig.get("/v1/conversations?q=grass").await.json();
    assert_eq!((&found["data"][0]["id"], found["hits"].as_array().unwrap().len()), (&json!(id), 1));
    assert!(rig.get("/v1/conversations?q=nowhere").await.json()["data"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_before_is_read_from_the_services_cache() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({"model": "claude-sonnet-5-5"})).await;
    let long = format!("Why is the sea blue? {}", "I have asked many people who live there. ".repeat(200));
    let first = rig.tell(&id, json!({"content": long}), "pace=instant").await;
    rig.over(&id).await;
    let second = rig.tell(&id, json!({"content": "And the sky?"}), "pace=instant").await;
    let shown = rig.over(&id).await;
    let figure = |made: &Value, name: &str| turn(&shown, &made["assistant"]["id"])["usage"][name].as_u64();
    let written = figure(&first, "cache_creation_input_tokens").unwrap();
    assert!(written > 1024 && figure(&first, "cache_read_input_tokens") == Some(0), "{shown}");
    assert_eq!(figure(&second, "cache_read_input_tokens"), Some(written));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_stopped_in_any_state_and_gone_on_with() {
    for (orders, phase) in [("stall@headers", Phase::BeforeHeaders), ("stall@event=9", Phase::Content)] {
        let rig = rig(|gateway| gateway).await;
        let id = rig.talk(json!({"model": "claude-opus-4-8"})).await;
        let made = rig.tell(&id, json!({"content": "Write about the sea."}), orders).await;
        rig.reached(phase).await;
        if phase == Phase::Content {
            let stream = made["assistant"]["stream"].as_str().unwrap();
            let mut reading =
                Growing::open(rig.call(Method::GET, &format!("/v1/streams/{stream}/events"))).await;
            reading.until("text_delta").await;
        }
        let busy = rig
            .say(Method::POST, &format!("/v1/conversations/{id}/turns"), &json!({"content": "More"}), "")
            .await;
        assert_eq!(busy.status, 409, "{}", busy.text());
        let answer = made["assistant"]["id"].as_str().unwrap();
        let path = format!("/v1/conversations/{id}/turns/{answer}");
        for _ in 0..2 {
            let stopped = rig.say(Method::POST, &format!("{path}/stop"), &json!({}), "").await;
            assert_eq!(
                (stopped.status, &stopped.json()["turn"]["state"]),
                (200, &json!("cancelled")),
                "{orders}"
            );
        }
        let shown = rig.conversation(&id).await;
        let said = text(turn(&shown, &made["assistant"]["id"]));
        assert_eq!(said.is_empty(), phase == Phase::BeforeHeaders);

        let more = rig.say(Method::POST, &format!("{path}/continue"), &json!({}), "").await;
        assert_eq!(more.status, 201, "{}", more.text());
        let more = more.json()["assistant"].clone();
        assert_eq!((&more["continues"], &more["parent"]), (&json!(answer), &json!(answer)));
        rig.over(&id).await;
        let asked = asked(&rig);
        let messages = asked.last().unwrap()["messages"].as_array().unwrap();
        if said.is_empty() {
            assert_eq!(messages.len(), 1, "nothing came: the same is asked again");
        } else {
            assert_eq!(messages[1]["content"][0]["text"], json!(said));
            assert!(
                messages[2]["content"][0]["text"]
                    .as_str()
                    .unwrap()
                    .contains("Go on exactly where it stopped")
            );
        }
        // What is whole is not gone on with; it is asked for again beside it.
        let more = more["id"].as_str().unwrap();
        let path = format!("/v1/conversations/{id}/turns/{more}");
        assert_eq!(rig.say(Method::POST, &format!("{path}/continue"), &json!({}), "").await.status, 409);
        let retried = rig.say(Method::POST, &format!("{path}/retry"), &json!({}), "").await;
        assert_eq!((retried.status, &retried.json()["assistant"]["parent"]), (201, &json!(answer)));
        rig.over(&id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_goes_round_in_circles_is_told_of_and_kept_once() {
    let unit = format!("the rain fell in torrents{}; ", ", and the wind blew".repeat(14));
    let orders = format!(
        "ttft=1ms,tps=2000,jitter=0; answer=\"It%20was%20night%3A%20{}\"",
        unit.repeat(60).replace(' ', "%20").replace(',', "%2C").replace(';', "%3B")
    );
    let once = format!("It was night: {unit}");
    for (body, trims) in [(json!({}), false), (json!({"trim": true}), true)] {
        let rig = rig(|gateway| gateway).await;
        let id = rig.talk(json!({"model": "claude-opus-4-8"})).await;
        let made = rig.tell(&id, json!({"content": "Write about the rain."}), &orders).await;
        let stream = made["assistant"]["stream"].as_str().unwrap();
        let mut reading = Growing::open(rig.call(Method::GET, &format!("/v1/streams/{stream}/events"))).await;
        reading.until("perennial.notice").await;
        let answer = made["assistant"]["id"].as_str().unwrap();
        let path = format!("/v1/conversations/{id}/turns/{answer}/stop");
        let stopped = rig.say(Method::POST, &path, &body, "").await;
        assert_eq!((stopped.status, &stopped.json()["turn"]["state"]), (200, &json!("cancelled")));
        let log = rig.get(&format!("/v1/streams/{stream}/events?format=ndjson")).await.text().to_owned();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let notice = lines.into_iter().find(|line| line["event"] == "perennial.notice").unwrap();
        let (unit_bytes, times) = (&notice["data"]["unit"], &notice["data"]["times"]);
        assert_eq!((unit_bytes, times), (&json!(unit.len()), &json!(4)), "said once, and three times more");

        let said = text(turn(&rig.conversation(&id).await, &made["assistant"]["id"]));
        if trims {
            assert_eq!(said.trim_end(), once.trim_end());
        } else {
            assert!(said.matches("the rain").count() >= 3, "{said}");
        }
        rig.tell(&id, json!({"content": "And then?"}), "pace=instant").await;
        rig.over(&id).await;
        assert_eq!(asked(&rig).last().unwrap()["messages"][1]["content"][0]["text"], json!(said));
    }
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({"model": "claude-opus-4-8"})).await;
    let made = rig.tell(&id, json!({"content": "Write about the rain."}), "stall@event=9").await;
    let path = format!("/v1/conversations/{id}/turns/{}/stop", made["assistant"]["id"].as_str().unwrap());
    assert_eq!(rig.say(Method::POST, &path, &json!({"trims": true}), "").await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_waits_for_the_answer_before_it() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({})).await;
    let first = rig.tell(&id, json!({"content": "One"}), "stall@event=12,times=1").await;
    rig.reached(Phase::Content).await;
    let second = rig.tell(&id, json!({"content": "Two", "queue": true}), "").await;
    let third = rig.tell(&id, json!({"content": "Three", "queue": true}), "").await;
    assert_eq!(
        (&second["assistant"]["state"], &third["assistant"]["state"]),
        (&json!("queued"), &json!("queued"))
    );
    // The one in the middle is taken back; the last still waits for the first.
    let middle = second["assistant"]["id"].as_str().unwrap();
    let stopped =
        rig.say(Method::POST, &format!("/v1/conversations/{id}/turns/{middle}/stop"), &json!({}), "").await;
    assert_eq!(stopped.json()["turn"]["state"], "cancelled");
    assert_eq!(rig.sim.journal().entries().len(), 1);
    let running = first["assistant"]["id"].as_str().unwrap();
    rig.say(Method::POST, &format!("/v1/conversations/{id}/turns/{running}/stop"), &json!({}), "").await;
    let shown = rig.over(&id).await;
    assert_eq!(turn(&shown, &third["assistant"]["id"])["state"], "completed");
    let asked = asked(&rig);
    assert_eq!(asked.len(), 2);
    let said: Vec<_> =
        asked[1]["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(said, ["user", "assistant", "user"]);
    let last = asked[1]["messages"][2]["content"].as_array().unwrap();
    assert_eq!(
        last.iter().map(|block| block["text"].as_str().unwrap()).collect::<Vec<_>>(),
        ["Two", "Three"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_is_repeated_is_asked_once() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({})).await;
    let ask = async |content: &str| {
        let request = rig.call(Method::POST, &format!("/v1/conversations/{id}/turns"));
        receive(request.header("idempotency-key", "k").body(json!({"content": content}).to_string())).await
    };
    let (one, other) = (ask("Once").await, ask("Once").await);
    assert_eq!((one.status, other.status), (201, 200));
    assert_eq!(one.json()["assistant"]["id"], other.json()["assistant"]["id"]);
    assert_eq!(ask("Something else").await.status, 409);
    let shown = rig.over(&id).await;
    assert_eq!((turns(&shown).len(), rig.sim.journal().entries().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_and_writes_nothing() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({})).await;
    let turns_path = format!("/v1/conversations/{id}/turns");
    for (method, path, body, status) in [
        (Method::POST, "/v1/conversations", json!({"settings": {"tools": ["shell"]}}), 400),
        (Method::POST, "/v1/conversations", json!({"settings": {"max_tokens": 0}}), 400),
        (Method::POST, "/v1/conversations", json!({"settings": {"thinking": "a lot"}}), 400),
        (Method::POST, "/v1/conversations", json!({"colour": "blue"}), 400),
        (Method::POST, &turns_path, json!({"content": " "}), 400),
        (Method::POST, &turns_path, json!({"content": []}), 400),
        (Method::POST, &turns_path, json!({"content": [1]}), 400),
        (Method::POST, &turns_path, json!({}), 400),
        (Method::POST, &turns_path, json!({"content": "x", "parent": "turn_none"}), 404),
        (Method::POST, "/v1/conversations/conv_none/turns", json!({"content": "x"}), 404),
        (Method::GET, "/v1/conversations/conv_none", json!({}), 404),
        (Method::GET, "/v1/conversations?limit=0", json!({}), 400),
        (Method::POST, "/v1/conversations/import", json!({"type": "something"}), 400),
        (Method::PATCH, &format!("/v1/conversations/{id}"), json!({"head": "turn_none"}), 404),
    ] {
        let answer = rig.say(method.clone(), path, &body, "").await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
        assert_eq!(answer.json()["type"], "error");
    }
    assert!(turns(&rig.conversation(&id).await).is_empty());
    let without = Rig::new().await;
    assert!(without.get("/v1/conversations").await.text().contains("keeps no conversations"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_changed_exported_imported_and_deleted() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({"title": "Mine"})).await;
    rig.tell(&id, json!({"content": "Hello"}), "").await;
    rig.over(&id).await;
    let mut feed = rig.feed().await;
    let path = format!("/v1/conversations/{id}");
    let settings = json!({"thinking": "omitted", "max_tokens": 100, "tools": ["clock"]});
    let changed =
        rig.say(Method::PATCH, &path, &json!({"title": "Ours", "settings": settings}), "").await.json();
    assert_eq!((&changed["title"], &changed["settings"]), (&json!("Ours"), &settings));
    feed.until(&format!("\"id\":\"{id}\"")).await;
    let document = rig.get(&format!("{path}/export")).await.json();
    let imported = rig.say(Method::POST, "/v1/conversations/import", &document, "").await;
    let copy = imported.json()["data"][0]["id"].as_str().unwrap().to_owned();
    assert_ne!(copy, id, "the name is taken");
    let texts = |shown: &Value| turns(shown).iter().map(text).collect::<Vec<_>>();
    assert_eq!(texts(&rig.conversation(&copy).await), texts(&rig.conversation(&id).await));
    assert_eq!(rig.say(Method::DELETE, &path, &json!({}), "").await.status, 204);
    feed.until("\"deleted\":true").await;
    assert_eq!(rig.get(&path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_reads_the_answer_as_it_comes() {
    let rig = rig(|gateway| gateway).await;
    let id = rig.talk(json!({})).await;
    let made = rig.tell(&id, json!({"content": "Write about the sea."}), "stall@event=12").await;
    let mut reading = Growing::open(rig.call(Method::GET, &format!("/c/{id}"))).await;
    assert_eq!(reading.stream(), made["assistant"]["stream"].as_str().unwrap());
    let piece =
        tokio::time::timeout(PATIENCE, reading.response.chunk()).await.expect("some of it comes").unwrap();
    assert!(piece.is_some_and(|piece| !piece.is_empty()));
    assert_eq!(turn(&rig.conversation(&id).await, &made["assistant"]["id"])["state"], "running");
    let answer = made["assistant"]["id"].as_str().unwrap();
    rig.say(Method::POST, &format!("/v1/conversations/{id}/turns/{answer}/stop"), &json!({}), "").await;
    // What is not whole does not end like something that is.
    let ended = async {
        while reading.response.chunk().await?.is_some() {}
        Ok::<_, reqwest::Error>(())
    };
    assert!(tokio::time::timeout(PATIENCE, ended).await.expect("it ends").is_err());
}
