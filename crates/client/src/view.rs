//! Views: what a reader wants to see of what happens in a stream.
//!
//! The stream's one loop is generic over its view. So reading only the final message costs no owned event, and reading only text
//! costs one string per piece of text.

use std::borrow::BorrowMut;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use perennial_protocol::{ContentBlock, Delta, Effect, Event, Transcript};

use crate::event::{Continuing, Retrying, Seam, StreamEvent};
use crate::{Error, MessageStream};

/// Something that happens, as the loop comes upon it.
pub(crate) enum Moment<'a> {
    /// A frame brought an event.
    Received { raw: &'a [u8], event: Event<'a>, effect: Effect },
    /// A frame brought none.
    Alive { raw: &'a [u8] },
    /// The transcript has this block although no event of its own began it.
    Started(u64),
    /// The transcript has text in this block that no delta brought.
    Text(u64),
    /// The transcript has finished this block although no event of its own ended it.
    Finished(u64),
    /// The request is sent again.
    Retrying(Retrying),
    /// The rest is asked for.
    Continuing(Continuing),
    /// From here on the rest comes.
    Seam(Seam),
}

pub(crate) trait View {
    type Item;

    /// Whether a sign of life must wait while the start of a block is held back.
    const IN_ORDER: bool = false;

    /// What to hand out for this moment; `None` goes on.
    fn see(&mut self, moment: Moment<'_>, transcript: &Transcript) -> Option<Self::Item>;
}

/// Hands out nothing: the transcript is all that is wanted.
pub(crate) struct Fold;

impl View for Fold {
    type Item = Infallible;

    fn see(&mut self, _: Moment<'_>, _: &Transcript) -> Option<Infallible> {
        None
    }
}

/// Everything, for programs.
pub(crate) struct Events;

impl View for Events {
    type Item = StreamEvent;

    fn see(&mut self, moment: Moment<'_>, transcript: &Transcript) -> Option<StreamEvent> {
        Some(match moment {
            Moment::Received { event, effect, .. } => StreamEvent::of(event, effect, transcript),
            Moment::Alive { .. } => StreamEvent::Alive,
            Moment::Started(index) => {
                StreamEvent::BlockStarted { index, block: Box::new(transcript.block(index)?.clone()) }
            }
            Moment::Text(index) => StreamEvent::Text { index, delta: text_of(index, transcript)?.to_owned() },
            Moment::Finished(index) => StreamEvent::finished(index, transcript),
            Moment::Retrying(retrying) => StreamEvent::Retrying(retrying),
            Moment::Continuing(continuing) => StreamEvent::Continuing(continuing),
            Moment::Seam(seam) => StreamEvent::Seam(seam),
        })
    }
}

/// Text for the reader, and nothing else.
struct Text;

impl View for Text {
    type Item = String;

    fn see(&mut self, moment: Moment<'_>, transcript: &Transcript) -> Option<String> {
        match moment {
            Moment::Received {
                event: Event::ContentBlockDelta { index, delta: Delta::Text(text) },
                effect: Effect::BlockGrew(_),
                ..
            } if matches!(transcript.block(index), Some(ContentBlock::Text(_))) => Some(text.into_owned()),
            Moment::Text(index) => text_of(index, transcript).map(str::to_owned),
            _ => None,
        }
        .filter(|text| !text.is_empty())
    }
}

/// Events as they came.
struct Raw;

impl View for Raw {
    type Item = Event<'static>;
    const IN_ORDER: bool = true;

    fn see(&mut self, moment: Moment<'_>, _: &Transcript) -> Option<Event<'static>> {
        match moment {
            Moment::Received { event, .. } => Some(event.into_owned()),
            _ => None,
        }
    }
}

/// Bytes as they came.
struct Frames;

impl View for Frames {
    type Item = Bytes;
    const IN_ORDER: bool = true;

    fn see(&mut self, moment: Moment<'_>, _: &Transcript) -> Option<Bytes> {
        match moment {
            Moment::Received { raw, .. } | Moment::Alive { raw } if !raw.is_empty() => {
                Some(Bytes::copy_from_slice(raw))
            }
            _ => None,
        }
    }
}

fn text_of(index: u64, transcript: &Transcript) -> Option<&str> {
    match transcript.block(index)? {
        ContentBlock::Text(block) => Some(&block.text),
        _ => None,
    }
}

macro_rules! views {
    ($( $(#[$meta:meta])* $name:ident($view:ident) -> $item:ty; )*) => { $(
        $(#[$meta])*
        #[must_use = "streams do nothing unless polled"]
        pub struct $name<S> {
            stream: S,
        }

        impl<S: BorrowMut<MessageStream>> $name<S> {
            pub(crate) fn new(stream: S) -> Self {
                Self { stream }
            }

            /// The stream behind it, for what it knows so far.
            pub fn stream(&self) -> &MessageStream {
                self.stream.borrow()
            }

            /// The stream behind it, to be read on in another way.
            pub fn into_stream(self) -> S {
                self.stream
            }
        }

        impl<S: BorrowMut<MessageStream> + Unpin> Stream for $name<S> {
            type Item = Result<$item, Error>;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                self.get_mut().stream.borrow_mut().poll_view(cx, &mut $view)
            }
        }

        impl<S> fmt::Debug for $name<S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )* };
}

views! {
    /// Text for the reader, and nothing else; see [`MessageStream::text_stream`].
    TextStream(Text) -> String;
    /// The events as they came, without the derived ones; see [`MessageStream::raw_events`].
    RawEvents(Raw) -> Event<'static>;
    /// The exact bytes of each frame; see [`MessageStream::frames`].
    FrameStream(Frames) -> Bytes;
}
