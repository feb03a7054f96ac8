//! Recordings: a stream as it came, byte for byte, with a comment before each event that says when it came.
//!
//! `: t=1.250000` is a comment to every reader of event streams, so a recording is one too: whatever reads a capture reads it. The time is in
//! seconds since the request was sent, or since the recording began.

pub(crate) mod command;
mod file;
mod tee;

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use perennial_protocol::sse::{Decoder, Frame, MaxEventBytes};
use tokio::time::Instant;

pub(crate) use self::tee::Tee;

const MARK: &[u8] = b": t=";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// So much of a file is read at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Writes a recording of the pieces that come. Nothing is held back: what came is written.
#[derive(Debug)]
pub(crate) struct Recorder<W> {
    out: W,
    began: Instant,
    /// The next byte begins an event.
    at_event: bool,
    /// The line has nothing in it yet.
    line_is_empty: bool,
    /// The byte before was a carriage return, so a line feed belongs to it.
    after_return: bool,
    /// How much of a byte-order mark has come, while nothing else has. Behind the first byte it would be none.
    marked: Option<usize>,
}

impl<W: Write> Recorder<W> {
    pub(crate) fn new(out: W, began: Instant) -> Self {
        Self { out, began, at_event: true, line_is_empty: true, after_return: false, marked: Some(0) }
    }

    /// A piece of the stream that came now.
    pub(crate) fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        let time = self.began.elapsed().as_secs_f64();
        let mut written = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if let Some(seen) = self.marked {
                if BYTE_ORDER_MARK.get(seen) == Some(byte) {
                    self.marked = Some(seen + 1);
                    continue;
                }
                self.marked = None;
            }
            let is_end = matches!(byte, b'\n' | b'\r');
            if std::mem::take(&mut self.after_return) && *byte == b'\n' {
                continue;
            }
            if self.at_event && !is_end {
                self.out.write_all(&bytes[written..at])?;
                written = at;
                writeln!(self.out, ": t={time:.6}")?;
                self.at_event = false;
            }
            // Blank lines between events are part of what stands before them.
            self.at_event |= is_end && self.line_is_empty;
            self.line_is_empty = is_end;
            self.after_return = *byte == b'\r';
        }
        self.out.write_all(&bytes[written..])?;
        self.out.flush()
    }
}

/// Reads a recording, or any captured stream, event by event.
#[derive(Debug)]
pub(crate) struct Recording {
    file: File,
    decoder: Decoder,
    piece: Vec<u8>,
    /// What of the piece is not read yet.
    unread: std::ops::Range<usize>,
    ended: bool,
}

/// One event, or what stands between two.
#[derive(Debug, PartialEq)]
pub(crate) struct Recorded {
    /// When it came, if that was recorded.
    pub(crate) time: Option<Duration>,
    /// The text that it brings, of whatever kind.
    pub(crate) text: String,
    /// Whether it brings anything at all.
    pub(crate) has_data: bool,
    pub(crate) bytes: Bytes,
}

impl Recording {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            decoder: Decoder::with_limit(MaxEventBytes::new(usize::MAX)),
            piece: vec![0; PIECE_BYTES],
            unread: 0..0,
            ended: false,
        })
    }

    /// The next one; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Recorded>> {
        loop {
            let mut input = &self.piece[self.unread.clone()];
            if let Some(Ok(frame)) = self.decoder.next_frame(&mut input) {
                self.unread.start = self.unread.end - input.len();
                return Ok(Some(Recorded::of(&frame)));
            }
            if self.ended {
                return Ok(self.decoder.finish().as_ref().map(Recorded::of));
            }
            let read = loop {
                match self.file.read(&mut self.piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read?,
                }
            };
            self.unread = 0..read;
            self.ended = read == 0;
        }
    }
}

impl Recorded {
    fn of(frame: &Frame<'_>) -> Self {
        let raw = frame.raw();
        Self {
            time: time(raw),
            has_data: frame.data().is_some(),
            text: frame.data().and_then(text).unwrap_or_default(),
            bytes: Bytes::copy_from_slice(raw),
        }
    }
}

/// The time that the first line says, if it is a comment of ours.
fn time(raw: &[u8]) -> Option<Duration> {
    let raw = raw.strip_prefix(BYTE_ORDER_MARK).unwrap_or(raw);
    // Blank lines may stand before it.
    let raw = raw.trim_ascii_start();
    let line = raw.strip_prefix(MARK)?.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    let seconds: f64 = std::str::from_utf8(line).ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn text(data: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Event {
        delta: Delta,
    }
    #[derive(serde::Deserialize)]
    struct Delta {
        text: Option<String>,
        thinking: Option<String>,
        partial_json: Option<String>,
    }
    let Event { delta } = serde_json::from_slice(data).ok()?;
    delta.text.or(delta.thinking).or(delta.partial_json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(pieces: &[&str]) -> String {
        let mut recorder = Recorder::new(Vec::new(), Instant::now());
        for piece in pieces {
            recorder.piece(piece.as_bytes()).unwrap();
        }
        String::from_utf8(recorder.out).unwrap()
    }

    /// Without the comments it is what came.
    fn without_times(recording: &str) -> String {
        let mut rest = String::new();
        for line in recording.split_inclusive('\n') {
            if !line.contains(": t=") {
                rest.push_str(line);
            } else if let Some((before, _)) = line.split_once(": t=") {
                rest.push_str(before);
            }
        }
        rest
    }

    #[test]
    fn each_event_has_its_time_and_every_byte_stays_in_any_pieces() {
        for (stream, events) in [
            ("event: a\ndata: 1\n\ndata: 2\n\n", 2),
            ("event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", 2),
            ("data: 1\r\rdata: 2\r\r", 2),
            ("\n\n\n: hi\n\n\n\ndata: 1\n\n", 2),
            ("\u{feff}data: 1\n\ndata: cut", 2),
            ("", 0),
        ] {
            let whole = recorded(&[stream]);
            assert_eq!(whole.matches(": t=").count(), events, "{whole:?}");
            assert_eq!(without_times(&whole), stream, "{whole:?}");
            let bytes: Vec<String> = stream.chars().map(String::from).collect();
            let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
            let (one_by_one, shape) = (recorded(&bytes), |text: &str| {
                text.lines()
                    .map(|line| line.split("t=").next().unwrap_or_default().to_owned())
                    .collect::<Vec<_>>()
            });
            assert_eq!(shape(&one_by_one), shape(&whole), "{stream:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let stream = "\u{feff}event: a\ndata: {\"delta\":{\"text\":\"x\"}}\n\n\ndata: 2\r\n\r\ndata: cut";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one.sse");
        for (bytes, timed) in [(recorded(&[stream]), true), (stream.to_owned(), false)] {
            std::fs::write(&file, &bytes).unwrap();
            let mut recording = Recording::open(&file).unwrap();
            let mut read = Vec::new();
            while let Some(event) = recording.next().unwrap() {
                read.push(event);
            }
            let joined: Vec<u8> = read.iter().flat_map(|event| event.bytes.to_vec()).collect();
            assert_eq!(joined, bytes.as_bytes());
            let events = read.iter().filter(|event| event.bytes.windows(5).any(|part| part == b"data:"));
            let times: Vec<_> = events.map(|event| event.time.is_some()).collect();
            assert_eq!(times, [timed; 3], "{read:?}");
            assert_eq!(read[0].text, "x");
        }
    }

    #[test]
    fn only_a_number_is_a_time() {
        assert_eq!(time(b": t=1.5\ndata: 1\n\n"), Some(Duration::from_millis(1500)));
        for wrong in [&b": t=x\n"[..], b": t=-1\n", b": t=inf\n", b": x\n", b"data: t=1\n", b""] {
            assert_eq!(time(wrong), None);
        }
    }
}
