//! Bodies into records: an id, and the bytes that a face gave for it.

use serde_json::Value;

/// What one record was on a face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) bytes: Vec<u8>,
}

/// Cuts a body, which comes in pieces, at an end mark.
#[derive(Debug)]
pub(crate) struct Splitter {
    end: &'static [u8],
    buffer: Vec<u8>,
}

impl Splitter {
    pub(crate) fn events() -> Self {
        Self { end: b"\n\n", buffer: Vec::new() }
    }

    pub(crate) fn lines() -> Self {
        Self { end: b"\n", buffer: Vec::new() }
    }

    /// Takes a piece; gives what is whole, without its end mark.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        self.buffer.extend_from_slice(piece);
        let mut whole = Vec::new();
        while let Some(at) = self.buffer.windows(self.end.len()).position(|window| window == self.end) {
            let rest = self.buffer.split_off(at + self.end.len());
            self.buffer.truncate(at);
            whole.push(std::mem::replace(&mut self.buffer, rest));
        }
        whole
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// A server-sent event: its id, and the rest of it. Nothing for a comment.
pub(crate) fn event(frame: &[u8]) -> Option<Seen> {
    if frame.is_empty() || frame[0] == b':' || is_ping_of_the_gateway(frame) {
        return None;
    }
    let rest = frame.strip_prefix(b"id: ").unwrap_or_else(|| panic!("no id: {}", text(frame)));
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
    Some(Seen { id: text(&rest[..end]), bytes: rest[end + 1..].to_vec() })
}

/// A line of NDJSON. Nothing for an empty one.
pub(crate) fn line(line: &[u8]) -> Option<Seen> {
    if line.is_empty() {
        return None;
    }
    let value: Value = serde_json::from_slice(line).unwrap();
    let id = value["id"].as_str().unwrap_or_else(|| panic!("no id: {}", text(line)));
    Some(Seen { id: id.to_owned(), bytes: line.to_vec() })
}

/// The name of the event in a line or in an event.
pub(crate) fn name(bytes: &[u8]) -> String {
    if let Some(rest) = bytes.strip_prefix(b"event: ") {
        return text(rest.split(|byte| *byte == b'\n').next().unwrap());
    }
    let value: Value = serde_json::from_slice(bytes).unwrap();
    value["event"].as_str().unwrap().to_owned()
}

/// The text that events say, all in all.
pub(crate) fn said(events: &[Vec<u8>]) -> String {
    let mut said = String::new();
    for event in events.iter().filter(|event| name(event) == "content_block_delta") {
        let text = text(event);
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let value: Value = serde_json::from_str(data).unwrap();
        said.push_str(value["delta"]["text"].as_str().unwrap());
    }
    said
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// On the drop-in face a sign of life is an event without a position.
fn is_ping_of_the_gateway(frame: &[u8]) -> bool {
    frame == b"event: ping\ndata: {\"type\": \"ping\"}"
}
