//! Server-sent events with positions.

use std::fmt::Write as _;

use bytes::BytesMut;
use memchr::memmem;
use perennial_log::{Kind, Position, Record};

use super::LogEvent;

const BOM: &[u8] = b"\xef\xbb\xbf";

pub(super) fn write(record: &Record, out: &mut BytesMut) {
    if record.kind == Kind::Event {
        write_frame(record.position(), &record.payload, out);
    } else if let Some(event) = LogEvent::of(record) {
        write_event(Some(record.position()), event.name, &event.data.to_string(), out);
    }
}

/// A frame of the upstream with the line for its position.
pub(super) fn write_frame(position: Position, frame: &[u8], out: &mut BytesMut) {
    let mut frame = frame.strip_prefix(BOM).unwrap_or(frame);
    // The LF of a pair that was cut belongs to the line before; after our own line it would end the frame.
    while let [first @ (b'\n' | b'\r'), rest @ ..] = frame {
        out.extend_from_slice(&[*first]);
        frame = rest;
    }
    if frame.is_empty() {
        return;
    }
    out.reserve(frame.len() + 32);
    if has_id(frame) {
        // The last `id:` line counts, so ours goes last.
        let end = frame.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
        out.extend_from_slice(&frame[..end]);
        out.extend_from_slice(b"\n");
        write_id(position, out);
        out.extend_from_slice(b"\n");
    } else {
        write_id(position, out);
        out.extend_from_slice(frame);
    }
}

/// An event of our own.
pub(super) fn write_event(position: Option<Position>, name: &str, data: &str, out: &mut BytesMut) {
    if let Some(position) = position {
        write_id(position, out);
    }
    // Writing to memory does not fail.
    let _ = write!(out, "event: {name}\ndata: {data}\n\n");
}

fn write_id(position: Position, out: &mut BytesMut) {
    let _ = writeln!(out, "id: {position}");
}

/// Whether the upstream set an id itself. Claude does not; another gateway may.
fn has_id(frame: &[u8]) -> bool {
    let is_field = |rest: &[u8]| matches!(rest.first(), None | Some(b':' | b'\n' | b'\r'));
    frame.strip_prefix(b"id").is_some_and(is_field)
        || memmem::find_iter(frame, b"id")
            .any(|at| at > 0 && matches!(frame[at - 1], b'\n' | b'\r') && is_field(&frame[at + 2..]))
}
