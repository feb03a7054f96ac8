//! The watch over a stream that passes: where its events end, whether it came to its end, and what to say if it did not.
//!
//! The watch changes nothing. It knows two things that a relay must know: whether an event of our own would stand between two events or
//! inside one, and whether the answer is over. A stream that stops early is closed so that no reader can take it for whole.

use perennial_protocol::sse::{Decoder, Frame};
use perennial_protocol::{ErrorKind, Event, Received};

use crate::refusal::{RequestId, error_body};

#[derive(Debug, Default)]
pub(crate) struct Watch {
    decoder: Decoder,
    inside_frame: bool,
    over: bool,
}

/// Why a stream ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The upstream's body ended, or its connection broke.
    Upstream,
    /// The upstream was silent for too long.
    Silence,
    /// The gateway stops.
    Shutdown,
}

impl Cut {
    pub(crate) fn kind(self) -> ErrorKind {
        match self {
            Self::Upstream => ErrorKind::Api,
            Self::Silence => ErrorKind::Timeout,
            Self::Shutdown => ErrorKind::Overloaded,
        }
    }

    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Upstream => {
                "the connection to the upstream ended before the answer did: the answer is incomplete"
            }
            Self::Silence => "the upstream went silent before the answer ended: the answer is incomplete",
            Self::Shutdown => "the gateway is shutting down: the answer is incomplete",
        }
    }
}

impl Watch {
    /// Takes note of bytes that pass.
    pub(crate) fn observe(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        loop {
            let before = input;
            match self.decoder.next_frame(&mut input) {
                Some(Ok(frame)) => {
                    self.over |= ends(&frame);
                    self.inside_frame = false;
                }
                // An event over the limit passes like any other; it is only not read.
                Some(Err(_)) => self.inside_frame = true,
                None => {
                    // The LF of a CRLF pair that was split belongs to the frame before.
                    self.inside_frame |= before.iter().any(|byte| !matches!(byte, b'\n' | b'\r'));
                    return;
                }
            }
        }
    }

    /// Whether the bytes so far end between two events.
    pub(crate) fn between_frames(&self) -> bool {
        !self.inside_frame
    }

    /// Whether `message_stop` or `error` has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// What to send after the last byte; nothing where the stream came to its end.
    pub(crate) fn close(&mut self, cut: Cut, id: &RequestId) -> Vec<u8> {
        if self.over {
            return Vec::new();
        }
        let mut bytes = Vec::new();
        if self.inside_frame {
            match self.decoder.finish() {
                Some(frame) => {
                    end_frame(&frame, &mut bytes);
                    self.over = ends(&frame);
                }
                // An event over the limit was being skipped.
                None => bytes.extend_from_slice(b"\nevent: ping\n\n"),
            }
        }
        if !self.over {
            bytes.extend_from_slice(b"event: error\ndata: ");
            bytes.extend_from_slice(error_body(&cut.kind(), cut.message(), id).as_bytes());
            bytes.extend_from_slice(b"\n\n");
            self.over = true;
        }
        bytes
    }
}

/// Whether a frame ends the answer.
fn ends(frame: &Frame<'_>) -> bool {
    // Nearly all frames are deltas, and a delta ends nothing.
    frame.event() != b"content_block_delta"
        && matches!(
            Received::read(*frame),
            Ok(Received { event: Some(Event::MessageStop | Event::Error(_)), .. })
        )
}

/// Ends a frame whose blank line is missing.
///
/// If its data is whole, the frame is an event like any other. If its data was cut, no reader could make sense of it and the usual ones fail on it with an
/// error about JSON that hides the real one. A later `event:` line of the same frame replaces the name, and a ping's data is not read.
fn end_frame(frame: &Frame<'_>, bytes: &mut Vec<u8>) {
    let raw = frame.raw();
    bytes.extend_from_slice(rest_of_character(raw));
    // After a CR it completes the pair, and the line ends once all the same.
    if raw.last() != Some(&b'\n') {
        bytes.push(b'\n');
    }
    let whole = frame.data().is_none_or(|data| serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok());
    bytes.extend_from_slice(if whole { b"\n" } else { b"event: ping\n\n" });
}

/// What makes a UTF-8 character of the first bytes of one, so that readers which are strict about it get as far as the error.
fn rest_of_character(bytes: &[u8]) -> &'static [u8] {
    let tail = &bytes[bytes.len().saturating_sub(4)..];
    let Some(lead) = tail.iter().rposition(|byte| byte & 0b1100_0000 != 0b1000_0000) else { return b"" };
    let have = tail.len() - lead;
    match (tail[lead], have) {
        (0xc2..=0xdf, 1) => b"\x80",
        (0xe0, 1) => b"\xa0\x80",
        (0xe1..=0xef, 1) => b"\x80\x80",
        (0xe0..=0xef, 2) => b"\x80",
        (0xf0, 1) => b"\x90\x80\x80",
        (0xf1..=0xf4, 1) => b"\x80\x80\x80",
        (0xf0..=0xf4, 2) => b"\x80\x80",
        (0xf0..=0xf4, 3) => b"\x80",
        _ => b"",
    }
}

#[cfg(test)]
mod tests {
    use perennial_protocol::{End, EventDecoder, Transcript};

    use super::*;

    const STREAM: &str = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"role\":\"assistant\",\"content\":[]}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"é€𝄞 ok\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );

    /// Cut at every byte, with every kind of line end, the stream ends with one error event, after events that all can be read.
    #[test]
    fn a_stream_that_is_cut_anywhere_ends_with_an_error_event() {
        for ends in ["\n", "\r\n", "\r"] {
            let stream = STREAM.replace('\n', ends);
            // Complete from where only the blank line is missing.
            let complete = stream.len() - ends.len() * 2;
            for cut in 0..=stream.len() {
                let mut watch = Watch::default();
                let mut body = stream.as_bytes()[..cut].to_vec();
                watch.observe(&body);
                body.extend(watch.close(Cut::Upstream, &RequestId::new()));
                assert!(watch.is_over());
                let mut decoder = EventDecoder::new();
                let mut transcript = Transcript::new();
                let mut input = &body[..];
                let mut errors = 0;
                while let Some(received) = decoder.next_event(&mut input) {
                    let received = received.unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
                    assert!(std::str::from_utf8(received.frame.raw()).is_ok(), "cut at {cut}");
                    if let Some(event) = received.event {
                        errors += u32::from(matches!(event, Event::Error(_)));
                        transcript.apply(&event);
                    }
                }
                assert!(decoder.finish().is_none(), "cut at {cut}: bytes after the last event");
                let end = transcript.end();
                if cut >= complete {
                    assert!(matches!(end, End::Complete { .. }), "cut at {cut}: {end}");
                    assert_eq!(errors, 0);
                } else {
                    assert!(matches!(end, End::Failed(_)), "cut at {cut}: {end}");
                    assert_eq!(errors, 1);
                }
            }
        }
    }

    #[test]
    fn between_frames_is_told_for_any_pieces() {
        for ends in ["\n", "\r\n", "\r"] {
            let stream = STREAM.replace('\n', ends);
            let blank = ends.repeat(2);
            for size in [1, 2, 3, 7, 64, stream.len()] {
                let mut watch = Watch::default();
                let mut at = 0;
                for piece in stream.as_bytes().chunks(size) {
                    watch.observe(piece);
                    at += piece.len();
                    let so_far = &stream.as_bytes()[..at];
                    // With CRLF a frame ends with its last CR already.
                    let boundary =
                        so_far.ends_with(blank.as_bytes()) || (ends == "\r\n" && so_far.ends_with(b"\r\n\r"));
                    assert_eq!(watch.between_frames(), boundary, "{ends:?} {size} {at}");
                    assert_eq!(watch.is_over(), boundary && at + 1 >= stream.len());
                }
            }
        }
    }

    #[test]
    fn the_end_is_seen_without_names_and_by_an_error() {
        for (stream, over) in [
            ("data: {\"type\":\"message_stop\"}\n\n", true),
            ("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", true),
            (
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"\"}}\n\n",
                true,
            ),
            ("event: error\ndata: not json\n\n", true),
            ("event: ping\ndata: {\"type\":\"ping\"}\n\n", false),
            (": message_stop\n\n", false),
            ("event: message_stop\n\n", false),
        ] {
            let mut watch = Watch::default();
            watch.observe(stream.as_bytes());
            assert_eq!(watch.is_over(), over, "{stream}");
        }
    }
}
