//! One answer as it comes down: head, chunks, events; each event must be the one that stands there.

use crate::answer::{self, Part};

/// What is wrong with an answer: the end of the whole run.
pub type Invalid = String;

/// Which events may stand beside the upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// None: the upstream's bytes, and nothing else.
    Plain,
    /// Ids, comments, and events of the log, of which `perennial.terminal` is the last.
    Resumable,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    Size,
    Data(usize),
    /// The line end after a chunk's data.
    DataEnd,
    /// The empty line after the last chunk.
    End,
    Over,
}

#[derive(Debug)]
pub struct Reader {
    face: Face,
    deltas: u64,
    state: State,
    /// Of the head and the framing, as far as they are not understood yet.
    raw: Vec<u8>,
    /// Of the body, from the beginning of the event that is not whole yet.
    body: Vec<u8>,
    number: u64,
    terminal: bool,
}

impl Reader {
    pub fn new(face: Face, deltas: u64) -> Self {
        Self {
            face,
            deltas,
            state: State::Head,
            raw: Vec::new(),
            body: Vec::new(),
            number: 0,
            terminal: false,
        }
    }

    /// Of the next event; how many have come.
    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Calls `seen` with each event that these bytes complete, and its number.
    pub fn read(&mut self, mut bytes: &[u8], mut seen: impl FnMut(u64, Part)) -> Result<(), Invalid> {
        while !bytes.is_empty() {
            match self.state {
                State::Data(left) => {
                    let here = left.min(bytes.len());
                    self.body.extend_from_slice(&bytes[..here]);
                    bytes = &bytes[here..];
                    self.state = if here == left { State::DataEnd } else { State::Data(left - here) };
                }
                State::Over => return Err("bytes after the end of an answer".to_owned()),
                _ => {
                    let Some(end) = memchr::memchr(b'\n', bytes) else {
                        self.raw.extend_from_slice(bytes);
                        break;
                    };
                    self.raw.extend_from_slice(&bytes[..=end]);
                    bytes = &bytes[end + 1..];
                    self.line()?;
                }
            }
        }
        self.events(&mut seen)?;
        if self.is_over() { self.whole() } else { Ok(()) }
    }

    /// A line of the head or of the framing.
    fn line(&mut self) -> Result<(), Invalid> {
        let text = String::from_utf8_lossy(&self.raw);
        self.state = match self.state {
            State::Head if !text.ends_with("\r\n\r\n") => return Ok(()),
            State::Head => {
                let head = text.to_ascii_lowercase();
                if !head.starts_with("http/1.1 200") || !head.contains("transfer-encoding: chunked") {
                    return Err(format!("not a stream: {}", text.lines().next().unwrap_or_default()));
                }
                State::Size
            }
            State::Size => {
                let size = text.trim_end().split(';').next().unwrap_or_default();
                match usize::from_str_radix(size, 16) {
                    Ok(0) => State::End,
                    Ok(size) => State::Data(size),
                    Err(_) => return Err(format!("not the size of a chunk: {text:?}")),
                }
            }
            State::DataEnd => State::Size,
            _ if text == "\r\n" => State::Over,
            _ => return Err(format!("not the end of a body: {text:?}")),
        };
        self.raw.clear();
        Ok(())
    }

    fn events(&mut self, seen: &mut impl FnMut(u64, Part)) -> Result<(), Invalid> {
        let mut start = 0;
        while let Some(end) = memchr::memmem::find(&self.body[start..], b"\n\n") {
            let event = &self.body[start..start + end + 2];
            start += event.len();
            let event = match self.face {
                Face::Plain => event,
                Face::Resumable => match own(event) {
                    Own::Event(event) => event,
                    Own::Terminal => {
                        self.terminal = true;
                        continue;
                    }
                    Own::Beside => continue,
                },
            };
            let Some(part) = answer::check(self.number, self.deltas, event) else {
                return Err(format!(
                    "event {} is not as it was sent: {:?}",
                    self.number,
                    String::from_utf8_lossy(event)
                ));
            };
            seen(self.number, part);
            self.number += 1;
        }
        self.body.drain(..start);
        Ok(())
    }

    fn whole(&self) -> Result<(), Invalid> {
        let whole = self.body.is_empty() && self.number == answer::events(self.deltas);
        if !whole || (self.face == Face::Resumable && !self.terminal) {
            return Err(format!(
                "an answer ended after event {} of {}",
                self.number,
                answer::events(self.deltas)
            ));
        }
        Ok(())
    }
}

enum Own<'a> {
    Event(&'a [u8]),
    Terminal,
    Beside,
}

/// An event of the resumable face without what the face adds.
fn own(mut event: &[u8]) -> Own<'_> {
    while event.starts_with(b"id:") || event.starts_with(b":") || event.starts_with(b"retry:") {
        let end = memchr::memchr(b'\n', event).map_or(event.len(), |end| end + 1);
        event = &event[end..];
    }
    if event.starts_with(b"event: perennial.terminal\n") {
        Own::Terminal
    } else if event.iter().all(|&byte| byte == b'\n') || event.starts_with(b"event: perennial.") {
        Own::Beside
    } else {
        Own::Event(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const DELTAS: u64 = 3;

    fn events(face: Face) -> Vec<Vec<u8>> {
        let mut events: Vec<Vec<u8>> = answer::FIRST.iter().map(|event| event.as_bytes().to_vec()).collect();
        for stamp in 0..DELTAS {
            let mut delta = Vec::new();
            answer::push_delta(1_000_000_007 + stamp, &mut delta);
            events.push(delta);
        }
        events.extend(answer::LAST.iter().map(|event| event.as_bytes().to_vec()));
        if face == Face::Resumable {
            for (number, event) in events.iter_mut().enumerate() {
                event.splice(..0, format!("id: {number}.1\n").into_bytes());
            }
            events.insert(0, b"retry: 1000\n\n".to_vec());
            events.insert(4, b": still here\n\n".to_vec());
            events.push(b"id: 9.1\nevent: perennial.terminal\ndata: {}\n\n".to_vec());
        }
        events
    }

    fn raw(events: &[Vec<u8>]) -> Vec<u8> {
        let mut raw = HEAD.as_bytes().to_vec();
        for event in events {
            raw.extend_from_slice(format!("{:x}\r\n", event.len()).as_bytes());
            raw.extend_from_slice(event);
            raw.extend_from_slice(b"\r\n");
        }
        raw.extend_from_slice(b"0\r\n\r\n");
        raw
    }

    fn stamps(face: Face, pieces: &[&[u8]]) -> Result<Vec<u64>, Invalid> {
        let mut reader = Reader::new(face, DELTAS);
        let mut stamps = Vec::new();
        for piece in pieces {
            reader.read(piece, |_, part| {
                if let Part::Delta { stamp } = part {
                    stamps.push(stamp);
                }
            })?;
        }
        if reader.is_over() { Ok(stamps) } else { Err("not over".to_owned()) }
    }

    #[test]
    fn any_division_gives_the_same_stamps() {
        for face in [Face::Plain, Face::Resumable] {
            let raw = raw(&events(face));
            let whole = vec![1_000_000_007, 1_000_000_008, 1_000_000_009];
            for cut in 0..=raw.len() {
                assert_eq!(
                    stamps(face, &[&raw[..cut], &raw[cut..]]),
                    Ok(whole.clone()),
                    "{face:?} cut at {cut}"
                );
            }
            let bytes: Vec<&[u8]> = raw.chunks(1).collect();
            assert_eq!(stamps(face, &bytes), Ok(whole));
        }
    }

    #[test]
    fn a_changed_or_missing_byte_is_found() {
        let sent = events(Face::Plain);
        for number in 0..sent.len() {
            for place in 0..sent[number].len() {
                let mut changed = sent.clone();
                // Not a digit, which could be of another time.
                changed[number][place] ^= 0x80;
                assert!(
                    stamps(Face::Plain, &[&raw(&changed)]).is_err(),
                    "event {number}, byte {place} changed"
                );
                let mut missing = sent.clone();
                missing[number].remove(place);
                assert!(
                    stamps(Face::Plain, &[&raw(&missing)]).is_err(),
                    "event {number}, byte {place} missing"
                );
            }
        }
    }

    #[test]
    fn a_missing_or_repeated_event_is_found() {
        for face in [Face::Plain, Face::Resumable] {
            let sent = events(face);
            for number in 0..sent.len() {
                // Of a comment nobody knows whether it was sent.
                if face == Face::Plain || ![0, 4].contains(&number) {
                    let mut missing = sent.clone();
                    missing.remove(number);
                    assert!(stamps(face, &[&raw(&missing)]).is_err(), "{face:?}, event {number} missing");
                }
                if face == Face::Plain && !(2..5).contains(&number) {
                    let mut repeated = sent.clone();
                    repeated.insert(number, sent[number].clone());
                    assert!(stamps(face, &[&raw(&repeated)]).is_err(), "{face:?}, event {number} twice");
                }
            }
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_not_whole() {
        let raw = raw(&events(Face::Plain));
        for cut in 0..raw.len() {
            assert!(stamps(Face::Plain, &[&raw[..cut]]).is_err(), "broken off at {cut}");
        }
    }
}
