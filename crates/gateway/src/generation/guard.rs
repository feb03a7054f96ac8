//! The guard: watches the text of an answer for loops, where it is told to.

use perennial_protocol::sse::Frame;
use perennial_protocol::{Delta, Event, Loop, Received, Repetition};

/// What is done about an answer that goes round in circles. Watching costs reading every delta, which only the gateway's own conversations do in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// Nobody watches.
    Off,
    /// As [`Warn`](Self::Warn) in the gateway's own conversations, [`Off`](Self::Off) elsewhere.
    #[default]
    Conversations,
    /// Readers are told, in a notice.
    Warn,
    /// Readers are told, and the answer is stopped.
    Stop,
}

impl Guard {
    /// What it is for one answer.
    pub(super) fn of_answer(self, in_conversation: bool) -> Self {
        match self {
            Self::Conversations if in_conversation => Self::Warn,
            Self::Conversations => Self::Off,
            guard => guard,
        }
    }
}

/// A text that is watched.
#[derive(Debug)]
pub(super) struct Watch {
    guard: Guard,
    repetition: Repetition,
    block: Option<u64>,
}

impl Watch {
    pub(super) fn new(guard: Guard) -> Option<Box<Self>> {
        let watch = Self { guard, repetition: Repetition::default(), block: None };
        (guard != Guard::Off).then(|| Box::new(watch))
    }

    /// Whether the answer is to be stopped where it loops.
    pub(super) fn stops(&self) -> bool {
        self.guard == Guard::Stop
    }

    /// Looks at a frame.
    pub(super) fn see(&mut self, frame: &Frame<'_>) -> Option<Loop> {
        if frame.event() == b"ping" {
            return None;
        }
        let event = Received::read(*frame).ok()?.event?;
        let Event::ContentBlockDelta { index, delta: Delta::Text(text) } = event else { return None };
        if self.block.replace(index) != Some(index) {
            self.repetition = Repetition::default();
        }
        self.repetition.push(&text)
    }
}
