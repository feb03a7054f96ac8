//! A body of frames that are here already, each after its pause.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep};

/// Frames with the pause before each.
#[derive(Debug)]
pub(crate) struct KeptBody {
    frames: VecDeque<(Duration, Bytes)>,
    pause: Option<Pin<Box<Sleep>>>,
    /// When the one before was due: pauses add up to the time that the whole took.
    due: Option<Instant>,
}

impl KeptBody {
    pub(super) fn new(frames: Vec<(Duration, Bytes)>) -> Self {
        Self { frames: frames.into(), pause: None, due: None }
    }

    /// Frames that are there already.
    pub(crate) fn at_once(frames: Vec<Bytes>) -> Self {
        Self::new(frames.into_iter().map(|frame| (Duration::ZERO, frame)).collect())
    }

    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some((gap, _)) = self.frames.front() else { return Poll::Ready(None) };
        let due = self.due.unwrap_or_else(Instant::now) + *gap;
        if due > Instant::now() {
            let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            ready!(pause.as_mut().poll(cx));
        }
        (self.pause, self.due) = (None, Some(due));
        Poll::Ready(self.frames.pop_front().map(|(_, frame)| frame))
    }
}
