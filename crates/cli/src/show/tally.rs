//! Times of one answer: how long it let wait, how fast it came, where it paused.

use std::time::Duration;

use tokio::time::Instant;

use super::strip::{Kind, PAUSE, Strip};

#[derive(Debug)]
pub(crate) struct Tally {
    asked: Instant,
    first: Option<Duration>,
    first_text: Option<Duration>,
    last: Option<Duration>,
    /// The longest pause between two pieces: when it began, and how long it was.
    pause: Option<(Duration, Duration)>,
    ended: Option<Duration>,
    strip: Strip,
}

impl Tally {
    /// Begins now.
    pub(crate) fn new() -> Self {
        Self {
            asked: Instant::now(),
            first: None,
            first_text: None,
            last: None,
            pause: None,
            ended: None,
            strip: Strip::default(),
        }
    }

    /// A piece of content came.
    pub(crate) fn came(&mut self, kind: Kind, bytes: usize) {
        let at = self.asked.elapsed();
        self.first.get_or_insert(at);
        if kind == Kind::Text {
            self.first_text.get_or_insert(at);
        }
        self.paused(at);
        self.last = Some(at);
        self.strip.came(at, kind, bytes);
    }

    /// The answer is over; time that passes after it is nobody's.
    pub(crate) fn end(&mut self) {
        if self.ended.is_none() {
            let at = self.asked.elapsed();
            self.paused(at);
            self.ended = Some(at);
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.ended.unwrap_or_else(|| self.asked.elapsed())
    }

    /// How long ago the last piece came.
    pub(crate) fn silent(&self) -> Duration {
        self.asked.elapsed().saturating_sub(self.last.unwrap_or_default())
    }

    pub(crate) fn first(&self) -> Option<Duration> {
        self.first
    }

    pub(crate) fn first_text(&self) -> Option<Duration> {
        self.first_text
    }

    /// The longest pause, if there was one: after how long, and how long.
    pub(crate) fn pause(&self) -> Option<(Duration, Duration)> {
        self.pause
    }

    /// How many of so many tokens came in a second, from the first piece to the last.
    pub(crate) fn speed(&self, tokens: u64) -> Option<f64> {
        let span = self.last?.saturating_sub(self.first?).as_secs_f64();
        let tokens = u32::try_from(tokens).ok()?;
        // Of one piece nothing can be said.
        (span > 0.01 && tokens > 1).then(|| f64::from(tokens) / span)
    }

    pub(crate) fn strip(&self) -> &Strip {
        &self.strip
    }

    fn paused(&mut self, now: Duration) {
        let Some(last) = self.last else { return };
        let silence = now.saturating_sub(last);
        if silence >= PAUSE && self.pause.is_none_or(|(_, longest)| silence > longest) {
            self.pause = Some((last, silence));
        }
    }
}
