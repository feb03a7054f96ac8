//! Legibility: whether those who get an event can read it as it stands.
//!
//! A damaged event is a hole in the answer, and clients differ in how they fall into it: some end with an error about JSON, some leave out without a word an event
//! whose name or data is gone. So the stream is cut there, as where a connection breaks, and is mended in the same way. What clients pass over anyway
//! (pings, comments, events of a kind that nobody knows) is nobody's loss and is not looked into, and neither is the shape of what is JSON.

use std::borrow::Cow;

use perennial_protocol::Event;
use perennial_protocol::sse::Frame;
use serde::Deserialize;

/// What a frame is to its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It is as it should be, or nobody minds.
    Plain,
    /// No event, no comment, nothing that the standard knows.
    Noise,
    /// An event of the answer that cannot be read.
    Illegible,
}

/// Looks at the frames of one stream.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    /// The upstream names its events; where one has no name, the name is lost.
    is_named: bool,
}

/// As much of an event as says what it is.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

impl Sightings {
    pub(super) fn look(&mut self, frame: &Frame<'_>) -> Sight {
        let name = frame.event();
        if matches!(name, b"ping" | b"error") {
            return Sight::Plain;
        }
        let is_known = Event::is_part_of_answer(name);
        self.is_named |= is_known;
        let data = match frame.data() {
            None if name.is_empty() && is_noise(frame) => return Sight::Noise,
            None | Some(b"" | b"[DONE]") => {
                let is_lost = is_known || std::str::from_utf8(name).is_err();
                return if is_lost { Sight::Illegible } else { Sight::Plain };
            }
            Some(data) => data,
        };
        let is_legible = match Typed::read(data) {
            Some(_) if is_known => true,
            Some(typed) => {
                !self.is_named || !typed.kind.is_some_and(|kind| Event::is_part_of_answer(kind.as_bytes()))
            }
            None if name.is_empty() => !self.is_named,
            None => !is_known && std::str::from_utf8(name).is_ok(),
        };
        if is_legible { Sight::Plain } else { Sight::Illegible }
    }
}

impl<'a> Typed<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        serde_json::from_str(std::str::from_utf8(data).ok()?).ok()
    }
}

/// Whether an event goes on with an answer, or ends it, by its name or by what it says that it is.
pub(super) fn speaks_of_answer(frame: &Frame<'_>) -> bool {
    let speaks = |kind: &[u8]| Event::is_part_of_answer(kind) || kind == b"error";
    speaks(frame.event())
        || frame
            .data()
            .and_then(Typed::read)
            .and_then(|typed| typed.kind)
            .is_some_and(|kind| speaks(kind.as_bytes()))
}

fn is_noise(frame: &Frame<'_>) -> bool {
    frame.comments() == 0
        && frame.id().is_none()
        && frame.retry().is_none()
        && !frame.raw().iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use perennial_protocol::sse::Decoder;

    use super::*;

    const NAMED: &str = "event: message_start\ndata: {\"type\":\"message_start\"}\n\n";

    fn sight(before: &str, frame: &[u8]) -> Sight {
        let (mut sightings, mut decoder) = (Sightings::default(), Decoder::new());
        let bytes = [before.as_bytes(), frame].concat();
        let (mut input, mut last) = (&bytes[..], None);
        while let Some(frame) = decoder.next_frame(&mut input) {
            last = Some(sightings.look(&frame.unwrap()));
        }
        last.unwrap()
    }

    #[test]
    fn what_readers_could_not_read_is_seen() {
        for frame in [
            &b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"ind\n\n"[..],
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"text\":\"\xff\"}\n\n",
            b"event: content_block_delta\n\n",
            b"event: content_block_delta\ndata:\n\n",
            b"event: content_bl\xe9\n\n",
            b"event: content_bl\xe9\ndata: {\"type\":\"content_block_delta\"}\n\n",
            b"data: {\"type\":\"content_block_delta\"}\n\n",
            b"ent: message_delta\ndata: {\"type\":\"message_delta\"}\n\n",
            b"data: {\"type\":\"content_bl\n\n",
        ] {
            assert_eq!(sight(NAMED, frame), Sight::Illegible, "{}", String::from_utf8_lossy(frame));
        }
    }

    #[test]
    fn what_readers_pass_over_is_no_loss() {
        for frame in [
            &b"event: ping\ndata: {\"type\n\n"[..],
            b"event: ping\n\n",
            b": a word\n\n",
            b"\n",
            b"id: 7\n\n",
            b"event: keepalive\n\n",
            b"event: keepalive\ndata: yes\n\n",
            b"event: news\ndata: {\"type\":\"news\"}\n\n",
            b"data: [DONE]\n\n",
            b"event: content_block_delta\ndata: {\"no\":\"type\"}\n\n",
        ] {
            assert_eq!(sight(NAMED, frame), Sight::Plain, "{}", String::from_utf8_lossy(frame));
        }
        assert_eq!(sight(NAMED, b"\xff\x80\n\n"), Sight::Noise);
        // Where nothing is named, nothing has lost its name.
        assert_eq!(sight("", b"data: {\"type\":\"content_block_delta\"}\n\n"), Sight::Plain);
    }
}
