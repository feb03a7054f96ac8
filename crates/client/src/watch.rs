//! The watch over one attempt's body: three clocks that run only while the reader waits for the service.
//!
//! The hot loop must not pay for them. So the time is asked for once per wait and not per event, and the one timer is not
//! moved when something arrives: it is looked at when it goes off, and set anew then.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::{Clock, Deadlines};

/// Far enough for never, near enough for a timer.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// A clock that is looked at so long after its time was not looked at in time: this process was paused, or had no turn. What
/// came meanwhile is given so long to be read.
const LATE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Watch {
    deadlines: Deadlines,
    total_at: Option<Instant>,
    /// Until the first byte came.
    first_byte_at: Option<Instant>,
    waiting_since: Option<Instant>,
    /// Time waited without a byte.
    silent: Duration,
    /// Time waited without content.
    idle: Duration,
    byte_came: bool,
    content_came: bool,
    alarm: Pin<Box<Sleep>>,
}

impl Watch {
    pub(crate) fn new(
        deadlines: Deadlines,
        first_byte_at: Option<Instant>,
        total_at: Option<Instant>,
    ) -> Self {
        let far = Instant::now() + NEVER;
        let first = [first_byte_at, total_at].into_iter().flatten().fold(far, Instant::min);
        Self {
            deadlines,
            total_at,
            first_byte_at: first_byte_at.or(Some(far)),
            waiting_since: None,
            silent: Duration::ZERO,
            idle: Duration::ZERO,
            byte_came: false,
            content_came: false,
            alarm: Box::pin(sleep_until(first)),
        }
    }

    /// Bytes came, whatever they say.
    pub(crate) fn byte(&mut self) {
        self.byte_came = true;
    }

    /// Content came.
    pub(crate) fn content(&mut self) {
        self.content_came = true;
    }

    /// From here on a shorter silence will do.
    pub(crate) fn hurry(&mut self, silence: Duration) {
        self.deadlines.silence = self.deadlines.silence.min(silence);
    }

    /// The reader goes away with something: until he comes back, no clock but the total runs.
    pub(crate) fn pause(&mut self) {
        if self.waiting_since.is_some() {
            self.account(Instant::now());
            self.waiting_since = None;
        }
    }

    /// Nothing is there. Ready with the clock whose time is up.
    pub(crate) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Clock> {
        loop {
            let now = Instant::now();
            self.account(now);
            self.waiting_since = Some(now);
            let (due, clock) = self.due(now);
            if due <= now {
                if !self.forgive(clock, now) {
                    return Poll::Ready(clock);
                }
                continue;
            }
            if due < self.alarm.deadline() || self.alarm.is_elapsed() {
                self.alarm.as_mut().reset(due);
            }
            ready!(self.alarm.as_mut().poll(cx));
        }
    }

    /// Puts a clock back that was not looked at in time, for as long as it takes to read what came. The total counts whatever happens.
    fn forgive(&mut self, clock: Clock, now: Instant) -> bool {
        let (gone, limit) = match clock {
            Clock::FirstByte => {
                let late = self.first_byte_at.is_some_and(|at| now.saturating_duration_since(at) >= LATE);
                if late {
                    self.first_byte_at = Some(now + LATE);
                }
                return late;
            }
            Clock::Silence => (&mut self.silent, self.deadlines.silence),
            Clock::Progress => (&mut self.idle, self.deadlines.progress),
            Clock::Connect | Clock::Total => return false,
        };
        let late = gone.saturating_sub(limit) >= LATE;
        if late {
            *gone = limit.saturating_sub(LATE);
        }
        late
    }

    fn account(&mut self, now: Instant) {
        let waited = self.waiting_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.silent += waited;
        self.idle += waited;
        // What came ended the wait, so the time before it is over.
        if std::mem::take(&mut self.byte_came) {
            self.first_byte_at = None;
            self.silent = Duration::ZERO;
        }
        if std::mem::take(&mut self.content_came) {
            self.idle = Duration::ZERO;
        }
    }

    fn due(&self, now: Instant) -> (Instant, Clock) {
        let after = |limit: Duration, gone: Duration| now + limit.saturating_sub(gone).min(NEVER);
        let first = match self.first_byte_at {
            Some(at) => (at, Clock::FirstByte),
            None => {
                let silence = (after(self.deadlines.silence, self.silent), Clock::Silence);
                let progress = (after(self.deadlines.progress, self.idle), Clock::Progress);
                if progress.0 < silence.0 { progress } else { silence }
            }
        };
        match self.total_at {
            Some(total) if total < first.0 => (total, Clock::Total),
            _ => first,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_this_process_is_not_the_services_silence() {
        let mut watch = Watch::new(Deadlines::default(), None, None);
        watch.byte();
        watch.content();
        let pending =
            async |watch: &mut Watch| poll_fn(|cx| Poll::Ready(watch.poll_wait(cx).is_pending())).await;
        watch.first_byte_at = None;
        assert!(pending(&mut watch).await);
        // As if the process had been stopped: nobody looked for an hour.
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(pending(&mut watch).await, "what came meanwhile can still be read");
        watch.byte();
        watch.content();
        assert!(pending(&mut watch).await);
        // A silence of the service is noticed in time.
        let began = Instant::now();
        assert_eq!(poll_fn(|cx| watch.poll_wait(cx)).await, Clock::Silence);
        assert_eq!(began.elapsed().as_secs(), 60);
    }
}
