//! A JSON object a line.

use std::fmt::Write as _;

use bytes::BytesMut;
use perennial_log::{Kind, Record};
use perennial_protocol::sse::Frame;

use super::LogEvent;
use crate::record::frames;

/// Writes a record's line, if it has one. `lead` stands before its members: nothing, or members of the caller's own with a comma after them.
pub(crate) fn write(record: &Record, lead: &[u8], out: &mut BytesMut) {
    if record.kind == Kind::Event {
        frames(&record.payload, |frame| {
            if frame.data().is_some() {
                begin(record, lead, &frame.event_lossy(), out);
                write_data(&frame, out);
                out.extend_from_slice(b"}\n");
            }
        });
    } else if let Some(event) = LogEvent::of(record) {
        begin(record, lead, event.name, out);
        // Writing to memory does not fail.
        let _ = write!(out, ",\"data\":{}", event.data);
        out.extend_from_slice(b"}\n");
    }
}

fn begin(record: &Record, lead: &[u8], event: &str, out: &mut BytesMut) {
    out.reserve(record.payload.len() + 96);
    out.extend_from_slice(b"{");
    out.extend_from_slice(lead);
    let _ = write!(out, "\"id\":\"{}\",\"time\":{},\"event\":", record.position(), record.time.as_micros());
    write_string(if event.is_empty() { "message" } else { event }, out);
}

/// The data as it came, on one line; as a string if it is not JSON.
fn write_data(frame: &Frame<'_>, out: &mut BytesMut) {
    let data = frame.data().unwrap_or_default();
    if serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok() {
        out.extend_from_slice(b",\"data\":");
        let from = out.len();
        out.extend_from_slice(data);
        // Within JSON a line end stands between tokens only. Hardly any data has one.
        if memchr::memchr2(b'\n', b'\r', data).is_some() {
            for byte in out[from..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
                *byte = b' ';
            }
        }
    } else {
        out.extend_from_slice(b",\"text\":");
        write_string(&frame.data_lossy(), out);
    }
}

fn write_string(text: &str, out: &mut BytesMut) {
    // A string is always JSON.
    out.extend_from_slice(&serde_json::to_vec(text).unwrap_or_default());
}
