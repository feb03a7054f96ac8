//! Settings: what is sent, and what is never shown.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stage;

use perennial::{Client, RequestBody, RequestOptions};
use stage::{Act, Stage, request};

const KEY: &str = "sk-ant-very-secret-indeed";

async fn sent(client: &Client, options: &RequestOptions, stage: &Stage) -> stage::Sent {
    client.messages().with(options).create(request()).await.unwrap();
    stage.sent().pop().unwrap()
}

fn values(sent: &stage::Sent, name: &str) -> Vec<String> {
    sent.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_usual_headers() {
    let stage = Stage::new([Act::whole("x")]);
    let client = stage.builder().api_key(KEY).build().unwrap();
    let sent = sent(&client, &RequestOptions::new(), &stage).await;
    assert_eq!(sent.uri, "https://api.anthropic.com/v1/messages");
    for (name, value) in [
        ("anthropic-version", "2026-10-21"),
        ("x-api-key", KEY),
        ("content-type", "application/json"),
        ("accept-encoding", "identity"),
    ] {
        assert_eq!(values(&sent, name), [value], "{name}");
    }
    assert!(values(&sent, "authorization").is_empty() && values(&sent, "anthropic-beta").is_empty());
    let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!((&body["stream"], &body["model"]), (&true.into(), &"claude-test".into()));
}

#[tokio::test]
async fn a_token_is_a_bearer() {
    let stage = Stage::new([Act::whole("x")]);
    let client = stage.builder().auth_token(KEY).build().unwrap();
    let sent = sent(&client, &RequestOptions::new(), &stage).await;
    assert_eq!(values(&sent, "authorization"), [format!("Bearer {KEY}")]);
    assert!(values(&sent, "x-api-key").is_empty());
}

#[tokio::test]
async fn a_request_overrides_its_client() {
    let stage = Stage::new([Act::whole("x")]);
    let builder =
        stage.builder().version("2023-06-01").beta("one").header("x-a", "client").header("x-b", "client");
    let client = builder.base_url("http://127.0.0.1:9/prefix/").build().unwrap();
    let options = RequestOptions::new()
        .beta("two, one")
        .header("x-a", "request")
        .header("anthropic-version", "2099-01-01");
    let body = RequestBody::serialize(&request()).unwrap().beta("three");
    client.messages().with(&options).create(body).await.unwrap();
    let sent = stage.sent().pop().unwrap();
    assert_eq!(sent.uri, "http://127.0.0.1:9/prefix/v1/messages");
    assert_eq!(values(&sent, "anthropic-beta"), ["one,two,three"]);
    assert_eq!(values(&sent, "anthropic-version"), ["2099-01-01"]);
    assert_eq!(
        (values(&sent, "x-a"), values(&sent, "x-b")),
        (vec!["request".to_owned()], vec!["client".to_owned()])
    );
}

#[tokio::test]
async fn bodies_are_sent_as_written() {
    let stage = Stage::new([Act::whole("x")]);
    let written =
        "{ \"model\" : \"m\",\"n\":1.50, \"big\":123456789012345678901234567890,\"a\":\"\\u00e9\" ,\"n\":2}";
    let body = RequestBody::from_json(written).unwrap();
    stage.client().messages().create(body).await.unwrap();
    let sent = stage.sent().pop().unwrap();
    assert_eq!(sent.body, written.replace("\"n\":2}", "\"n\":2,\"stream\":true}"));
}

#[tokio::test]
async fn a_key_is_never_shown() {
    let stage = Stage::new([Act::error(401, "authentication_error")]);
    let client = stage.builder().api_key(KEY).header("x-also-secret", KEY).build().unwrap();
    let mut shown = format!("{client:?} {:?}", client.messages());
    let mut stream = client.messages().stream(request());
    let error = stream.finish().await.unwrap_err();
    shown += &format!("{stream:?} {error:?} {error} {:?}", error.response());
    for builder in [Client::builder().api_key(KEY), Client::builder().auth_token(KEY)] {
        shown += &format!("{builder:?}");
        shown += &format!("{:?}", builder.base_url(format!("http://user:{KEY}@127.0.0.1")).build());
    }
    let broken = format!("{KEY}\n");
    shown += &format!("{:?}", Client::builder().api_key(broken.clone()).build().unwrap_err());
    shown += &format!("{:?}", RequestOptions::new().header("x-a", KEY));
    let bad = Client::builder().header("x-a", &broken).build().unwrap_err();
    shown += &format!("{bad:?} {bad}");
    assert!(!shown.contains("very-secret"), "{shown}");
    // The cause of a failure to connect neither.
    let client = Client::builder().api_key(KEY).base_url("http://127.0.0.1:1").build().unwrap();
    let once = RequestOptions::new().retries(perennial::RetryPolicy::none());
    let error = client.messages().with(&once).create(request()).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("very-secret"));
    assert!(error.to_string().contains("cannot connect"), "{error}");
}

#[test]
fn what_cannot_be_used_is_refused_with_a_reason() {
    for (builder, word) in [
        (Client::builder().base_url("api.anthropic.com"), "http://"),
        (Client::builder().base_url("ftp://host"), "http://"),
        (Client::builder().base_url("http://"), "URL"),
        (Client::builder().base_url("https://host/?a=b"), "query"),
        (Client::builder().base_url("https://me:secret@host"), "user name"),
        (Client::builder().version("no\nversion"), "version"),
        (Client::builder().api_key("a\nb"), "API key"),
        (Client::builder().header("not a name", "x"), "not a name"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), perennial::ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}
