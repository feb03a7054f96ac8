//! Single events, changed or made up.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::frame::Frame;

pub(super) fn message_of(kind: &str) -> &'static str {
    match kind {
        "overloaded_error" => "Overloaded",
        "api_error" => "Internal server error",
        "rate_limit_error" => "This request would exceed the rate limit for your organization",
        "timeout_error" => "The request timed out while processing",
        _ => "The simulator was asked for this error",
    }
}

/// Bytes of no encoding, without line ends of their own, and a blank line, so that the next event stands by itself.
pub(super) fn garbage(bytes: usize, rng: &mut fastrand::Rng) -> Bytes {
    let mut garbage: Vec<u8> = std::iter::repeat_with(|| rng.u8(0x80..)).take(bytes).collect();
    garbage.extend_from_slice(b"\n\n");
    garbage.into()
}

pub(super) fn not_json(frame: &Frame) -> Frame {
    let name = frame.name.clone();
    let broken = format!(r#"{{"type":"{name}","inde"#);
    Frame { tokens: frame.tokens, total: frame.total, ..Frame::new(name, &broken) }
}

pub(super) fn padded(bytes: &Bytes, size: usize) -> Bytes {
    let at = bytes.iter().rposition(|byte| *byte == b'}').unwrap_or(bytes.len());
    let mut wide = Vec::with_capacity(size.max(bytes.len()));
    wide.extend_from_slice(&bytes[..at]);
    wide.resize(at + size.saturating_sub(bytes.len()), b' ');
    wide.extend_from_slice(&bytes[at..]);
    wide.into()
}

pub(super) fn edited(frame: Frame, edit: impl FnOnce(&mut Value)) -> Frame {
    let Some(mut event) = frame.data().and_then(|data| serde_json::from_str::<Value>(data).ok()) else {
        return frame;
    };
    edit(&mut event);
    let edited = Frame::new(frame.name.clone(), &event.to_string());
    Frame { bytes: edited.bytes, ..frame }
}

pub(super) fn without_usage(frame: Frame) -> Frame {
    let path = match &*frame.name {
        "message_start" => "/message",
        "message_delta" => "",
        _ => return frame,
    };
    edited(frame, |event| {
        if let Some(Value::Object(holder)) = event.pointer_mut(path) {
            holder.shift_remove("usage");
        }
    })
}

pub(super) fn with_unknown_stop_reason(frame: Frame) -> Frame {
    edited(frame, |event| event["delta"]["stop_reason"] = json!("moonrise"))
}

pub(super) fn unknown_event() -> Frame {
    Frame::new("weather_report", r#"{"type":"weather_report","sky":"clear","nested":{"n":1.50}}"#)
}

pub(super) fn unknown_delta(index: u64) -> Frame {
    let delta =
        json!({"type": "content_block_delta", "index": index, "delta": {"type": "glow_delta", "glow": 0.5}});
    Frame::new("content_block_delta", &delta.to_string())
}

pub(super) fn unknown_block(index: u64) -> [Frame; 3] {
    let start = json!({"type": "content_block_start", "index": index, "content_block": {"type": "hologram", "seed": "x1"}});
    let delta = json!({"type": "content_block_delta", "index": index, "delta": {"type": "voxel_delta", "voxels": [1, 2]}});
    let stop = json!({"type": "content_block_stop", "index": index});
    [
        Frame::new("content_block_start", &start.to_string()),
        Frame::new("content_block_delta", &delta.to_string()),
        Frame::new("content_block_stop", &stop.to_string()),
    ]
}
