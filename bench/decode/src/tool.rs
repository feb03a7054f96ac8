//! A stream of one tool call whose input comes in 10-byte deltas.

use std::str::FromStr;

use crate::mix::Stream;

const DELTA_BYTES: usize = 10;

/// What the input looks like.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// One long string: a file that is being written.
    String,
    /// An array of many small objects: a list that is being filled.
    Objects,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "string" => Ok(Self::String),
            "objects" => Ok(Self::Objects),
            _ => Err(format!("{text} is no shape; there are string and objects")),
        }
    }
}

/// A whole stream whose input is about `size` bytes of JSON.
pub(crate) fn stream(shape: Shape, size: usize) -> Stream {
    let mut out = Stream { bytes: Vec::with_capacity(size * 16), events: 0, text_bytes: 0 };
    out.event("message_start", START, 0);
    out.event("content_block_start", BLOCK, 3);
    let input = input(shape, size);
    let mut rest = input.as_str();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(DELTA_BYTES.min(rest.len()));
        let piece = serde_json::to_string(piece).expect("a string is JSON");
        out.event(
            "content_block_delta",
            &format!(
                r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"input_json_delta","partial_json":{piece}}}}}"#
            ),
            piece.len() % 7,
        );
        rest = after;
    }
    out.event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#, 2);
    out.event("message_delta", END, 0);
    out.event("message_stop", r#"{"type":"message_stop"}"#, 0);
    out
}

const START: &str = r#"{"type":"message_start","message":{"model":"claude-sonnet-4-5","id":"msg_01Bench","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":1}}}"#;
const BLOCK: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_01Bench","name":"bench","input":{}}}"#;
const END: &str = r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":100000}}"#;

/// ASCII only, so that it can be cut anywhere.
fn input(shape: Shape, size: usize) -> String {
    let fill = |unit: &str| unit.repeat(size / unit.len());
    match shape {
        Shape::String => {
            format!(r#"{{"path":"a.txt","content":"{}"}}"#, fill("All \\\"work\\\" and\\n no play. "))
        }
        Shape::Objects => format!(
            r#"{{"items":[{}null]}}"#,
            fill(r#"{"id": 12345, "name": "Widget", "price": 9.99, "tags": ["a", "b"]}, "#)
        ),
    }
}
