//! A clock that is set back often and rings rarely.
//!
//! Setting back is one store; the timer itself is moved only when it rings too early, once in its whole span and not once for each
//! read.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

#[derive(Debug)]
pub(crate) struct Clock {
    span: Duration,
    since: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Clock {
    pub(crate) fn new(span: Duration) -> Self {
        let since = Instant::now();
        Self { span, since, sleep: Box::pin(tokio::time::sleep_until(since + span)) }
    }

    /// Starts it anew, now.
    pub(crate) fn set_back(&mut self) -> Instant {
        let now = Instant::now();
        self.set_back_to(now);
        now
    }

    /// Starts it anew at a time that is known already.
    pub(crate) fn set_back_to(&mut self, since: Instant) {
        self.since = since;
    }

    /// Ready when its span has gone by since it was set back; stays so until it is set back.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let due = self.since + self.span;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}
