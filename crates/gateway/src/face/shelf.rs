//! What was written for one reader, for the others: each run is encoded once for a face, and its bytes are shared.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use perennial_log::{Kind, Run, Seq};

use super::Face;

/// What the shelf of one stream holds at most, about. Readers at the live end are at most a few runs apart.
const SHELF_BYTES: usize = 64 * 1024;

/// The recently written runs of one stream.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    pieces: VecDeque<(Face, Seq, usize, Bytes)>,
    bytes: usize,
}

impl Shelf {
    /// A run as `face` writes it.
    pub(crate) fn written(&self, face: Face, run: &Run) -> Bytes {
        let Some(first) = run.first() else { return Bytes::new() };
        if let Some(bytes) = self.kept.lock().find(face, first.seq, run.len()) {
            return bytes;
        }
        // Out of the lock; two who write the same at once write the same.
        let (bytes, _) = write(face, run);
        self.kept.lock().keep(face, first.seq, run.len(), &bytes);
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

impl Kept {
    fn find(&self, face: Face, first: Seq, len: usize) -> Option<Bytes> {
        let same = |(f, s, l, _): &&(Face, Seq, usize, Bytes)| (*f, *s, *l) == (face, first, len);
        self.pieces.iter().rev().find(same).map(|(.., bytes)| bytes.clone())
    }

    fn keep(&mut self, face: Face, first: Seq, len: usize, bytes: &Bytes) {
        if bytes.len() > SHELF_BYTES {
            return;
        }
        self.bytes += bytes.len();
        self.pieces.push_back((face, first, len, bytes.clone()));
        // The number is bounded as well: runs that a face does not show have no bytes.
        while self.bytes > SHELF_BYTES || self.pieces.len() > 128 {
            let Some((.., old)) = self.pieces.pop_front() else { break };
            self.bytes -= old.len();
        }
    }
}
