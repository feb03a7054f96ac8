//! The text of text blocks, nothing else.

use bytes::BytesMut;
use perennial_log::{Kind, Record};
use perennial_protocol::{ContentBlock, Delta, Event, Received};

use crate::record::frames;

/// False where a record may have text and cannot be read: what follows would look whole and not be.
pub(super) fn write(record: &Record, out: &mut BytesMut) -> bool {
    if record.kind != Kind::Event {
        return true;
    }
    let mut is_readable = true;
    frames(&record.payload, |frame| match Received::read(frame).map(|received| received.event) {
        Ok(Some(Event::ContentBlockDelta { delta: Delta::Text(text), .. })) => {
            out.extend_from_slice(text.as_bytes());
        }
        Ok(Some(Event::ContentBlockStart { block, .. })) => {
            if let ContentBlock::Text(block) = &*block {
                out.extend_from_slice(block.text.as_bytes());
            }
        }
        Ok(_) => {}
        Err(_) => is_readable = false,
    });
    is_readable
}
