//! One frame: the lines up to and including a blank line, borrowed from where they stand.

use std::borrow::Cow;

/// The lines up to and including a blank line.
///
/// Only a frame with [`data`](Self::data) is an event in the sense of the standard; the others (comments, stray blank lines, a
/// lone `id:`) are handed out all the same, since they prove that the sender lives and a relay must pass them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) event: &'a [u8],
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) retry: Option<u64>,
    pub(crate) comments: u32,
}

impl<'a> Frame<'a> {
    /// The exact bytes as received, line ends included. The `raw` bytes of all frames in order, and of
    /// [`Decoder::finish`](crate::Decoder::finish), are the input again, save for events over the limit.
    ///
    /// Where a CRLF pair was split between two reads, its LF stands at the head of the following frame: the event ended with the
    /// CR, and waiting for the LF would have delayed it.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The value of the last `event:` line; empty where there was none (the standard then says `message`).
    #[must_use]
    pub fn event(&self) -> &'a [u8] {
        self.event
    }

    /// [`event`](Self::event) as text, invalid UTF-8 replaced by U+FFFD.
    #[must_use]
    pub fn event_lossy(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.event)
    }

    /// The values of the `data:` lines, joined by LF; `None` where there was no such line, so that this is not an event.
    #[must_use]
    pub fn data(&self) -> Option<&'a [u8]> {
        self.data
    }

    /// [`data`](Self::data) as text, invalid UTF-8 replaced by U+FFFD as the standard demands; empty where there was none.
    #[must_use]
    pub fn data_lossy(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.data.unwrap_or_default())
    }

    /// The value of the last `id:` line without a NUL in it.
    #[must_use]
    pub fn id(&self) -> Option<&'a [u8]> {
        self.id
    }

    /// The value of the last well-formed `retry:` line, in milliseconds.
    #[must_use]
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// How many comment lines the frame has.
    #[must_use]
    pub fn comments(&self) -> u32 {
        self.comments
    }
}
