//! How events are framed: names, line ends, comments, a byte order mark.

use super::super::Lines;
use crate::frame::Frame;

/// What is wrong with the framing, though every event is right.
#[derive(Default)]
pub(super) struct Framing {
    pub(super) no_names: bool,
    pub(super) wrong_names: bool,
    pub(super) lines: Option<Lines>,
    pub(super) bom: bool,
    pub(super) comments: bool,
}

impl Framing {
    /// The event in these clothes.
    pub(super) fn dress(&mut self, frame: Frame) -> Frame {
        if !(self.no_names || self.wrong_names || self.lines.is_some() || self.bom || self.comments) {
            return frame;
        }
        let mut bytes = Vec::with_capacity(frame.bytes.len() + 32);
        if std::mem::take(&mut self.bom) {
            bytes.extend_from_slice("\u{feff}".as_bytes());
        }
        if self.comments {
            bytes.extend_from_slice(b": a comment\n");
        }
        for line in frame.bytes.split_inclusive(|byte| *byte == b'\n') {
            match line.starts_with(b"event:") {
                true if self.no_names => {}
                true if self.wrong_names => bytes.extend_from_slice(b"event: other\n"),
                _ => bytes.extend_from_slice(line),
            }
        }
        let bytes: Vec<u8> = match self.lines {
            None => bytes,
            Some(Lines::Cr) => {
                bytes.into_iter().map(|byte| if byte == b'\n' { b'\r' } else { byte }).collect()
            }
            Some(Lines::CrLf) => {
                let mut wider = Vec::with_capacity(bytes.len() + 4);
                for byte in bytes {
                    if byte == b'\n' {
                        wider.push(b'\r');
                    }
                    wider.push(byte);
                }
                wider
            }
        };
        Frame { bytes: bytes.into(), ..frame }
    }
}
