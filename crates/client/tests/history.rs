//! Every recorded answer goes back to the service byte for byte, block by block.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests fail as tests do, and say what they skipped"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use perennial::protocol::{EventDecoder, Raw};
use perennial::request::InputMessage;
use perennial::{MessageRequest, Transcript};
use serde::Deserialize;
use serde_json::Value;

/// The recorded streams, where they are at hand.
fn recordings() -> Vec<PathBuf> {
    let folder = std::env::var_os("PERENNIAL_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    let Ok(files) = std::fs::read_dir(folder.join("recorded")) else {
        eprintln!("skipped: no recordings; set PERENNIAL_FIXTURES to the folder that has `recorded`");
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

#[derive(Default)]
struct Block {
    start: String,
    /// The deltas that make the block more than its start, by kind.
    text: String,
    thinking: String,
    input: String,
    signature: Option<String>,
    citations: Vec<String>,
    compaction: Option<Value>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    index: Option<u64>,
    content_block: Option<Raw>,
    delta: Option<Raw>,
}

/// The blocks of a recording, read by other means than those under test: a line at a time, with a plain JSON reader.
fn blocks(body: &str) -> BTreeMap<u64, Block> {
    let mut blocks: BTreeMap<u64, Block> = BTreeMap::new();
    for data in body.lines().filter_map(|line| line.strip_prefix("data:")) {
        let Ok(line) = serde_json::from_str::<Line>(data) else { continue };
        if line.kind == "message_stop" {
            // Some recordings have a second answer behind it; it is another turn.
            break;
        }
        if let (Some(index), Some(start)) = (line.index, &line.content_block) {
            blocks.insert(index, Block { start: start.get().to_owned(), ..Block::default() });
        }
        let (Some(index), Some(delta)) = (line.index, &line.delta) else { continue };
        let value: Value = delta.parse().unwrap();
        let block = blocks.get_mut(&index).unwrap();
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        match value["type"].as_str().unwrap() {
            "text_delta" => block.text += &text("text"),
            "thinking_delta" => block.thinking += &text("thinking"),
            "input_json_delta" => block.input += &text("partial_json"),
            "signature_delta" => block.signature = Some(text("signature")),
            "citations_delta" => {
                #[derive(Deserialize)]
                struct Cites {
                    citation: Raw,
                }
                block.citations.push(delta.parse::<Cites>().unwrap().citation.get().to_owned());
            }
            "compaction_delta" => block.compaction = Some(value),
            kind => panic!("a delta that this test does not know: {kind}"),
        }
    }
    blocks
}

/// Holds one written block against what came.
fn check(name: &str, came: &Block, written: &str) {
    let at = || format!("{name}: {written}");
    let written_value: Value = serde_json::from_str(written).unwrap();
    let Block { text, thinking, input, signature, citations, compaction, start } = came;
    let start_value: Value = serde_json::from_str(start).unwrap();
    let grew = !text.is_empty() || !thinking.is_empty() || !input.is_empty() || !citations.is_empty();
    if !grew && signature.is_none() && compaction.is_none() {
        // Complete from its start, or empty. A block's padding is the service's, not content.
        assert_eq!(compact(written), compact(start), "{}", at());
        return;
    }
    let whole = |name: &str, rest: &str| start_value[name].as_str().unwrap_or_default().to_owned() + rest;
    if !text.is_empty() {
        assert_eq!(written_value["text"].as_str().unwrap(), whole("text", text), "{}", at());
    }
    if !thinking.is_empty() {
        assert_eq!(written_value["thinking"].as_str().unwrap(), whole("thinking", thinking), "{}", at());
    }
    if let Some(signature) = signature {
        assert_eq!(written_value["signature"].as_str().unwrap(), signature, "{}", at());
    }
    for citation in citations {
        assert!(written.contains(citation), "{}: lacks {citation}", at());
    }
    if let Some(compaction) = compaction {
        for name in ["content", "encrypted_content"] {
            assert_eq!(written_value[name], compaction[name], "{}", at());
        }
    }
    if !input.trim().is_empty() {
        // As text: number formats and the order of members are the model's own.
        assert!(written.contains(input.trim()), "{}: lacks {input}", at());
    }
    // The members are those of the start, in its order.
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert!(names(&written_value).starts_with(&names(&start_value)), "{}", at());
}

/// JSON without blanks between tokens; strings and numbers as they are.
fn compact(json: &str) -> String {
    let (mut compact, mut in_string, mut escaped) = (String::new(), false, false);
    for c in json.chars() {
        if in_string || !c.is_ascii_whitespace() {
            compact.push(c);
        }
        in_string = if in_string { escaped || c != '"' } else { c == '"' };
        escaped = in_string && c == '\\' && !escaped;
    }
    compact
}

#[derive(Deserialize)]
struct Body {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Vec<Raw>,
}

#[test]
fn recorded_answers_are_sent_back_as_they_came() {
    let mut seen = 0;
    for path in recordings() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let body = std::fs::read_to_string(&path).unwrap();
        let mut decoder = EventDecoder::new();
        let mut transcript = Transcript::new();
        let mut input = body.as_bytes();
        while let Some(received) = decoder.next_event(&mut input) {
            if let Some(event) = received.unwrap().event {
                transcript.apply(&event);
            }
        }
        let message = transcript.into_message();
        let turn = message.to_turn();
        let came = blocks(&body);
        if turn.content.len() != came.len() {
            // Complete in `message_start`, or with parts that a fallback forbids to send: other tests' matter.
            assert!(came.is_empty() || body.contains("\"fallback\""), "{name}");
            continue;
        }
        let request = MessageRequest::new("m", 9).message(turn);
        let written: Body = serde_json::from_slice(&serde_json::to_vec(&request).unwrap()).unwrap();
        assert_eq!(written.messages[0].role, "assistant");
        for (came, written) in came.values().zip(&written.messages[0].content) {
            check(&name, came, written.get());
            seen += 1;
        }
        // What was written and is read back as raw is written the same again.
        let text = serde_json::to_string(&InputMessage::from(&message)).unwrap();
        assert_eq!(serde_json::to_string(&InputMessage::raw(Raw::new(text.clone()).unwrap())).unwrap(), text);
    }
    eprintln!("{seen} blocks");
}
