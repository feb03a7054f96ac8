//! The intake: bytes of the upstream in, entries for the log out, and what they say about the end and the cost.
//!
//! It changes no byte. A frame becomes one entry when its blank line is there, whatever the pieces it came in; deltas, nearly all of a stream, are
//! not looked into.

use bytes::Bytes;
use perennial_log::{Entry, Kind, Time};
use perennial_protocol::sse::{Decoder, Frame};
use perennial_protocol::{Event, Received, Usage};

use super::ending::Ending;

/// Takes one attempt's stream apart.
#[derive(Debug)]
pub(crate) struct Intake {
    decoder: Decoder,
    entries: Vec<Entry>,
    seen: Seen,
}

/// What the events so far say.
#[derive(Debug, Default)]
struct Seen {
    usage: Option<Usage>,
    stop_reason: Option<String>,
    /// `message_stop` or `error` has come.
    over: bool,
    /// The last word was the upstream's own `error` event.
    error: Option<super::ending::EndError>,
    /// Readers have a `message_start` of an earlier attempt: that of this one goes into a seam.
    started_before: bool,
    /// Usage or stop reason have changed since somebody asked.
    news: bool,
}

/// An event over the limit: it cannot be kept, so the answer would not be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Intake {
    /// For an attempt of which readers must not see the `message_start`, if they were `started_before`.
    pub(crate) fn new(started_before: bool) -> Self {
        let seen = Seen { started_before, ..Seen::default() };
        Self { decoder: Decoder::new(), entries: Vec::new(), seen }
    }

    /// Takes a piece that came at `time`.
    pub(crate) fn take(&mut self, piece: &Bytes, time: Time) -> Result<(), TooLarge> {
        let mut input = &piece[..];
        while let Some(frame) = self.decoder.next_frame(&mut input) {
            let frame = frame.map_err(|_| TooLarge)?;
            let raw = part_of(piece, frame.raw());
            let entry = self.seen.note(&frame, raw).at(time);
            self.entries.push(entry);
        }
        Ok(())
    }

    /// The body has ended: what stands after the last blank line becomes an event if it is whole, and is kept apart if it is not.
    pub(crate) fn finish(&mut self, time: Time) {
        let Some(frame) = self.decoder.finish() else { return };
        let whole =
            frame.data().is_some_and(|data| serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok());
        let entry = if whole {
            let raw = [frame.raw(), blank_line(frame.raw())].concat();
            self.seen.note(&frame, raw.into())
        } else if frame.raw().iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            Entry::event(Bytes::copy_from_slice(frame.raw()))
        } else {
            Entry::new(Kind::Fragment, Bytes::copy_from_slice(frame.raw()))
        };
        self.entries.push(entry.at(time));
    }

    /// Adds an entry of the gateway's own.
    pub(crate) fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What has gathered; to be given back empty with [`give_back`](Self::give_back), so that its memory serves again.
    pub(crate) fn entries(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }

    pub(crate) fn give_back(&mut self, mut entries: Vec<Entry>) {
        entries.clear();
        if entries.capacity() <= 64 {
            self.entries = entries;
        }
    }

    /// Whether `message_stop` or `error` has come.
    pub(crate) fn is_over(&self) -> bool {
        self.seen.over
    }

    /// Usage, and whether it is the last word, if there is news.
    pub(crate) fn news(&mut self) -> Option<(Option<Usage>, bool)> {
        std::mem::take(&mut self.seen.news)
            .then(|| (self.seen.usage.clone(), self.seen.stop_reason.is_some()))
    }

    /// How the stream ended, as far as its events say.
    pub(crate) fn ending(&self) -> Ending {
        Ending {
            stop_reason: self.seen.stop_reason.clone(),
            usage: self.seen.usage.clone(),
            error: self.seen.error.clone(),
            in_band: self.seen.error.is_some(),
        }
    }
}

impl Seen {
    /// Takes note of a frame, and makes the entry that it becomes.
    fn note(&mut self, frame: &Frame<'_>, raw: Bytes) -> Entry {
        if matches!(frame.event(), b"content_block_delta" | b"ping") {
            return Entry { kind: Kind::Event, time: Time::default(), payload: raw };
        }
        match Received::read(*frame).map(|received| received.event) {
            Ok(Some(Event::MessageStart(message))) => {
                self.count(&message.usage);
                if std::mem::take(&mut self.started_before) {
                    return seam(&raw);
                }
            }
            Ok(Some(Event::MessageDelta(delta))) => {
                if let Some(usage) = &delta.usage {
                    self.count(usage);
                }
                if let Some(reason) = delta.delta.stop_reason {
                    self.stop_reason = Some(reason.to_string());
                }
            }
            Ok(Some(Event::MessageStop)) => self.over = true,
            Ok(Some(Event::Error(error))) => {
                self.over = true;
                self.error = Some(super::ending::EndError {
                    status: error.status().unwrap_or(502),
                    kind: error.kind.clone(),
                    message: error.message.clone(),
                    request_id: error.request_id.clone(),
                });
            }
            // What cannot be read passes: it is its reader's to judge.
            Ok(_) | Err(_) => {}
        }
        Entry { kind: Kind::Event, time: Time::default(), payload: raw }
    }

    fn count(&mut self, usage: &Usage) {
        self.usage.get_or_insert_default().update(usage);
        self.news = true;
    }
}

/// The seam at which a second attempt begins, with the `message_start` that readers are not given.
fn seam(raw: &Bytes) -> Entry {
    let payload = serde_json::json!({
        "mode": "restart",
        "reason": "takeover",
        "message_start": String::from_utf8_lossy(raw),
    });
    Entry::new(Kind::Seam, payload.to_string())
}

/// `part` as a share of `whole`, if it lies within it; else a copy.
fn part_of(whole: &Bytes, part: &[u8]) -> Bytes {
    let (begin, at) = (whole.as_ptr().addr(), part.as_ptr().addr());
    if at >= begin && at + part.len() <= begin + whole.len() {
        whole.slice(at - begin..at - begin + part.len())
    } else {
        Bytes::copy_from_slice(part)
    }
}

/// What makes a frame of bytes that lack only their blank line.
fn blank_line(raw: &[u8]) -> &'static [u8] {
    if raw.last() == Some(&b'\n') { b"\n" } else { b"\n\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        ": hello\n\n",
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"role\":\"assistant\",\"content\":[],\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"é€𝄞\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );

    fn entries(stream: &str, size: usize) -> (Vec<Entry>, Intake) {
        let mut intake = Intake::new(false);
        let mut entries = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            intake.take(&Bytes::copy_from_slice(piece), Time::default()).unwrap();
            entries.append(&mut intake.entries());
        }
        intake.finish(Time::default());
        entries.append(&mut intake.entries());
        (entries, intake)
    }

    #[test]
    fn any_pieces_give_the_same_entries_and_all_bytes() {
        for ends in ["\n", "\r\n", "\r"] {
            let stream = STREAM.replace('\n', ends);
            let (whole, _) = entries(&stream, stream.len());
            assert_eq!(
                whole.iter().map(|entry| &entry.payload[..]).collect::<Vec<_>>().concat(),
                stream.as_bytes()
            );
            for size in [1, 2, 3, 7, 64] {
                let (pieces, intake) = entries(&stream, size);
                let joined = pieces.iter().map(|entry| &entry.payload[..]).collect::<Vec<_>>().concat();
                assert_eq!(joined, stream.as_bytes(), "{ends:?} {size}");
                assert!(intake.is_over());
                let ending = intake.ending();
                assert_eq!(ending.stop_reason.as_deref(), Some("end_turn"));
                let usage = ending.usage.unwrap();
                assert_eq!((usage.input_tokens, usage.output_tokens), (Some(7), Some(3)));
                assert!(ending.error.is_none() && !ending.in_band);
            }
        }
    }

    /// Cut at any byte, nothing is lost, and an event that was cut is no event.
    #[test]
    fn what_is_cut_is_kept_apart() {
        for ends in ["\n", "\r\n", "\r"] {
            let stream = STREAM.replace('\n', ends);
            for cut in 0..=stream.len() {
                let mut intake = Intake::new(false);
                intake.take(&Bytes::copy_from_slice(&stream.as_bytes()[..cut]), Time::default()).unwrap();
                intake.finish(Time::default());
                let mut all = Vec::new();
                for entry in intake.entries() {
                    all.extend_from_slice(&entry.payload);
                    if entry.kind == Kind::Event {
                        let mut decoder = Decoder::new();
                        let mut input = &entry.payload[..];
                        while let Some(frame) = decoder.next_frame(&mut input) {
                            let data = frame.unwrap().data().map(<[u8]>::to_vec);
                            assert!(data.is_none_or(|data| {
                                serde_json::from_slice::<serde_json::Value>(&data).is_ok()
                            }));
                        }
                    } else {
                        assert_eq!(entry.kind, Kind::Fragment);
                    }
                }
                assert!(all.starts_with(&stream.as_bytes()[..cut]), "cut at {cut}");
                assert!(all.len() <= cut + 2);
            }
        }
    }

    #[test]
    fn the_end_is_seen_without_names_and_by_an_error() {
        for (stream, over, in_band) in [
            ("data: {\"type\":\"message_stop\"}\n\n", true, false),
            (
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"\"}}\n\n",
                true,
                true,
            ),
            ("event: error\ndata: not json\n\n", true, true),
            ("event: ping\ndata: {\"type\":\"ping\"}\n\n", false, false),
            (": message_stop\n\n", false, false),
            ("event: message_stop\n\n", false, false),
        ] {
            let (_, intake) = entries(stream, 3);
            assert_eq!((intake.is_over(), intake.ending().in_band), (over, in_band), "{stream}");
        }
    }

    #[test]
    fn a_second_start_goes_into_a_seam() {
        let mut intake = Intake::new(true);
        intake.take(&Bytes::from_static(STREAM.as_bytes()), Time::default()).unwrap();
        let kinds: Vec<Kind> = intake.entries().iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [Kind::Event, Kind::Seam, Kind::Event, Kind::Event, Kind::Event]);
        assert_eq!(intake.ending().usage.unwrap().input_tokens, Some(7));
    }
}
