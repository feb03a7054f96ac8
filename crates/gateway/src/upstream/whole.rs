//! Whole messages: an answer that came in one piece, as the stream that was asked for.
//!
//! Some that stand before the service do not stream. Their message is whole, and paid for; as events it can be kept and read like any other, and clients that asked
//! for a stream get one. Values are not looked into: numbers in a tool's input stay as they are written.

use std::collections::BTreeMap;

use bytes::Bytes;
use perennial_protocol::sse::Outgoing;
use serde::Serialize;
use serde_json::value::RawValue;

type Members = BTreeMap<String, Box<RawValue>>;

/// The events that say what a message says; `None` where it is no message.
pub(crate) fn events(message: &[u8]) -> Option<Vec<Bytes>> {
    let mut message: Members = serde_json::from_slice(message).ok()?;
    if text(&message, "type")? != "message" {
        return None;
    }
    let blocks: Vec<Members> = serde_json::from_str(message.remove("content")?.get()).ok()?;
    let mut end = Members::new();
    for name in ["stop_reason", "stop_sequence", "stop_details", "container"] {
        if let Some(value) = message.insert(name.to_owned(), RawValue::NULL.to_owned()) {
            end.insert(name.to_owned(), value);
        } else {
            message.remove(name);
        }
    }
    let (usage, edits) = (message.get("usage").cloned(), message.remove("context_management"));
    message.insert("content".to_owned(), raw("[]")?);

    let mut frames = vec![frame("message_start", [("message", value(&message)?)])?];
    for (index, block) in blocks.into_iter().enumerate() {
        let (start, deltas) = taken_apart(block)?;
        let index = value(&index)?;
        frames.push(frame(
            "content_block_start",
            [("index", index.clone()), ("content_block", value(&start)?)],
        )?);
        for delta in deltas {
            frames.push(frame("content_block_delta", [("index", index.clone()), ("delta", value(&delta)?)])?);
        }
        frames.push(frame("content_block_stop", [("index", index)])?);
    }
    let end = [("delta", value(&end)?)].into_iter();
    let end = end.chain(usage.map(|usage| ("usage", usage)));
    frames.push(frame("message_delta", end.chain(edits.map(|edits| ("context_management", edits))))?);
    frames.push(frame("message_stop", [])?);
    Some(frames)
}

/// A block as it begins, and what is added to it.
fn taken_apart(mut block: Members) -> Option<(Members, Vec<Members>)> {
    let mut deltas = Vec::new();
    // What is empty needs no delta: it begins like that.
    let mut take = |block: &mut Members, member: &str, empty: &str, delta: &str, name: &str| -> Option<()> {
        let Some(value) = block.get_mut(member).filter(|value| !matches!(value.get(), "null" | "\"\""))
        else {
            return Some(());
        };
        let value = std::mem::replace(value, raw(empty)?);
        deltas.push(Members::from([
            ("type".to_owned(), raw(&format!("\"{delta}\""))?),
            (name.to_owned(), value),
        ]));
        Some(())
    };
    match text(&block, "type")?.as_str() {
        "text" => {
            let citations = block.get("citations").filter(|citations| citations.get().starts_with('['));
            let citations: Vec<Box<RawValue>> = citations
                .and_then(|citations| serde_json::from_str(citations.get()).ok())
                .unwrap_or_default();
            take(&mut block, "text", "\"\"", "text_delta", "text")?;
            for citation in citations {
                block.insert("citations".to_owned(), citation);
                take(&mut block, "citations", "[]", "citations_delta", "citation")?;
            }
        }
        "thinking" => {
            take(&mut block, "thinking", "\"\"", "thinking_delta", "thinking")?;
            take(&mut block, "signature", "\"\"", "signature_delta", "signature")?;
        }
        kind if kind.ends_with("tool_use") => {
            let written = block.get("input").map(|input| input.get().to_owned());
            if let Some(written) = written.filter(|written| written != "{}") {
                block.insert("input".to_owned(), value(&written)?);
                take(&mut block, "input", "{}", "input_json_delta", "partial_json")?;
            }
        }
        _ => {}
    }
    Some((block, deltas))
}

fn text(members: &Members, name: &str) -> Option<String> {
    serde_json::from_str(members.get(name)?.get()).ok()
}

fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.to_owned()).ok()
}

fn value(of: &impl Serialize) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(of).ok()
}

/// An event with these members. A message may be written over many lines, and then its values are.
fn frame<'a>(kind: &str, members: impl IntoIterator<Item = (&'a str, Box<RawValue>)>) -> Option<Bytes> {
    let mut data = Members::from([("type".to_owned(), value(&kind)?)]);
    data.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let data = serde_json::to_string(&data).ok()?;
    let mut out = Vec::new();
    Outgoing { event: Some(kind), ..Outgoing::data(&data) }.write_to(&mut out).ok()?;
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use perennial_protocol::{EventDecoder, Transcript};
    use serde_json::Value;

    use super::*;

    fn folded(body: &[u8]) -> Option<Value> {
        let (mut decoder, mut transcript) = (EventDecoder::new(), Transcript::new());
        let mut input = body;
        while let Some(received) = decoder.next_event(&mut input) {
            if let Some(event) = received.ok()?.event {
                transcript.apply(&event);
            }
        }
        transcript.is_finished().then(|| serde_json::to_value(transcript.message()).unwrap())
    }

    fn again(message: &str) -> Value {
        folded(&events(message.as_bytes()).unwrap().concat()).unwrap()
    }

    #[test]
    fn every_recorded_message_is_what_it_was() {
        let folder = std::env::var("PERENNIAL_FIXTURES").map_or_else(
            |_| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
            std::path::PathBuf::from,
        );
        let Ok(recordings) = std::fs::read_dir(folder.join("recorded")) else {
            println!("skipped: the recorded streams are not here; set PERENNIAL_FIXTURES to their folder");
            return;
        };
        let mut seen = 0;
        for path in recordings.map(|entry| entry.unwrap().path()) {
            let Some(message) = folded(&std::fs::read(&path).unwrap()) else { continue };
            assert_eq!(again(&message.to_string()), message, "{}", path.display());
            // Written over many lines it is the same, but for the blanks in a tool's input.
            assert_eq!(
                again(&serde_json::to_string_pretty(&message).unwrap()),
                message,
                "{}",
                path.display()
            );
            seen += 1;
        }
        assert!(seen > 100, "only {seen} messages");
    }

    #[test]
    fn numbers_stay_as_they_are_written() {
        let message = r#"{"type":"message","id":"m","role":"assistant","model":"x","content":[{"type":"tool_use","id":"t","name":"n","input":{"n":12345678901234567890.10, "m": 1}},{"type":"found","score":1.10e2}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":2}}"#;
        let frames = events(message.as_bytes()).unwrap().concat();
        let frames = String::from_utf8(frames).unwrap();
        assert!(frames.contains(r#""partial_json":"{\"n\":12345678901234567890.10, \"m\": 1}""#), "{frames}");
        assert!(frames.contains(r#""score":1.10e2"#), "{frames}");
        assert!(!frames.contains("\"stop_reason\":\"tool_use\",\"stop_sequence\":null,\"type\":\"message\""));
    }

    #[test]
    fn what_is_no_message_is_none() {
        for body in ["", "[]", "{}", r#"{"type":"error","error":{}}"#, r#"{"type":"message","content":7}"#] {
            assert!(events(body.as_bytes()).is_none(), "{body}");
        }
    }
}
