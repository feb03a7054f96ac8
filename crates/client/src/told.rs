//! What a reader has been told of an answer, and what waits to be told.

use std::collections::VecDeque;

use bytes::Bytes;
use perennial_protocol::{Effect, Event, Transcript};

use crate::continuing::Hops;
use crate::cursor::Cursor;
use crate::event::{Continuing, Retrying, Seam};
use crate::view::{Moment, View};

/// What is known of the answer, and how much of it the reader knows.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) transcript: Transcript,
    /// What is to be shown before anything else is read.
    pub(crate) queue: VecDeque<Queued>,
    /// The first block's start while the block is empty, and what must not overtake it.
    pub(crate) held: Vec<Queued>,
    /// `message_start` was shown.
    pub(crate) started: bool,
    /// Content was shown, so that there is no going back.
    pub(crate) content: bool,
    /// Frames of this attempt.
    pub(crate) frames: u64,
    /// Where the reader stands in the log of a gateway; `None` where the service is read.
    pub(crate) cursor: Option<Box<Cursor>>,
    /// Content came that has no place in the transcript.
    pub(crate) strayed: bool,
    pub(crate) follow_inputs: bool,
    /// How the stream goes on if it breaks, where that is wished.
    pub(crate) hops: Option<Box<Hops>>,
}

/// A moment that waits to be shown.
pub(crate) enum Queued {
    Received { raw: Bytes, event: Event<'static>, effect: Effect },
    Alive(Bytes),
    Started(u64),
    Text(u64),
    Finished(u64),
    Retrying(Retrying),
    Continuing(Continuing),
    Seam(Seam),
}

impl Told {
    /// Nothing of the attempt was handed out but, perhaps, its `message_start`: another one begins.
    pub(crate) fn begin_again(&mut self) {
        let Self { started, follow_inputs, hops, .. } = std::mem::take(self);
        *self = Self { started, follow_inputs, hops, ..Self::default() };
        self.transcript = self.new_transcript();
    }

    pub(crate) fn new_transcript(&self) -> Transcript {
        let transcript = Transcript::new();
        if self.follow_inputs { transcript.following_inputs() } else { transcript }
    }
}

impl Queued {
    pub(crate) fn show<V: View>(self, view: &mut V, transcript: &Transcript) -> Option<V::Item> {
        let moment = match self {
            Self::Received { ref raw, event, effect } => {
                return view.see(Moment::Received { raw, event, effect }, transcript);
            }
            Self::Alive(ref raw) => return view.see(Moment::Alive { raw }, transcript),
            Self::Started(index) => Moment::Started(index),
            Self::Text(index) => Moment::Text(index),
            Self::Finished(index) => Moment::Finished(index),
            Self::Retrying(retrying) => Moment::Retrying(retrying),
            Self::Continuing(continuing) => Moment::Continuing(continuing),
            Self::Seam(seam) => Moment::Seam(seam),
        };
        view.see(moment, transcript)
    }
}
