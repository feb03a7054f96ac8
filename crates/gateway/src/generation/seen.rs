//! What the events of one attempt have said so far: how it went, how it ended, what it used.
//!
//! An answer has a beginning and a reason for its end. Readers differ in what they make of one that lacks them, and some take it for whole; so it is
//! cut where the lack shows, as where a connection breaks, and is mended in the same way.

use bytes::Bytes;
use perennial_log::{Entry, Time};
use perennial_protocol::sse::Frame;
use perennial_protocol::{ApiError, Event, Received, Usage};

use super::legible::{self, Sight, Sightings};

/// What the events of this attempt say.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) usage: Option<Usage>,
    pub(super) stop_reason: Option<String>,
    /// The upstream has said what the answer came to, and not only how it began.
    pub(super) usage_is_final: bool,
    /// `message_start` has come.
    begun: bool,
    /// `message_stop` or `error` has come.
    over: bool,
    /// The last word was the upstream's own `error` event.
    error: Option<Failed>,
    /// Something other than a sign of life has come since somebody asked.
    pub(super) progress: bool,
    /// Something of the answer's content has come.
    pub(super) content: bool,
    /// Usage or stop reason have changed since somebody asked.
    pub(super) news: bool,
}

/// The upstream's own `error` event.
#[derive(Debug)]
struct Failed {
    frame: Entry,
    error: Box<ApiError>,
}

/// What a frame is to the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It goes on with it, or has nothing to do with it.
    Answer,
    /// The upstream's word that it failed.
    Failure,
    /// Something that should stand before it has not come: the beginning, or before the end its reason.
    Gap,
}

impl Seen {
    /// How a frame looks. An answer ends once: behind its end nothing goes on with it.
    pub(super) fn sight(&self, frame: &Frame<'_>, sightings: &mut Sightings) -> Sight {
        if !self.over {
            return sightings.look(frame);
        }
        if legible::speaks_of_answer(frame) { Sight::Noise } else { Sight::Plain }
    }

    /// Takes note of a frame.
    pub(super) fn note(&mut self, frame: &Frame<'_>) -> Word {
        match frame.event() {
            b"content_block_delta" => {
                self.progress = true;
                // What nobody has seen can be asked for again.
                self.content |= self.begun;
                return if self.begun { Word::Answer } else { Word::Gap };
            }
            b"ping" => return Word::Answer,
            _ => {}
        }
        let event = match Received::read(*frame).map(|received| received.event) {
            Ok(None | Some(Event::Ping)) => return Word::Answer,
            Ok(Some(event)) => event,
            // Of another shape than is known: its readers may know it.
            Err(_) => {
                self.progress = true;
                // It has begun, in a manner that we do not read.
                self.begun |= frame.event() == b"message_start";
                return Word::Answer;
            }
        };
        self.progress = true;
        match event {
            Event::MessageStart(message) => {
                self.begun = true;
                self.count(&message.usage);
                // Some answers begin with content.
                self.content |= !message.content.is_empty();
                self.stop_reason = message.stop_reason.map(|reason| reason.to_string());
            }
            Event::Error(error) => {
                self.over = true;
                self.error = Some(Failed { frame: Entry::event(Bytes::new()), error });
                return Word::Failure;
            }
            Event::ContentBlockStart { .. } if !self.begun => {
                return Word::Gap;
            }
            Event::ContentBlockDelta { .. } => {
                if !self.begun {
                    return Word::Gap;
                }
                self.content = true;
            }
            Event::MessageDelta(delta) => {
                if !self.begun {
                    return Word::Gap;
                }
                if let Some(usage) = &delta.usage {
                    self.usage_is_final |= usage.output_tokens.is_some();
                    self.count(usage);
                }
                if let Some(reason) = delta.delta.stop_reason {
                    self.stop_reason = Some(reason.to_string());
                }
            }
            Event::MessageStop => {
                if !self.begun || self.stop_reason.is_none() {
                    return Word::Gap;
                }
                self.over = true;
            }
            _ => {}
        }
        Word::Answer
    }

    /// Keeps the frame of the upstream's failure, to be shown if nothing else can be done.
    pub(super) fn keep_back(&mut self, frame: Bytes, time: Time) {
        if let Some(failed) = &mut self.error {
            failed.frame = Entry::event(frame).at(time);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The upstream's own word that it failed, if that was its last.
    pub(super) fn error(&self) -> Option<&ApiError> {
        self.error.as_ref().map(|failed| &*failed.error)
    }

    pub(super) fn error_frame(&self) -> Option<Entry> {
        self.error.as_ref().map(|failed| failed.frame.clone())
    }

    fn count(&mut self, usage: &Usage) {
        self.usage.get_or_insert_default().update(usage);
        self.news = true;
    }
}
