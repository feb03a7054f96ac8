//! Row T6: each flag does its work, is in the help, and a wrong one says what was meant.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::rig::{Ran, Sim, perennial, run, run_with_input};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// The request that these arguments make.
fn request(arguments: &[&str]) -> Value {
    let ran = run(&[&["ask", "--dry-run"], arguments].concat());
    assert_eq!((ran.code, &*ran.err), (0, ""), "{arguments:?}");
    serde_json::from_str(&ran.out).unwrap()
}

fn ask(arguments: &[&str]) -> Ran {
    run(&[&["ask", "--sim", "--pace", "instant", "-m", "claude-opus-4-6"], arguments].concat())
}

#[test]
fn t6_the_request() {
    let plain = request(&["What", "is it?"]);
    assert_eq!(plain["messages"], json!([{"role": "user", "content": "What is it?"}]));
    assert_eq!(request(&["-s", "Be brief", "x"])["system"], "Be brief");
    assert_eq!(request(&["-m", "claude-x", "x"])["model"], "claude-x");
    assert_eq!(
        request(&["-o", "temperature=0.5", "-o", "output_config.effort=high", "x"])["temperature"],
        0.5
    );
    assert_eq!(request(&["--thinking", "brief", "x"])["thinking"]["type"], "adaptive");
    let schema = r#"{"type":"object","properties":{"a":{"type":"integer"}}}"#;
    let format = &request(&["--schema", schema, "x"])["output_config"]["format"];
    assert_eq!(
        (&format["type"], &format["schema"]["properties"]["a"]["type"]),
        (&json!("json_schema"), &json!("integer"))
    );
}

#[test]
fn t6_schema_makes_json() {
    let ran = ask(&[
        "--schema",
        r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"#,
        "A city",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(answer["city"].is_string(), "{answer}");
    assert_eq!(ask(&["--schema", "{", "x"]).code, 2);
}

#[test]
fn t6_fragments_and_attachments() {
    let folder = tempfile::tempdir().unwrap();
    let (text, image) = (folder.path().join("notes.md"), folder.path().join("image"));
    std::fs::write(&text, "some notes\n").unwrap();
    std::fs::write(&image, PNG).unwrap();
    let (text, image) = (text.to_str().unwrap(), image.to_str().unwrap());

    let content = &request(&["-f", text, "-a", image, "-a", "https://a.example/p.pdf", "What?"])["messages"]
        [0]["content"];
    assert_eq!(content[0]["source"]["media_type"], "image/png");
    assert_eq!(
        content[1],
        json!({"type": "document", "source": {"type": "url", "url": "https://a.example/p.pdf"}})
    );
    assert!(content[2]["text"].as_str().unwrap().contains(">\nsome notes\n</fragment>"));
    assert_eq!(content[3]["text"], "What?");

    // Standard input, for either.
    let piped = run_with_input(&["ask", "--dry-run", "-f", "-", "What?"], b"piped text");
    assert!(piped.out.contains("<fragment source=\\\"standard input\\\">\\npiped text\\n"), "{}", piped.out);
    let piped = run_with_input(&["ask", "--dry-run", "-a", "-", "What?"], b"%PDF-1.7 ...");
    assert!(
        piped.out.contains("\"type\":\"document\"") && piped.out.contains("application/pdf"),
        "{}",
        piped.out
    );

    // An address.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        assert!(connection.read(&mut request).unwrap() > 0);
        connection
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nfetched")
            .unwrap();
    });
    let fetched = request(&["-f", &format!("http://{address}/x.txt"), "What?"]);
    serving.join().unwrap();
    assert!(fetched["messages"][0]["content"][0]["text"].as_str().unwrap().contains("\nfetched\n"));

    for (arguments, said) in [
        (&["-a", text, "x"][..], "-f sends text"),
        (&["-f", image, "x"], "-a sends images"),
        (&["-f", "no/such", "x"], "-f no/such"),
        (&["-f", "-", "-f", "-", "x"], "named twice"),
    ] {
        let ran = run_with_input(&[&["ask", "--dry-run"], arguments].concat(), b"text");
        assert!(ran.code == 2 && ran.err.contains(said), "{arguments:?}: {} {}", ran.code, ran.err);
    }
}

#[test]
fn t6_templates() {
    let home = tempfile::tempdir().unwrap();
    let ask = |arguments: &[&str]| -> Ran {
        let mut command = perennial(&["ask"]);
        command.args(arguments).env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path().join("config"));
        command.output().unwrap().into()
    };
    let saved = ask(&[
        "--save",
        "say",
        "-s",
        "Speak $lang",
        "-m",
        "claude-x",
        "-o",
        "temperature=0",
        "Say $input politely",
    ]);
    assert_eq!((saved.code, &*saved.out), (0, ""), "{}", saved.err);
    assert!(saved.err.contains("templates/say.toml; ask -t say asks it"), "{}", saved.err);
    let ran = ask(&["-t", "say", "-p", "lang=French", "--dry-run", "hello"]);
    let request: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&request["system"], &request["model"], &request["temperature"], &request["messages"][0]["content"]),
        (&json!("Speak French"), &json!("claude-x"), &json!(0), &json!("Say hello politely"))
    );
    for (arguments, said) in [
        (&["-t", "say", "hi"][..], "give -p lang=..."),
        (&["-t", "none", "hi"], "templates: say"),
        (&["-t", "say", "-p", "lang=a", "-p", "x=1", "hi"], "no such parameter"),
        (&["-p", "x=1", "hi"], "--template"),
    ] {
        let ran = ask(arguments);
        assert!(ran.code == 2 && ran.err.contains(said), "{arguments:?}: {} {}", ran.code, ran.err);
    }
}

#[test]
fn t6_forms_of_the_answer() {
    let orders = "answer=Two:%0A%0A```sh%0Aecho 1%0A```%0A%0A```%0Alast%0A```%0A";
    let ask = |flags: &[&str]| ask(&[&["--orders", orders], flags, &["x"]].concat());
    let text = ask(&[]).out;
    assert_eq!(text, "Two:\n\n```sh\necho 1\n```\n\n```\nlast\n```\n");
    assert_eq!(ask(&["-x"]).out, "echo 1\n");
    assert_eq!(ask(&["--xl"]).out, "last\n");
    assert_eq!(ask(&["--raw"]).out, text);
    assert_eq!(ask(&["--no-stream"]).out, text);
    let message: Value = serde_json::from_str(&ask(&["--json"]).out).unwrap();
    assert_eq!(message["content"][0]["text"], text);
    let events = ask(&["--events"]).out;
    assert!(events.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{events}");
    assert!(ask(&["--sse"]).out.starts_with("event: message_start\n"));
    assert!(ask(&["-u"]).err.contains("cost nothing (simulated)"));

    let none = run(&[
        "ask",
        "--sim",
        "--pace",
        "instant",
        "-m",
        "claude-opus-4-6",
        "--orders",
        "answer=print(1)",
        "-x",
        "x",
    ]);
    assert_eq!((none.code, &*none.out), (0, "print(1)\n"));
    assert!(none.err.contains("no block of code"), "{}", none.err);
}

#[test]
fn t6_reasoning_and_quiet() {
    let ask = |flags: &[&str]| run(&[&["ask", "--sim", "--pace", "instant"], flags, &["Hello"]].concat());
    assert!(ask(&["--thinking", "full"]).err.len() > 40);
    assert_eq!(ask(&["-R"]).err, "");
    assert_eq!(ask(&["-q", "--max-tokens", "3"]).err, "");
    assert_eq!(ask(&["-R", "--thinking", "full"]).code, 2);
}

#[test]
fn t6_each_flag_is_in_the_help_and_a_wrong_one_is_told() {
    let help = run(&["ask", "--help"]).out;
    for flag in [
        "-s,",
        "-m,",
        "-c,",
        "--cid",
        "-t,",
        "-p,",
        "--save",
        "-o,",
        "-f,",
        "-a,",
        "-x,",
        "--xl",
        "-u,",
        "-R,",
        "--json",
        "--events",
        "--sse",
        "--no-stream",
        "--raw",
        "-q,",
        "-n,",
        "--schema",
        "--wrap",
        "--color",
        "--thinking",
    ] {
        assert!(
            help.contains(&format!(" {flag} ")) || help.contains(&format!(" {flag}\n")),
            "{flag} is missing"
        );
    }
    let sim = Sim::new();
    let ran: Ran = sim.ask(&["--no-steam", "x"]).output().unwrap().into();
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("'--no-stream'"), "{}", ran.err);
}
