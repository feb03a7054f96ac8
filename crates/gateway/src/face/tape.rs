//! The tape of a stream: its records, with the markdown of its text blocks rendered into the events that bring it.
//!
//! An event of a text block gets one more member, `tape`, and is otherwise what it was: whoever does not know the member reads the stream as on the face of
//! events. What is written for a record depends on the records before it and on nothing else, no clock above all; so whoever renders the stream from its
//! beginning writes the same bytes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use perennial_log::{Kind, Record};
use perennial_markdown::{Op, Renderer, Tape};
use perennial_protocol::sse::Frame;
use perennial_protocol::{ContentBlock, Delta, Event, EventDecoder, Received};
use serde_json::json;

use crate::record::SeamNote;

/// The renderers of a stream's text blocks, as far as its records were written.
#[derive(Debug, Default)]
pub(super) struct Renderers {
    /// A character may be cut between two events.
    decoder: EventDecoder,
    /// `None` for a block that is over, so that none begins twice.
    blocks: BTreeMap<u64, Option<Block>>,
}

/// A text block that grows.
#[derive(Debug, Default)]
struct Block {
    renderer: Renderer,
    /// The operations so far.
    seq: u64,
}

impl Block {
    fn push(&mut self, text: &str) -> String {
        let ops = self.renderer.push(text);
        self.tape(ops)
    }

    fn finish(mut self) -> String {
        let ops = self.renderer.finish();
        self.tape(ops)
    }

    fn tape(&mut self, ops: Vec<Op>) -> String {
        let seq = self.seq;
        self.seq += ops.len() as u64;
        Tape::new(seq, ops).to_json()
    }
}

impl Renderers {
    /// The next record of the stream as the face shows it.
    pub(super) fn write(&mut self, record: &Record) -> Record {
        let payload = match record.kind {
            Kind::Event => self.event(&record.payload),
            // An attempt that is begun again begins with its first block.
            Kind::Seam if SeamNote::decode(&record.payload).mode == "restart" => {
                self.blocks.clear();
                None
            }
            Kind::Terminal(_) => self.terminal(&record.payload),
            _ => None,
        };
        match payload {
            Some(payload) => {
                let mut record = record.clone();
                record.payload = payload;
                record
            }
            None => record.clone(),
        }
    }

    /// The payload with tapes in its events; `None` where it has no text.
    fn event(&mut self, payload: &Bytes) -> Option<Bytes> {
        let Self { decoder, blocks } = self;
        let mut out = Vec::new();
        let mut has_tape = false;
        let mut input = &payload[..];
        while let Some(received) = decoder.next_event(&mut input) {
            // What cannot be read has no text that anybody could render.
            let Ok(Received { frame, event, .. }) = received else { continue };
            match event.and_then(|event| tape_of(blocks, event)) {
                Some(tape) => {
                    has_tape = true;
                    write_frame(frame, &tape, &mut out);
                }
                None => out.extend_from_slice(frame.raw()),
            }
        }
        has_tape.then(|| out.into())
    }

    /// The ends of the blocks that were still open, which is what a stream that was cut has.
    fn terminal(&mut self, payload: &Bytes) -> Option<Bytes> {
        let mut tapes = serde_json::Map::new();
        for (index, block) in std::mem::take(&mut self.blocks) {
            if let Some(block) = block {
                tapes.insert(index.to_string(), serde_json::from_str(&block.finish()).ok()?);
            }
        }
        if tapes.is_empty() {
            return None;
        }
        let mut ending: serde_json::Value = serde_json::from_slice(payload).unwrap_or_else(|_| json!({}));
        ending.as_object_mut()?.insert(super::log_event::TAPES.to_owned(), tapes.into());
        Some(ending.to_string().into())
    }
}

fn tape_of(blocks: &mut BTreeMap<u64, Option<Block>>, event: Event<'_>) -> Option<String> {
    match event {
        Event::ContentBlockStart { index, block } => {
            let (ContentBlock::Text(text), Entry::Vacant(place)) = (&*block, blocks.entry(index)) else {
                return None;
            };
            let block = place.insert(Some(Block::default())).as_mut()?;
            (!text.text.is_empty()).then(|| block.push(&text.text))
        }
        Event::ContentBlockDelta { index, delta: Delta::Text(text) } => {
            Some(blocks.get_mut(&index)?.as_mut()?.push(&text))
        }
        Event::ContentBlockStop { index } => Some(blocks.get_mut(&index)?.take()?.finish()),
        _ => None,
    }
}

/// The frame with a tape in its data, which is a JSON object.
fn write_frame(frame: Frame<'_>, tape: &str, out: &mut Vec<u8>) {
    if !frame.event().is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(frame.event());
        out.push(b'\n');
    }
    let data = frame.data().unwrap_or_default();
    let end = data.iter().rposition(|byte| *byte == b'}').unwrap_or(0);
    out.extend_from_slice(b"data: ");
    // Within JSON a line end stands between tokens only.
    out.extend(data[..end].iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.extend_from_slice(b",\"tape\":");
    out.extend_from_slice(tape.as_bytes());
    out.extend_from_slice(b"}\n\n");
}
