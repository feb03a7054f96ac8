//! What was written for one reader, for the others: each run is encoded once for a face, each record once as a line, and the bytes are shared.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use perennial_log::{Kind, Record, Run, Seq};

use super::{Face, ndjson};

/// What the shelf of one stream holds at most, about. Readers at the live end are at most a few runs apart.
const SHELF_BYTES: usize = 64 * 1024;

/// The recently written runs of one stream.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    pieces: VecDeque<(Form, Seq, usize, Bytes)>,
    bytes: usize,
}

/// As what something was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A run of records, by a face.
    Run(Face),
    /// The line of one record, as it is in the log or rendered, without what stands before its members.
    Line { rendered: bool },
}

impl Shelf {
    /// A run as `face` writes it.
    pub(crate) fn written(&self, face: Face, run: &Run) -> Bytes {
        let Some(first) = run.first() else { return Bytes::new() };
        // Out of the lock; two who write the same at once write the same.
        self.shared(Form::Run(face), first.seq, run.len(), || write(face, run).0)
    }

    /// A record's line behind its opening brace, if it has one; `rendered` says whether the record is that of the tape.
    pub(crate) fn line(&self, record: &Record, rendered: bool) -> Bytes {
        self.shared(Form::Line { rendered }, record.seq, 1, || line(record))
    }

    fn shared(&self, form: Form, first: Seq, len: usize, write: impl FnOnce() -> Bytes) -> Bytes {
        if let Some(bytes) = self.kept.lock().find(form, first, len) {
            return bytes;
        }
        let bytes = write();
        self.kept.lock().keep(form, first, len, &bytes);
        bytes
    }
}

/// A run as `face` writes it, for one reader; false where the face must not go on behind it.
pub(crate) fn write(face: Face, run: &Run) -> (Bytes, bool) {
    // The usual case of the drop-in: one event, whose bytes go out as they are in the log.
    if let ([record], Face::Messages) = (&run[..], face)
        && record.kind == Kind::Event
    {
        return (record.payload.clone(), true);
    }
    let mut out = BytesMut::new();
    let whole = run.iter().all(|record| face.write(record, &mut out));
    (out.freeze(), whole)
}

/// A record's line behind its opening brace.
pub(super) fn line(record: &Record) -> Bytes {
    let mut out = BytesMut::new();
    ndjson::write(record, b"", &mut out);
    let mut line = out.freeze();
    let _ = line.split_to(line.len().min(1));
    line
}

impl Kept {
    fn find(&self, form: Form, first: Seq, len: usize) -> Option<Bytes> {
        let of_form = self.pieces.iter().rev().filter(|(kept, ..)| *kept == form);
        // Those at the live end come in order, so what is not among the last is hardly further back.
        let mut near = of_form.take_while(|(_, seq, ..)| *seq >= first);
        near.find(|(_, seq, kept, _)| (*seq, *kept) == (first, len)).map(|(.., bytes)| bytes.clone())
    }

    fn keep(&mut self, form: Form, first: Seq, len: usize, bytes: &Bytes) {
        if bytes.len() > SHELF_BYTES {
            return;
        }
        self.bytes += bytes.len();
        self.pieces.push_back((form, first, len, bytes.clone()));
        // The number is bounded as well: runs that a face does not show have no bytes.
        while self.bytes > SHELF_BYTES || self.pieces.len() > 128 {
            let Some((.., old)) = self.pieces.pop_front() else { break };
            self.bytes -= old.len();
        }
    }
}
