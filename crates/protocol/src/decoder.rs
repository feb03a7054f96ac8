//! The event decoder: bytes in pieces of any size to events.

use perennial_sse::{Decoder, Frame, MaxEventBytes};

use crate::surrogate::{Half, repair};
use crate::{DecodeError, Event, hot};

/// Splits the body of a stream into frames and reads their events.
///
/// See the [crate's example](crate). At the end of the body call [`finish`](Self::finish): a last event whose blank line is missing counts only
/// if it is `message_stop`, since any other may be cut short itself.
#[derive(Debug, Default)]
pub struct EventDecoder {
    frames: Decoder,
    pub(crate) half: Half,
}

/// What one frame brought.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received<'a> {
    /// The frame, with its exact bytes.
    pub frame: Frame<'a>,
    /// The event; `None` for a frame that is only a sign of life (comments, no data, `[DONE]`).
    pub event: Option<Event<'a>>,
}

impl EventDecoder {
    /// A decoder with the default limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoder that gives up events larger than `limit`.
    #[must_use]
    pub fn with_limit(limit: MaxEventBytes) -> Self {
        Self { frames: Decoder::with_limit(limit), half: Half::default() }
    }

    /// The next frame that `input` completes, read; `None` when `input` is used up. `input` is moved past what was read.
    ///
    /// # Errors
    /// [`DecodeError`]: this event is lost, the next can be read.
    #[inline]
    pub fn next_event<'d, 'c: 'd>(
        &'d mut self,
        input: &mut &'c [u8],
    ) -> Option<Result<Received<'d>, DecodeError>> {
        if !self.half.is_waiting()
            && let Some((frame, event)) = self.frames.next_known(input, hot::HEAD, hot::head)
        {
            return Some(Ok(Received { frame, event: Some(event) }));
        }
        self.next_of_any_form(input)
    }

    fn next_of_any_form<'d, 'c: 'd>(
        &'d mut self,
        input: &mut &'c [u8],
    ) -> Option<Result<Received<'d>, DecodeError>> {
        let frame = match self.frames.next_frame(input)? {
            Ok(frame) => frame,
            Err(error) => return Some(Err(error.into())),
        };
        // A frame that came in two pieces.
        if !self.half.is_waiting()
            && let Some(event) = frame.data().and_then(hot::delta)
        {
            return Some(Ok(Received { frame, event: Some(event) }));
        }
        Some(self.half.read(frame))
    }

    /// The end of the body: a complete `message_stop` that lacks only its blank line, if that is what is left.
    pub fn finish(&mut self) -> Option<Event<'static>> {
        let received = Received::read(self.frames.finish()?).ok()?;
        received.event.filter(|event| *event == Event::MessageStop).map(Event::into_owned)
    }
}

impl<'a> Received<'a> {
    /// Reads the event of a frame by itself. Halves of characters that were cut between two events become U+FFFD here; an
    /// [`EventDecoder`] puts them together.
    ///
    /// # Errors
    /// Where the data of a known event is not JSON of its shape, or is not there.
    pub fn read(frame: Frame<'a>) -> Result<Self, DecodeError> {
        Self::read_strictly(frame).or_else(|error| match repair(&frame.data_lossy()) {
            Some(data) => {
                let event = Event::decode(&frame.event_lossy(), &data)?.into_owned();
                Ok(Self { frame, event: Some(event) })
            }
            None => Err(error),
        })
    }

    pub(crate) fn read_strictly(frame: Frame<'a>) -> Result<Self, DecodeError> {
        let name = frame.event();
        let event = match frame.data() {
            // What broke its name or the word `data` took the event along.
            None if Event::is_part_of_answer(name) || std::str::from_utf8(name).is_err() => {
                return Err(DecodeError::no_data(name));
            }
            None | Some(b"" | b"[DONE]") => None,
            Some(data) => Some(match std::str::from_utf8(data) {
                Ok(data) => match std::str::from_utf8(frame.event()) {
                    Ok(name) => Event::decode(name, data)?,
                    Err(_) => Event::decode(&frame.event_lossy(), data)?,
                },
                // Rare enough to copy: invalid UTF-8 is replaced, as the event-stream format says.
                Err(_) => Event::decode(&frame.event_lossy(), &frame.data_lossy())?.into_owned(),
            }),
        };
        Ok(Self { frame, event })
    }
}
