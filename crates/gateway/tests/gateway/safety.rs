//! Who may read and stop what: keys, capabilities, and web pages.

use std::time::Duration;

use perennial_gateway::{Gateway, Key};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{Answer, MODEL, PATIENCE, Rig, question, quick, receive, simulator};

const PAGE: &str = "https://app.example";

async fn keyed() -> Rig {
    let key = |key| Key::new(key).unwrap();
    Rig::with(simulator(), |gateway| {
        let gateway = gateway.clocks(quick()).upstream_key(key("up")).client_key(key("a"));
        gateway.client_key(key("b")).operator_key(key("chief")).allow_origin(PAGE)
    })
    .await
}

async fn ask(rig: &Rig, method: Method, path: &str, key: Option<&str>, body: &str) -> Answer {
    receive(rig.call_with(method, path, key).body(body.to_owned())).await
}

/// A stream of key `a` that hangs.
async fn create(rig: &Rig) -> String {
    let request =
        rig.call_with(Method::POST, "/v1/streams", Some("a")).header("perennial-sim", "stall@event=6");
    let answer = receive(request.body(question(MODEL, true).to_string())).await;
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// A capability for a stream, asked for by its owner.
async fn link(rig: &Rig, stream: &str, body: &Value) -> Value {
    let path = format!("/v1/streams/{stream}/links");
    let answer = ask(rig, Method::POST, &path, Some("a"), &body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

/// Every way to a stream, each with the status that its owner gets; those that end it last.
fn ways(stream: &str) -> Vec<(Method, String, u16)> {
    let path = |rest: &str| format!("/v1/streams/{stream}{rest}");
    vec![
        (Method::GET, path(""), 200),
        (Method::GET, path("/message"), 200),
        (Method::GET, path("/events?live=poll&wait=0"), 200),
        (Method::POST, path("/links"), 201),
        (Method::POST, path("/cancel"), 200),
        (Method::GET, path("/events"), 200),
        (Method::GET, path("/events?format=ndjson"), 200),
        (Method::DELETE, path(""), 204),
    ]
}

#[tokio::test]
async fn a_stream_is_there_for_its_key_and_for_an_operator_only() {
    let rig = keyed().await;
    for key in ["a", "chief"] {
        let stream = create(&rig).await;
        for (method, path, status) in ways(&stream) {
            // As if it were not there; and without a key nothing is said at all.
            let other = ask(&rig, method.clone(), &path, Some("b"), "").await;
            assert_eq!(other.status, 404, "{method} {path}: {}", other.text());
            let absent = path.replace(&stream, "strm_0199c0ffee0070008000000000000001");
            let absent = ask(&rig, method.clone(), &absent, Some("b"), "").await;
            assert_eq!(absent.json()["error"], other.json()["error"], "{method} {path}");
            assert_eq!(ask(&rig, method.clone(), &path, None, "").await.status, 401, "{method} {path}");
            assert_eq!(ask(&rig, method.clone(), &path, Some("c"), "").await.status, 401, "{method} {path}");
            let own = ask(&rig, method.clone(), &path, Some(key), "").await;
            assert_eq!(own.status, status, "{key}: {method} {path}: {}", own.text());
        }
    }
}

#[tokio::test]
async fn many_streams_are_each_asked_about() {
    let rig = keyed().await;
    let stream = create(&rig).await;
    ask(&rig, Method::POST, &format!("/v1/streams/{stream}/cancel"), Some("a"), "").await;
    let read = link(&rig, &stream, &json!({})).await;
    let cap = read["cap"].as_str().unwrap();
    let many = format!("/v1/events?streams={stream}:0");
    let with_cap = format!("{many}:{cap}");
    for (path, key, part) in [
        (&many, Some("a"), "perennial.terminal"),
        (&many, Some("chief"), "perennial.terminal"),
        (&many, Some("b"), "\"status\":404"),
        (&with_cap, None, "perennial.terminal"),
        (&format!("{with_cap}x"), None, "\"status\":401"),
    ] {
        let answer = ask(&rig, Method::GET, path, key, "").await;
        assert!(answer.status == 200 && answer.text().contains(part), "{path} {key:?}: {}", answer.text());
    }
    assert_eq!(ask(&rig, Method::GET, &many, None, "").await.status, 401);
}

#[tokio::test]
async fn a_capability_reads_or_stops_one_stream() {
    let rig = keyed().await;
    let (stream, other) = (create(&rig).await, create(&rig).await);
    let read = link(&rig, &stream, &json!({"scope": "read", "expires_in": 60})).await;
    let cancel = link(&rig, &stream, &json!({"scope": "cancel"})).await;
    let (read, cancel) = (read["cap"].as_str().unwrap(), cancel["cap"].as_str().unwrap());
    let tampered = |cap: &str, from: &str, to: &str| cap.replacen(from, to, 1);
    let path = |stream: &str, rest: &str, cap: &str| format!("/v1/streams/{stream}{rest}?cap={cap}");
    let poll = format!("{}&live=poll&wait=0", path(&stream, "/events", read));
    for (method, path, status) in [
        (Method::GET, path(&stream, "", read), 200),
        (Method::GET, path(&stream, "", cancel), 200),
        (Method::GET, path(&stream, "/message", read), 200),
        (Method::GET, poll, 200),
        // Only what it is for.
        (Method::POST, path(&stream, "/cancel", read), 403),
        (Method::POST, path(&stream, "/links", cancel), 401),
        (Method::DELETE, path(&stream, "", cancel), 401),
        (Method::GET, path(&other, "", read), 401),
        (Method::POST, path(&other, "/cancel", cancel), 401),
        (Method::GET, format!("/v1/streams?cap={cancel}"), 401),
        // Only as it was given.
        (Method::POST, path(&stream, "/cancel", &tampered(read, "read", "cancel")), 401),
        (Method::GET, path(&stream, "", &tampered(read, ".1", ".2")), 401),
        (Method::GET, path(&stream, "", &read[..read.len() - 1]), 401),
        (Method::GET, path(&stream, "", ""), 401),
        (Method::GET, path(&stream, "", "read.9999999999."), 401),
        // And then it stops.
        (Method::POST, path(&stream, "/cancel", cancel), 200),
    ] {
        let answer = ask(&rig, method.clone(), &path, None, "").await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    let whole = ask(&rig, Method::GET, &path(&stream, "/events", read), None, "").await;
    assert!(whole.text().contains("\"outcome\":\"cancelled\""), "{}", whole.text());
    let state = ask(&rig, Method::GET, &format!("/v1/streams/{other}"), Some("a"), "").await;
    assert_eq!(state.json()["state"], "running", "the other is untouched");
}

#[tokio::test]
async fn a_capability_ends_with_its_time_and_with_its_stream() {
    let rig = keyed().await;
    let stream = create(&rig).await;
    // Longer than the stream is kept: as long as it.
    let long = link(&rig, &stream, &json!({"expires_in": 10_000_000})).await;
    let object = ask(&rig, Method::GET, &format!("/v1/streams/{stream}"), Some("a"), "").await.json();
    assert_eq!(long["expires_at"], object["expires_at"]);
    for body in
        ["{\"scope\":\"all\"}", "{\"expires_in\":0}", "{\"scop\":\"read\"}", "[1]", "{\"expires_in\":-1}"]
    {
        let path = format!("/v1/streams/{stream}/links");
        let answer = ask(&rig, Method::POST, &path, Some("a"), body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    let short = link(&rig, &stream, &json!({"expires_in": 1})).await;
    let path = format!("/v1/streams/{stream}?cap={}", short["cap"].as_str().unwrap());
    let expires = async {
        while ask(&rig, Method::GET, &path, None, "").await.status == 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, expires).await.expect("its time ends");
    let over = ask(&rig, Method::GET, &path, None, "").await;
    assert_eq!(over.status, 401);
    assert!(over.text().contains("its time is over"), "{}", over.text());
    ask(&rig, Method::DELETE, &format!("/v1/streams/{stream}"), Some("a"), "").await;
    let path = format!("/v1/streams/{stream}?cap={}", long["cap"].as_str().unwrap());
    assert_eq!(ask(&rig, Method::GET, &path, None, "").await.status, 410);
}

#[tokio::test]
async fn only_pages_that_were_allowed_may_read_answers() {
    let rig = keyed().await;
    let url = |path: &str| format!("{}{path}", rig.gateway.url());
    let preflight = |origin: &'static str, method: &'static str| {
        let request = rig.http.request(Method::OPTIONS, url("/v1/streams")).header("origin", origin);
        let request = request.header("access-control-request-method", method);
        receive(request.header("access-control-request-headers", "x-api-key,anthropic-version,x-new"))
    };
    for method in ["GET", "POST", "DELETE"] {
        let allowed = preflight(PAGE, method).await;
        assert_eq!(allowed.status, 200);
        assert_eq!(allowed.header("access-control-allow-origin"), PAGE);
        assert!(allowed.header("access-control-allow-methods").contains(method));
        assert!(allowed.header("access-control-allow-headers").contains("x-new"));
        assert_eq!(allowed.header("access-control-max-age"), "600");
        assert_eq!(allowed.header("access-control-allow-credentials"), "", "no cookies");
        for origin in ["https://evil.example", "https://app.example.evil", "http://app.example", "null"] {
            assert_eq!(preflight(origin, method).await.header("access-control-allow-origin"), "", "{origin}");
        }
    }
    let message = |origin: &'static str| {
        let request = rig.call_with(Method::POST, "/v1/messages", Some("a")).header("origin", origin);
        receive(request.body(question(MODEL, true).to_string()))
    };
    let allowed = message(PAGE).await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, PAGE));
    assert!(allowed.header("vary").to_lowercase().contains("origin"));
    assert!(allowed.header("access-control-expose-headers").contains("perennial-stream"));
    // A page elsewhere that has a key is answered; its browser does not show it the answer.
    let other = message("https://evil.example").await;
    assert_eq!((other.status, other.header("access-control-allow-origin")), (200, ""));
    // Refusals can be read as well.
    let refused = receive(rig.http.get(url("/v1/streams")).header("origin", PAGE)).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, PAGE));
}

#[tokio::test]
async fn without_keys_a_page_that_was_not_allowed_is_not_answered_at_all() {
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).allow_origin(PAGE)).await;
    let stream = rig.create("").await;
    for (method, path, status) in ways(&stream).into_iter().rev().chain([
        (Method::GET, "/v1/streams".to_owned(), 200),
        (Method::POST, "/v1/streams".to_owned(), 400),
        (Method::GET, format!("/v1/events?streams={stream}:0"), 200),
    ]) {
        if method == Method::DELETE {
            continue;
        }
        for (name, value, allowed) in [
            ("origin", "https://evil.example", false),
            ("host", "evil.example", false),
            ("origin", PAGE, true),
        ] {
            let answer = receive(rig.call(method.clone(), &path).header(name, value)).await;
            let expected = if allowed { status } else { 403 };
            assert_eq!(answer.status, expected, "{method} {path}, {name}: {value}: {}", answer.text());
        }
    }
}

#[test]
fn what_is_no_origin_is_refused_in_words() {
    for wrong in ["app.example", "https://app.example/", "https://app.example/x", "*", "null", ""] {
        let built = Gateway::builder("http://127.0.0.1:1").allow_origin(wrong).build();
        let message = built.unwrap_err().to_string();
        assert!(message.contains("is no origin; give one like https://app.example"), "{wrong}: {message}");
    }
}
