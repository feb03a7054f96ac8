//! The log of the services, as lines for programs.

use serde_json::Value;

use crate::rig::{Service, perennial, run};
use crate::services::{STREAM, request};

#[test]
fn every_line_is_json_and_says_which_stream_it_is_about() {
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--pace", "instant", "--orders", "fin@event=12,times=1"];
    let mut serve = perennial(&arguments);
    let service = Service::start(serve.args(["--log-format", "json"]).env("PERENNIAL_LOG", "info"));
    let answer = request(&service.url, "POST /v1/messages", STREAM);
    let id = answer.lines().find_map(|line| line.strip_prefix("perennial-stream: ")).unwrap();
    assert!(request(&service.url, "GET /nowhere", "").starts_with("HTTP/1.1 404 "));
    service.signal("TERM");
    let (code, said) = service.end();
    assert_eq!(code, 0, "{said}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        for member in ["timestamp", "level", "message", "target"] {
            assert!(line[member].is_string(), "{line}");
        }
    }
    let line = |message: &str| {
        lines.iter().find(|line| line["message"].as_str().unwrap().contains(message)).expect(message)
    };
    assert_eq!(line("goes on with another attempt")["stream"], id);
    assert_eq!(line("refused")["status"], 404);
    // What the command itself says is a line like another.
    assert_eq!(line("stopping")["target"], "perennial");
}

#[test]
fn how_much_is_logged_is_a_setting_and_a_wrong_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("perennial.toml");
    std::fs::write(&file, "[log]\nformat = \"xml\"\n").unwrap();
    let ran = run(&["config", "check", file.to_str().unwrap()]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("log.format") || ran.err.contains("format"), "{}", ran.err);
    assert!(ran.err.contains("`text`, `json`"), "{}", ran.err);
    std::fs::write(&file, "[log]\nfilter = \"perennial_gateway=loud\"\n").unwrap();
    let ran = run(&["config", "check", file.to_str().unwrap()]);
    assert!(ran.err.contains("perennial_gateway=info"), "{}", ran.err);

    std::fs::write(&file, "[log]\nformat = \"json\"\nfilter = \"info\"\n").unwrap();
    let mut serve = perennial(&["serve", "--listen", "127.0.0.1:0", "--pace", "instant"]);
    let service = Service::start(serve.args(["--config", file.to_str().unwrap()]));
    request(&service.url, "GET /nowhere", "");
    service.signal("TERM");
    let (_, said) = service.end();
    assert!(said.lines().any(|line| line.contains("\"message\":\"refused\"")), "{said}");
}
