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

/// What is kept of a large tape's room.
const MOST_ROOM: usize = 64 * 1024;
/// What stands around a frame's name, its data and its tape: the fields' names, the member's, the line ends.
const AROUND: usize = 24;

/// The renderers of a stream's text blocks, as far as its records were written.
#[derive(Debug, Default)]
pub(super) struct Renderers {
    /// A character may be cut between two events.
    decoder: EventDecoder,
    /// `None` for a block that is over, so that none begins twice.
    blocks: BTreeMap<u64, Option<Block>>,
    /// Room to write a tape in, so that a record is made once its size is known.
    room: Vec<u8>,
}

/// A text block that grows.
#[derive(Debug, Default)]
struct Block {
    renderer: Renderer,
    /// The operations so far.
    seq: u64,
}

impl Block {
    fn push(&mut self, text: &str) -> Tape {
        let ops = self.renderer.push(text);
        self.tape(ops)
    }

    fn finish(mut self) -> Tape {
        let ops = self.renderer.finish();
        self.tape(ops)
    }

    fn tape(&mut self, ops: Vec<Op>) -> Tape {
        let seq = self.seq;
        self.seq += ops.len() as u64;
        Tape::new(seq, ops)
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
        let Self { decoder, blocks, room } = self;
        let mut out = Vec::new();
        let mut has_tape = false;
        let mut input = &payload[..];
        while let Some(received) = decoder.next_event(&mut input) {
            // What cannot be read has no text that anybody could render.
            let Ok(Received { frame, event, .. }) = received else { continue };
            match event.and_then(|event| tape_of(blocks, event)) {
                Some(tape) => {
                    has_tape = true;
                    room.clear();
                    // Writing to memory does not fail, and a tape has a form in JSON.
                    let _ = serde_json::to_writer(&mut *room, &tape);
                    write_frame(frame, room, &mut out);
                }
                None => out.extend_from_slice(frame.raw()),
            }
        }
        if room.capacity() > MOST_ROOM {
            *room = Vec::new();
        }
        has_tape.then(|| out.into())
    }

    /// The ends of the blocks that were still open, which is what a stream that was cut has.
    fn terminal(&mut self, payload: &Bytes) -> Option<Bytes> {
        let open = std::mem::take(&mut self.blocks).into_iter();
        let tapes: BTreeMap<u64, Tape> =
            open.filter_map(|(index, block)| Some((index, block?.finish()))).collect();
        if tapes.is_empty() {
            return None;
        }
        let mut ending: serde_json::Value = serde_json::from_slice(payload).unwrap_or_else(|_| json!({}));
        let tapes = serde_json::to_value(tapes).ok()?;
        ending.as_object_mut()?.insert(super::log_event::TAPES.to_owned(), tapes);
        Some(ending.to_string().into())
    }
}

fn tape_of(blocks: &mut BTreeMap<u64, Option<Block>>, event: Event<'_>) -> Option<Tape> {
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
fn write_frame(frame: Frame<'_>, tape: &[u8], out: &mut Vec<u8>) {
    let data = frame.data().unwrap_or_default();
    out.reserve_exact(frame.event().len() + data.len() + tape.len() + AROUND);
    if !frame.event().is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(frame.event());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    let end = memchr::memrchr(b'}', data).unwrap_or(0);
    let from = out.len();
    out.extend_from_slice(&data[..end]);
    // Within JSON a line end stands between tokens only. Hardly any data has one.
    if memchr::memchr2(b'\n', b'\r', &data[..end]).is_some() {
        for byte in out[from..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b",\"tape\":");
    out.extend_from_slice(tape);
    out.extend_from_slice(b"}\n\n");
}
