//! `perennial explain`, of a gateway that runs.

use crate::rig::{Ran, Service, perennial, run};
use crate::services::{STREAM, request};

/// The stream that an answer names.
fn stream(answer: &str) -> &str {
    let line = answer.lines().find(|line| line.to_lowercase().starts_with("perennial-stream:")).unwrap();
    line.split_once(':').unwrap().1.trim()
}

#[test]
fn a_stream_that_broke_is_explained_with_its_attempts_and_its_seam() {
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--pace", "instant", "--orders", "fin@event=12,times=1"];
    let service = Service::start(&mut perennial(&arguments));
    let answer = request(&service.url, "POST /v1/messages", STREAM);
    assert!(answer.contains("event: message_stop"), "{answer}");
    let id = stream(&answer);
    let explained = run(&["explain", id, "--gateway", &service.url]);
    assert_eq!(explained.code, 0, "{}", explained.err);
    for part in [
        id,
        "claude-opus-4-6",
        "completed",
        "attempt 1: main fails",
        "the rest is asked for",
        "seam: attempt 2 goes on",
        "attempt 2: main answers 200",
        "stop reason end_turn",
        "2 attempts",
    ] {
        assert!(explained.out.contains(part), "{part}: {}", explained.out);
    }
    // Never content.
    let text = answer
        .split("\"text\":\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|text| text.len() > 8)
        .unwrap();
    assert!(!explained.out.contains(text), "{text}: {}", explained.out);

    let json = Ran::from(
        perennial(&["explain", id, "--json"]).env("PERENNIAL_GATEWAY", &service.url).output().unwrap(),
    );
    let timeline: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(timeline["figures"]["attempts"], 2);
}

#[test]
fn what_cannot_be_explained_is_said() {
    let service = Service::start(
        perennial(&["serve", "--listen", "127.0.0.1:0", "--pace", "instant"])
            .env("PERENNIAL_CLIENT_KEYS", "one,two"),
    );
    let answer = request(&service.url, "POST /v1/messages HTTP/1.1\r\nx-api-key: one\r\nx-rest:", STREAM);
    let id = stream(&answer);
    let with = |key: &str, id: &str| {
        let mut command = perennial(&["explain", id, "--gateway", &service.url]);
        Ran::from(command.env("PERENNIAL_KEY", key).output().unwrap())
    };
    assert_eq!(with("one", id).code, 0);
    let without = with("", id);
    assert_eq!((without.code, &*without.out), (3, ""));
    assert!(without.err.contains("PERENNIAL_KEY"), "{}", without.err);
    // Whose it is not learns nothing of it, not even that it is there.
    let (foreign, unknown) = (with("two", id), with("two", "strm_01900000-0000-7000-8000-000000000000"));
    assert_eq!((foreign.code, unknown.code), (1, 1));
    assert_eq!(run(&["explain", "nonsense"]).code, 2);
    let nobody = run(&["explain", id, "--gateway", "http://127.0.0.1:1"]);
    assert_eq!(nobody.code, 5);
    assert!(nobody.err.contains("--url"), "{}", nobody.err);
}
