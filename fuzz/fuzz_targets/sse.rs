//! Any bytes, in any pieces: the same frames, and every byte of the input in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perennial_fuzz::pieces;
use perennial_sse::{Decoder, Frame, MaxEventBytes};

/// What a frame says, if anything. Its raw bytes are compared by themselves: where a CRLF is split, they are cut one byte
/// earlier.
#[derive(Debug, Default, PartialEq)]
struct Said {
    event: Vec<u8>,
    data: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
    retry: Option<u64>,
    comments: u32,
}

#[derive(Debug, Default, PartialEq)]
struct Stream {
    frames: Vec<Said>,
    errors: usize,
    last_event_id: Vec<u8>,
}

fuzz_target!(|bytes: &[u8]| {
    for limit in [MaxEventBytes::default(), MaxEventBytes::new(16 + bytes.len() % 61)] {
        let (whole, raw_of_whole) = read([bytes], limit);
        let (cut, raw_of_cut) = read(pieces(bytes), limit);
        let (single, raw_of_single) = read(bytes.chunks(1), limit);
        assert_eq!(cut, whole, "in pieces, {limit:?}");
        assert_eq!(single, whole, "byte by byte, {limit:?}");
        if whole.errors == 0 {
            for raw in [raw_of_whole, raw_of_cut, raw_of_single] {
                assert_eq!(raw, bytes, "raw bytes, {limit:?}");
            }
        }
    }
});

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: MaxEventBytes) -> (Stream, Vec<u8>) {
    let mut decoder = Decoder::with_limit(limit);
    let (mut stream, mut raw) = (Stream::default(), Vec::new());
    for mut piece in pieces {
        while let Some(frame) = decoder.next_frame(&mut piece) {
            match frame {
                Ok(frame) => stream.take(&frame, &mut raw),
                Err(_) => stream.errors += 1,
            }
        }
        assert!(piece.is_empty(), "bytes left unread");
    }
    if let Some(frame) = decoder.finish() {
        stream.take(&frame, &mut raw);
    }
    assert!(decoder.finish().is_none(), "something after the end");
    stream.last_event_id = decoder.last_event_id().to_vec();
    (stream, raw)
}

impl Stream {
    fn take(&mut self, frame: &Frame<'_>, raw: &mut Vec<u8>) {
        raw.extend_from_slice(frame.raw());
        let said = Said {
            event: frame.event().to_vec(),
            data: frame.data().map(<[u8]>::to_vec),
            id: frame.id().map(<[u8]>::to_vec),
            retry: frame.retry(),
            comments: frame.comments(),
        };
        // The LF of a split CRLF at the very end is a frame by itself, of nothing, and in pieces only.
        if said != Said::default() {
            self.frames.push(said);
        }
    }
}
