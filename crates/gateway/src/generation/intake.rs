//! The intake: bytes of the upstream in, entries for the log out, and what they say about the end and the cost.
//!
//! It changes no byte. A frame becomes one entry when its blank line is there, whatever the pieces it came in. Of deltas, nearly all of a stream, only
//! [whether they can be read](super::legible) is looked at: what readers could not read is where the answer is cut, and is kept apart, as is all that
//! stands behind the answer's end. Only where an attempt goes on with what another began do its frames pass a [`Splice`], which keeps back what
//! readers have. An `error` event is kept back as well: readers get it if nothing else can be done.

use bytes::Bytes;
use perennial_log::{Entry, Kind, Time};
use perennial_protocol::sse::{Decoder, Frame};
use perennial_protocol::{ApiError, Loop, Usage};
use perennial_recovery::{Piece, Splice};

use super::guard::{Guard, Watch};
use super::legible::{Sight, Sightings};
use super::pace::Pace;
use super::seen::{Seen, Word};
use crate::record::{EndError, Ending, SeamNote};

/// Takes one attempt's stream apart.
#[derive(Debug)]
pub(crate) struct Intake {
    decoder: Decoder,
    entries: Vec<Entry>,
    sightings: Sightings,
    seen: Seen,
    joining: Option<Box<Joining>>,
    watch: Option<Box<Watch>>,
    pace: Option<Box<Pace>>,
}

/// How an attempt goes on with what readers have.
#[derive(Debug)]
pub(crate) struct Joining {
    pub(crate) splice: Splice,
    /// What is noted once the texts are joined; mode and place are not known yet.
    pub(crate) seam: SeamNote,
    /// What the attempts before this one used.
    pub(crate) used: Usage,
}

/// Why nothing more can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// An event over the limit: it cannot be kept, so the answer would not be whole.
    TooLarge,
    /// An event that nobody can read: something of the answer is lost in it.
    Unreadable,
    /// An event that stands where another should have come before it.
    Gap,
    /// The texts of two attempts cannot be joined.
    NoProof(String),
    /// The answer goes round in circles, and that is not wanted.
    Repeating,
}

impl Intake {
    pub(crate) fn new(joining: Option<Box<Joining>>, guard: Guard) -> Self {
        let watch = Watch::new(guard);
        let (decoder, sightings, seen) = (Decoder::new(), Sightings::default(), Seen::default());
        Self { decoder, entries: Vec::new(), sightings, seen, joining, watch, pace: None }
    }

    /// Measures the pace of its text, where a clock asks for it.
    pub(crate) fn paced(mut self, is_measured: bool) -> Self {
        self.pace = is_measured.then(Box::default);
        self
    }

    /// Takes a piece that came at `time`.
    pub(crate) fn take(&mut self, piece: &Bytes, time: Time) -> Result<(), Unusable> {
        let mut input = &piece[..];
        while let Some(frame) = self.decoder.next_frame(&mut input) {
            let frame = frame.map_err(|_| Unusable::TooLarge)?;
            let raw = part_of(piece, frame.raw());
            match self.seen.sight(&frame, &mut self.sightings) {
                Sight::Plain => {}
                Sight::Noise => {
                    self.entries.push(Entry { kind: Kind::Fragment, time, payload: raw });
                    continue;
                }
                Sight::Illegible => {
                    self.entries.extend(fragments([raw, part_of(piece, input)], time));
                    return Err(Unusable::Unreadable);
                }
            }
            match (self.seen.note(&frame), &mut self.joining) {
                (Word::Failure, _) => self.seen.keep_back(raw, time),
                (Word::Gap, _) => {
                    self.entries.extend(fragments([raw, part_of(piece, input)], time));
                    return Err(Unusable::Gap);
                }
                (Word::Answer, Some(joining)) => joining.take(frame, &raw, time, &mut self.entries)?,
                (Word::Answer, None) => self.entries.push(Entry { kind: Kind::Event, time, payload: raw }),
            }
            if let Some(pace) = &mut self.pace {
                pace.see(&frame);
            }
            if let Some(watch) = &mut self.watch
                && let Some(found) = watch.see(&frame)
            {
                self.entries.push(notice(found).at(time));
                if watch.stops() {
                    return Err(Unusable::Repeating);
                }
            }
        }
        Ok(())
    }

    /// The body has ended: what stands after the last blank line becomes an event if it is whole, and is kept apart if it is not.
    pub(crate) fn finish(&mut self, time: Time) {
        let Some(frame) = self.decoder.finish() else { return };
        let whole =
            frame.data().is_some_and(|data| serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok());
        let raw = if whole {
            Bytes::from([frame.raw(), blank_line(frame.raw())].concat())
        } else {
            Bytes::copy_from_slice(frame.raw())
        };
        let is_blank = raw.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        let is_plain = self.seen.sight(&frame, &mut self.sightings) == Sight::Plain;
        // The first words of an answer, if they lack their end: without them nobody has seen anything, and it can be asked for again.
        let is_first = !self.seen.content && frame.event() == b"content_block_delta";
        let word = (whole && is_plain && !is_first).then(|| self.seen.note(&frame));
        let entry = match (word, &mut self.joining) {
            (Some(Word::Failure), _) => return self.seen.keep_back(raw, time),
            (Some(Word::Answer), None) => Entry::event(raw),
            (None, None) if is_blank => Entry::event(raw),
            (Some(Word::Answer), Some(joining)) => {
                // Where it does not fit, the seam is refused for want of an end.
                drop(joining.take(frame, &raw, time, &mut self.entries));
                return;
            }
            _ => Entry::new(Kind::Fragment, raw),
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
        self.seen.is_over()
    }

    /// The upstream's own word that it failed, if that was its last.
    pub(crate) fn error(&self) -> Option<&ApiError> {
        self.seen.error()
    }

    /// The upstream's `error` event, to be shown or kept apart.
    pub(crate) fn error_frame(&mut self) -> Option<Entry> {
        self.seen.error_frame()
    }

    /// Whether something of the answer has come since this was asked.
    pub(crate) fn progress(&mut self) -> bool {
        std::mem::take(&mut self.seen.progress)
    }

    /// The pace of its text, if it is measured.
    pub(super) fn pace(&mut self) -> Option<&mut Pace> {
        self.pace.as_deref_mut()
    }

    /// Whether something of the answer's content has come.
    pub(crate) fn has_content(&self) -> bool {
        self.seen.content
    }

    /// What this attempt used, as far as is known.
    pub(crate) fn usage(&self) -> Option<&Usage> {
        self.seen.usage.as_ref()
    }

    /// Whether the upstream has said what the answer came to.
    pub(crate) fn usage_is_final(&self) -> bool {
        self.seen.usage_is_final
    }

    /// Why the model stopped, if it has.
    pub(crate) fn stop_reason(&self) -> Option<String> {
        self.seen.stop_reason.clone()
    }

    /// Usage of all attempts, and whether it is the last word, if there is news.
    pub(crate) fn news(&mut self) -> Option<(Option<Usage>, bool)> {
        std::mem::take(&mut self.seen.news).then(|| (self.used(), self.seen.stop_reason.is_some()))
    }

    /// How the stream ended, as far as its events say.
    pub(crate) fn ending(&self) -> Ending {
        let error = self.error().map(|error| EndError {
            status: error.status().unwrap_or(502),
            kind: error.kind.clone(),
            message: error.message.clone(),
            request_id: error.request_id.clone(),
        });
        Ending {
            stop_reason: self.seen.stop_reason.clone(),
            usage: self.used(),
            in_band: error.is_some(),
            error,
        }
    }

    fn used(&self) -> Option<Usage> {
        match (&self.joining, &self.seen.usage) {
            (None, own) => own.clone(),
            (Some(joining), None) => Some(joining.used.clone()),
            (Some(joining), Some(own)) => {
                let mut used = joining.used.clone();
                used.add(own);
                Some(used)
            }
        }
    }
}

impl Joining {
    fn take(
        &mut self,
        frame: Frame<'_>,
        raw: &Bytes,
        time: Time,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Unusable> {
        let mut pieces = Vec::new();
        let taken = self.splice.take(frame, raw, &mut pieces);
        for piece in pieces {
            let entry = match piece {
                Piece::Show(frame) => Entry::event(frame),
                Piece::Withhold(frame) => Entry::new(Kind::Withheld, frame),
                Piece::Joined(joint) => {
                    self.seam.mode = joint.mode.to_string();
                    (self.seam.cut, self.seam.overlap) = (joint.cut, joint.overlap);
                    self.seam.entry()
                }
            };
            entries.push(entry.at(time));
        }
        taken.map_err(|refused| Unusable::NoProof(refused.to_string()))
    }
}

/// The word to readers that an answer goes round in circles.
fn notice(found: Loop) -> Entry {
    let notice = serde_json::json!({"reason": "repeating", "unit": found.unit, "times": found.times});
    Entry::new(Kind::Notice, notice.to_string())
}

/// Bytes that are no part of the answer, kept apart.
fn fragments(parts: [Bytes; 2], time: Time) -> impl Iterator<Item = Entry> {
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.map(move |payload| Entry { kind: Kind::Fragment, time, payload })
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
        let mut intake = Intake::new(None, Guard::Off);
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
                let mut intake = Intake::new(None, Guard::Off);
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

    /// Nothing of it is shown, and nothing of it is lost.
    #[test]
    fn what_is_not_of_the_answer_is_kept_apart() {
        let shown = |entries: &[Entry], kind| -> Vec<u8> {
            entries
                .iter()
                .filter(|entry| entry.kind == kind)
                .flat_map(|entry| entry.payload.to_vec())
                .collect()
        };
        let (behind, _) = entries(&format!("{STREAM}{STREAM}"), 5);
        assert_eq!(shown(&behind, Kind::Event), [STREAM, ": hello\n\n"].concat().as_bytes());
        assert_eq!(shown(&behind, Kind::Fragment), STREAM.strip_prefix(": hello\n\n").unwrap().as_bytes());

        let mut intake = Intake::new(None, Guard::Off);
        let bad = "event: content_block_delta\ndata: {\"type\":\n\nevent: ping\nda";
        let taken = intake.take(&Bytes::from([STREAM.split_at(9).0, bad].concat()), Time::default());
        assert_eq!(taken, Err(Unusable::Unreadable));
        assert_eq!(shown(&intake.entries(), Kind::Fragment), bad.as_bytes());
    }

    /// Where its beginning is missing, or why it stopped, the rest is kept apart; what nobody has seen is no content.
    #[test]
    fn an_answer_that_lacks_a_part_is_cut_there() {
        for (lacks, shown, content) in [("message_start", 1, false), ("message_delta", 3, true)] {
            let stream: String = STREAM
                .split_inclusive("\n\n")
                .filter(|frame| !frame.contains(&format!("event: {lacks}")))
                .collect();
            for size in [1, 7, stream.len()] {
                let mut intake = Intake::new(None, Guard::Off);
                let mut pieces = stream.as_bytes().chunks(size);
                let taken = pieces
                    .find_map(|piece| intake.take(&Bytes::copy_from_slice(piece), Time::default()).err());
                assert_eq!(taken, Some(Unusable::Gap), "{lacks}");
                assert!(!intake.is_over());
                assert_eq!(intake.has_content(), content, "{lacks}");
                let entries = intake.entries();
                let events = entries.iter().take_while(|entry| entry.kind == Kind::Event).count();
                assert_eq!(events, shown, "{lacks}");
                assert!(entries[events..].iter().all(|entry| entry.kind == Kind::Fragment));
            }
            // The same where the body ends without the last blank line.
            let mut intake = Intake::new(None, Guard::Off);
            let unended = stream.trim_end();
            let last = unended.rfind("\n\n").unwrap() + 2;
            if content {
                intake.take(&Bytes::copy_from_slice(&unended.as_bytes()[..last]), Time::default()).unwrap();
                intake.take(&Bytes::copy_from_slice(&unended.as_bytes()[last..]), Time::default()).unwrap();
                intake.finish(Time::default());
                assert!(!intake.is_over());
                assert_eq!(intake.entries().last().unwrap().kind, Kind::Fragment);
            }
        }
    }

    #[test]
    fn the_end_is_seen_without_names_and_by_an_error() {
        for (stream, over, in_band) in [
            (
                "data: {\"type\":\"message_start\",\"message\":{}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
                true,
                false,
            ),
            (
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"\"}}\n\n",
                true,
                true,
            ),
            ("event: error\ndata: not json\n\n", true, true),
            ("event: ping\ndata: {\"type\":\"ping\"}\n\n", false, false),
            (": message_stop\n\n", false, false),
        ] {
            let (_, intake) = entries(stream, 3);
            assert_eq!((intake.is_over(), intake.ending().in_band), (over, in_band), "{stream}");
        }
    }
}
