//! Frames of our own making: an event of an attempt with another number or another usage, and events that no attempt sent.

use bytes::Bytes;
use indexmap::IndexMap;
use perennial_protocol::Usage;
use perennial_protocol::sse::{Decoder, Outgoing};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The members of an event, each as it was written.
type Members = IndexMap<String, Box<RawValue>>;

/// A block of text begins.
pub(crate) fn text_start(index: u64) -> Bytes {
    let block = json!({"type": "text", "text": ""});
    let data = json!({"type": "content_block_start", "index": index, "content_block": block});
    written("content_block_start", &data)
}

/// A block grows by a text.
pub(crate) fn text_delta(index: u64, text: &str) -> Bytes {
    let delta = json!({"type": "text_delta", "text": text});
    let data = json!({"type": "content_block_delta", "index": index, "delta": delta});
    written("content_block_delta", &data)
}

/// The end marker.
pub(crate) fn message_stop() -> Bytes {
    Bytes::from_static(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
}

/// The frame with another number for its block.
pub(crate) fn renumbered(raw: &Bytes, index: u64, number: u64) -> Bytes {
    if index == number {
        return raw.clone();
    }
    rewritten(raw, |members| {
        *members.get_mut("index")? = serde_json::value::to_raw_value(&number).ok()?;
        Some(())
    })
}

/// The frame with another usage; it stays as it is where it has none.
pub(crate) fn with_usage(raw: &Bytes, usage: &Usage) -> Bytes {
    rewritten(raw, |members| {
        *members.get_mut("usage")? = serde_json::value::to_raw_value(usage).ok()?;
        Some(())
    })
}

fn rewritten(raw: &Bytes, change: impl FnOnce(&mut Members) -> Option<()>) -> Bytes {
    try_rewritten(raw, change).unwrap_or_else(|| raw.clone())
}

/// The frame's name stays, and so do all members that are not changed. Comments within it are left out.
fn try_rewritten(raw: &Bytes, change: impl FnOnce(&mut Members) -> Option<()>) -> Option<Bytes> {
    let mut decoder = Decoder::new();
    let mut input = &raw[..];
    let frame = decoder.next_frame(&mut input)?.ok()?;
    let mut members: Members = serde_json::from_slice(frame.data()?).ok()?;
    change(&mut members)?;
    let data = serde_json::to_string(&members).ok()?;
    let name = frame.event_lossy();
    let mut out = Vec::with_capacity(data.len() + name.len() + 24);
    let name = Some(&*name).filter(|name| !name.is_empty());
    // A member may have line ends between its tokens, if its data came in several lines.
    Outgoing { event: name, ..Outgoing::data(&data) }.write_to(&mut out).ok()?;
    Some(out.into())
}

fn written(name: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_to_be_changed_is() {
        for (raw, expected) in [
            (
                "event: content_block_stop\r\ndata: {\"x\": 1.50, \"index\":0,\"type\":\"content_block_stop\"}\r\n\r\n",
                "event: content_block_stop\ndata: {\"x\":1.50,\"index\":3,\"type\":\"content_block_stop\"}\n\n",
            ),
            ("data: {\"index\":0}\n\n", "data: {\"index\":3}\n\n"),
            // Data in several lines, with a line end within a member.
            (
                "data: {\"index\":0,\ndata: \"delta\":{\ndata: \"text\":\"a\"}}\n\n",
                "data: {\"index\":3,\"delta\":{\ndata: \"text\":\"a\"}}\n\n",
            ),
            // Without a number there is nothing to change.
            ("data: {\"type\":\"ping\"}\n\n", "data: {\"type\":\"ping\"}\n\n"),
            (": comment\n\n", ": comment\n\n"),
        ] {
            let changed = renumbered(&Bytes::from_static(raw.as_bytes()), 0, 3);
            assert_eq!(std::str::from_utf8(&changed).unwrap(), expected);
        }
    }
}
