//! The text of text blocks, nothing else.

use bytes::BytesMut;
use perennial_log::{Kind, Record};
use perennial_protocol::sse::Decoder;
use perennial_protocol::{ContentBlock, Delta, Event, Received};

/// False where a record may have text and cannot be read: what follows would look whole and not be.
pub(super) fn write(record: &Record, out: &mut BytesMut) -> bool {
    if record.kind != Kind::Event {
        return true;
    }
    let mut decoder = Decoder::new();
    let mut input = &record.payload[..];
    let Some(Ok(frame)) = decoder.next_frame(&mut input) else { return true };
    match Received::read(frame).map(|received| received.event) {
        Ok(Some(Event::ContentBlockDelta { delta: Delta::Text(text), .. })) => {
            out.extend_from_slice(text.as_bytes());
        }
        Ok(Some(Event::ContentBlockStart { block, .. })) => {
            if let ContentBlock::Text(block) = &*block {
                out.extend_from_slice(block.text.as_bytes());
            }
        }
        Ok(_) => {}
        Err(_) => return false,
    }
    true
}
