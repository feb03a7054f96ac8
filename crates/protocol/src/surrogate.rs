//! Halves of surrogate pairs: a character that was cut between two deltas is put together again.
//!
//! JSON may write a character outside the basic plane as two `\u` escapes, and a sender that cuts text by UTF-16 units can put them in two
//! deltas. Each half alone is no character: Rust strings cannot hold it, so the first half waits here for the second. A half that stays
//! alone becomes U+FFFD; at the very end of a block it is left out.

use std::borrow::Cow;

use perennial_sse::Frame;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{DecodeError, Delta, Event, Received};

/// The first half of a character, waiting for the second.
#[derive(Debug, Default)]
pub(crate) struct Half(Option<(u64, u16)>);

impl Half {
    /// Whether a half is waiting.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.is_some()
    }

    /// Reads a frame; its event may have a lone half, or bring the half that is waited for.
    pub(crate) fn read<'a>(&mut self, frame: Frame<'a>) -> Result<Received<'a>, DecodeError> {
        let read = Received::read_strictly(frame);
        match &read {
            Ok(received) if !self.is_waiting() || received.event.is_none() => return read,
            // Nothing can follow in a finished block: from here on the short way is open again.
            Ok(Received { event: Some(Event::ContentBlockStop { index }), .. }) => {
                self.0.take_if(|(of, _)| of == index);
                return read;
            }
            Err(error) if error.is_without_data() => return read,
            Err(_) if !self.is_waiting() && repair(&frame.data_lossy()).is_none() => return read,
            _ => {}
        }
        let event = self.decode(&frame.event_lossy(), &frame.data_lossy())?;
        Ok(Received { frame, event: Some(event) })
    }

    fn decode(&mut self, name: &str, data: &str) -> Result<Event<'static>, DecodeError> {
        let mut event = Event::decode(name, &repair(data).unwrap_or(Cow::Borrowed(data)))?.into_owned();
        if let Event::ContentBlockDelta { index, delta } = &mut event
            && let Delta::Text(text) | Delta::InputJson(text) | Delta::Thinking { thinking: text, .. } = delta
        {
            let (low, high) = edges(data);
            let text = text.to_mut();
            if let Some((_, first)) = self.0.take_if(|(of, _)| of == index) {
                match low.and_then(|low| char::decode_utf16([first, low]).next()?.ok()) {
                    Some(whole) => text.replace_range(
                        ..char::REPLACEMENT_CHARACTER.len_utf8(),
                        whole.encode_utf8(&mut [0; 4]),
                    ),
                    None => text.insert(0, char::REPLACEMENT_CHARACTER),
                }
            }
            if let Some(high) = high {
                text.pop();
                self.0 = Some((*index, high));
            }
        }
        Ok(event)
    }
}

/// The JSON with each lone half written as U+FFFD; `None` where there is none.
pub(crate) fn repair(json: &str) -> Option<Cow<'_, str>> {
    let mut repaired = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &json.as_bytes()[at..]) {
        at += found;
        let Some(unit) = unit(&json[at..]) else {
            // Another escape: the byte after the backslash is part of it.
            at = (at + 2).min(json.len());
            continue;
        };
        let paired = is_high(unit) && json.get(at + 6..).and_then(self::unit).is_some_and(is_low);
        if paired {
            at += 12;
        } else if is_high(unit) || is_low(unit) {
            repaired.push_str(&json[kept..at]);
            repaired.push_str("\\ufffd");
            at += 6;
            kept = at;
        } else {
            at += 6;
        }
        if at >= json.len() {
            break;
        }
    }
    if kept == 0 {
        return None;
    }
    repaired.push_str(&json[kept..]);
    Some(Cow::Owned(repaired))
}

/// The lone low half that a delta's text begins with, and the lone high half that it ends with.
fn edges(data: &str) -> (Option<u16>, Option<u16>) {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        delta: Texts<'a>,
    }
    #[derive(Deserialize)]
    struct Texts<'a> {
        #[serde(borrow, default, alias = "partial_json", alias = "thinking")]
        text: Option<&'a RawValue>,
    }
    let Some(raw) = serde_json::from_str::<Event<'_>>(data).ok().and_then(|event| event.delta.text) else {
        return (None, None);
    };
    let inner = raw.get().trim_matches('"');
    let low = unit(inner).filter(|unit| is_low(*unit));
    let high = inner.len().checked_sub(6).and_then(|at| inner.get(at..).map(|tail| (at, tail))).and_then(
        |(at, tail)| {
            let escaped = inner[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
            unit(tail).filter(|unit| is_high(*unit) && !escaped)
        },
    );
    (low, high)
}

/// The UTF-16 unit that a `\u` escape at the beginning of `json` stands for.
fn unit(json: &str) -> Option<u16> {
    let digits = json.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

fn is_high(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

fn is_low(unit: u16) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

#[cfg(test)]
mod tests {
    use crate::EventDecoder;

    #[test]
    fn a_half_stops_waiting_with_its_block() {
        let mut decoder = EventDecoder::new();
        let half = "data: {\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"text_delta\",\"text\":\"\\ud83e\"}}\n\n";
        let marks = "data: [DONE]\n\nevent: message_stop\ndata:\n\n: life\n\n";
        let stop = "data: {\"type\":\"content_block_stop\",\"index\":3}\n\n";
        for (frames, waiting) in [(half, true), (marks, true), (stop, false)] {
            let mut input = frames.as_bytes();
            while let Some(received) = decoder.next_event(&mut input) {
                // What is no event stays none while a half waits.
                assert_eq!(received.expect("readable").event.is_none(), frames == marks);
            }
            assert_eq!(decoder.half.is_waiting(), waiting, "{frames}");
        }
    }
}
