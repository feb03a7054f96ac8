//! The capture: read in pieces, of any size, and told apart from what is none.
//!
//! People hand over what they have: the page of a proxy, an error body, a compressed file. Such a thing is not a truncated stream, and what to do about it
//! depends on what it is.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use perennial_protocol::ApiError;

use crate::exit::{Exit, Failure};

/// How much of the capture is read at a time, and how much of its beginning is kept to say what it is.
const PIECE_BYTES: usize = 64 * 1024;

/// Reads a capture piece by piece.
pub(super) struct Capture {
    name: String,
    from: Box<dyn Read>,
    piece: Vec<u8>,
    opening: Vec<u8>,
}

/// What a capture without a single event is.
#[derive(Debug)]
pub(super) enum Foreign {
    /// An error answer: its body, and its status where the headers were captured as well.
    Error(Box<ApiError>, Option<u16>),
    /// Something else; what to do about it.
    Other(&'static str),
}

impl Capture {
    pub(super) fn open(file: Option<&PathBuf>) -> Result<Self, Failure> {
        let (name, from): (String, Box<dyn Read>) = match file.filter(|file| file.as_os_str() != "-") {
            None => ("standard input".to_owned(), Box::new(io::stdin().lock())),
            Some(file) => {
                let opened = File::open(file).and_then(|opened| {
                    if opened.metadata()?.is_dir() {
                        Err(io::ErrorKind::IsADirectory.into())
                    } else {
                        Ok(opened)
                    }
                });
                let opened = opened.map_err(|error| {
                    Failure::new(Exit::Usage, format!("{} cannot be read: {error}", file.display()))
                })?;
                (file.display().to_string(), Box::new(opened))
            }
        };
        Ok(Self { name, from, piece: vec![0; PIECE_BYTES], opening: Vec::new() })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, Failure> {
        let read = loop {
            match self.from.read(&mut self.piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read
            .map_err(|error| Failure::new(Exit::Other, format!("{} cannot be read: {error}", self.name)))?;
        let piece = &self.piece[..read];
        let room = PIECE_BYTES - self.opening.len();
        self.opening.extend_from_slice(&piece[..read.min(room)]);
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }

    /// What it is, where no event was in it; `None` for a stream that was cut before its first event.
    pub(super) fn foreign(&self) -> Option<Foreign> {
        Foreign::of(&self.opening)
    }
}

impl Foreign {
    pub(super) fn is_error(&self) -> bool {
        matches!(self, Self::Error(..))
    }

    fn of(opening: &[u8]) -> Option<Self> {
        let (status, body) = body(opening);
        let body = body.trim_ascii_start();
        let text = String::from_utf8_lossy(body);
        Some(Self::Other(match body {
            // A beginning of the first event, or of a comment before it.
            [] | [b':', ..] => return None,
            _ if text.starts_with("event:") || text.starts_with("data:") => return None,
            [b'{', ..] => match ApiError::from_body(&text) {
                Some(error) => return Some(Self::Error(Box::new(error), status)),
                None => "it is JSON; capture a request with \"stream\": true",
            },
            [b'<', ..] => "it is a page; the request did not reach the service",
            [0x1f, 0x8b, ..] => "it is compressed (gzip); unpack it, or capture with curl --compressed",
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                "it is compressed (zstd); unpack it, or capture with curl --compressed"
            }
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16; save it as UTF-8",
            _ if body.contains(&0) => "it is binary",
            _ => "it has not one line that begins with `data:`",
        }))
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error, status) => {
                f.write_str("no stream, but an error answer")?;
                if let Some(status) = status {
                    write!(f, " (HTTP {status})")?;
                }
                write!(f, ": {error}")?;
                error.request_id.as_ref().map_or(Ok(()), |id| write!(f, " (request {id})"))
            }
            Self::Other(what) => write!(f, "no event stream: {what}"),
        }
    }
}

/// The body of an answer that was captured with its headers (`curl -i`), and its status.
fn body(opening: &[u8]) -> (Option<u16>, &[u8]) {
    let mut status = None;
    let mut rest = opening;
    while rest.starts_with(b"HTTP/") {
        let head = String::from_utf8_lossy(rest.split(|byte| *byte == b'\n').next().unwrap_or_default());
        status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        let ends = [&b"\r\n\r\n"[..], b"\n\n"];
        let end = ends
            .into_iter()
            .filter_map(|end| Some(rest.windows(end.len()).position(|window| window == end)? + end.len()));
        rest = end.min().map_or(&[], |end| &rest[end..]);
    }
    (status, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_stream_is_told_apart() {
        for (opening, said) in [
            (&b""[..], None),
            (b"\n\n", None),
            (b": hello", None),
            (b"event: messa", None),
            (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", None),
            (b"HTTP/2 200\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"ty", None),
            (b"{\"type\":\"message\"}", Some("JSON")),
            (b"{\"type\":", Some("JSON")),
            (b" <!doctype html>", Some("page")),
            (b"\x1f\x8b\x08", Some("gzip")),
            (b"\xff\xfee\0v\0", Some("UTF-16")),
            (b"\x7fELF\0", Some("binary")),
            (b"root:x:0:0\n", Some("not one line")),
            (
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 529 \r\nx: y\r\n\r\n{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":\"req_1\"}",
                Some("an error answer (HTTP 529): overloaded_error: Overloaded (request req_1)"),
            ),
        ] {
            let foreign = Foreign::of(opening).map(|foreign| foreign.to_string());
            let shown = String::from_utf8_lossy(opening);
            match said {
                None => assert_eq!(foreign, None, "{shown}"),
                Some(said) => assert!(foreign.as_ref().unwrap().contains(said), "{shown}: {foreign:?}"),
            }
        }
    }
}
