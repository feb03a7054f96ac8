//! `perennial doctor`.

use serde_json::Value;

use crate::rig::{Ran, Sim, perennial};

#[test]
fn without_a_key_it_says_what_works_all_the_same() {
    // A proxy that is not there is a network that is not there.
    let ran = Ran::from(perennial(&["doctor"]).env("HTTPS_PROXY", "http://127.0.0.1:1").output().unwrap());
    assert_eq!(ran.code, 5, "{}", ran.err);
    for part in ["embedded simulator", "api.anthropic.com", "BAD  network", "HTTPS_PROXY"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
}

#[test]
fn each_trouble_is_a_line_and_a_code() {
    let sim = Sim::new();
    let with = |url: &str, key: &str, orders: &str| {
        let mut command = perennial(&["doctor", "--base-url", url]);
        command.env("ANTHROPIC_CUSTOM_HEADERS", format!("perennial-sim: {orders}"));
        if !key.is_empty() {
            command.env("ANTHROPIC_API_KEY", key);
        }
        Ran::from(command.output().unwrap())
    };
    let url = sim.handle.url();
    for (url, key, orders, code, part) in [
        (url.as_str(), "sk-ant-secret-key", "", 0, "ok   accepted"),
        (&url, "", "", 3, "the key is not accepted"),
        (&format!("{url}/v1"), "sk-ant-secret-key", "", 0, "leave it out"),
        ("http://127.0.0.1:1", "sk-ant-secret-key", "", 5, "no connection"),
        (&url, "sk-ant-secret key", "", 0, "has blanks in it"),
    ] {
        let ran = with(url, key, orders);
        assert_eq!(ran.code, code, "{url} {key}: {}{}", ran.out, ran.err);
        assert!(ran.out.contains(part), "{}", ran.out);
        assert!(!ran.out.contains("secret"), "{}", ran.out);
    }
}

#[test]
fn live_holds_the_service_against_what_is_assumed() {
    let sim = Sim::new();
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let live = |arguments: &[&str], orders: &str| {
        let mut command = perennial(&[
            "doctor",
            "--live",
            "--base-url",
            &sim.handle.url(),
            "--report",
            report.to_str().unwrap(),
        ]);
        command.args(arguments).env("ANTHROPIC_API_KEY", "sk-ant-secret-key");
        Ran::from(
            command.env("ANTHROPIC_CUSTOM_HEADERS", format!("perennial-sim: {orders}")).output().unwrap(),
        )
    };
    let unasked = live(&[], "");
    assert_eq!(unasked.code, 2);
    assert!(unasked.err.contains("--yes") && !report.exists(), "{}", unasked.err);

    let right = live(&["--yes"], "");
    // The simulator takes any key, which the real service does not.
    let different: Vec<_> = right.out.lines().filter(|line| line.contains("**DIFFERENT**")).collect();
    assert_eq!(different, ["- **DIFFERENT** error: wrong key"], "{}", right.out);
    assert!(right.out.contains("0 not shown"), "{}", right.out);
    let text = std::fs::read_to_string(&report).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let checks = json["checks"].as_array().unwrap();
    assert!(checks.len() > 25, "one model of each generation: {} checks", checks.len());
    assert!(!text.contains("secret") && !text.contains("127.0.0.1"), "a report tells nothing of whose it is");
    assert!(!text.contains("simulator, not by Claude"), "a report holds no answer");

    // A service that has changed is found out.
    let changed = live(&["--yes", "-m", "claude-opus-4-6"], "unknown=event");
    assert_eq!(changed.code, 1);
    assert!(changed.out.contains("not known to this version"), "{}", changed.out);
    let busy = live(&["--yes", "-m", "claude-opus-4-6"], "status=529");
    assert_eq!(busy.code, 1);
    assert!(busy.out.contains("not shown"), "{}", busy.out);
}
