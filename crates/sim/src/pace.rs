//! How fast an answer comes: time to the first token, tokens per second, jitter, bursts, pings in silence.
//!
//! Every wait is computed from the seed and the tokens, never from the clock, so that two runs with one seed wait alike.

use std::str::FromStr;
use std::time::Duration;

use crate::span::Span;

/// The pace of an answer. [`Pace::default`] is that of a real model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pace {
    /// From the request to the first content; the headers and `message_start` come after about half of it.
    pub ttft: Duration,
    /// Output tokens per second; `None` is as fast as the socket takes them.
    pub tokens_per_second: Option<f64>,
    /// How far a single wait strays from its mean: 0 is a metronome, 1 is anything from nothing to twice.
    pub jitter: f64,
    /// Events that come together before the next wait, on average.
    pub burst: u32,
    /// A ping after so much silence; `None` never pings in silence.
    pub ping: Option<Duration>,
    /// Whether events that are due together may share a write.
    pub flush: Flush,
}

/// How events are handed to the socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// Events that are due at the same time share a write of at most 16 KB.
    #[default]
    Shared,
    /// One write for each event, however fast they come.
    Event,
}

/// What a header, a rule or a fault changes of the pace; `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PaceChange {
    /// The pace to start from, instead of the one in force.
    pub base: Option<Pace>,
    /// See [`Pace::ttft`].
    pub ttft: Option<Duration>,
    /// See [`Pace::tokens_per_second`].
    pub tokens_per_second: Option<f64>,
    /// See [`Pace::jitter`].
    pub jitter: Option<f64>,
    /// See [`Pace::burst`].
    pub burst: Option<u32>,
    /// See [`Pace::ping`].
    pub ping: Option<Option<Duration>>,
    /// See [`Pace::flush`].
    pub flush: Option<Flush>,
}

/// Not a pace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAPace(String);

/// The longest wait between two tokens that a pace may ask for.
const SLOWEST_TOKENS_PER_SECOND: f64 = 0.001;
const MOST_TOKENS_PER_SECOND: f64 = 1e6;

impl Default for Pace {
    fn default() -> Self {
        Self {
            ttft: Duration::from_millis(300),
            tokens_per_second: Some(70.0),
            jitter: 0.3,
            burst: 1,
            ping: Some(Duration::from_secs(30)),
            flush: Flush::Shared,
        }
    }
}

impl Pace {
    /// No waits at all: for tests and benchmarks.
    #[must_use]
    pub fn instant() -> Self {
        Self { ttft: Duration::ZERO, tokens_per_second: None, jitter: 0.0, ..Self::default() }
    }

    /// This pace with `change` made to it.
    #[must_use]
    pub fn with(&self, change: &PaceChange) -> Self {
        let base = change.base.as_ref().unwrap_or(self);
        Self {
            ttft: change.ttft.unwrap_or(base.ttft),
            tokens_per_second: change.tokens_per_second.or(base.tokens_per_second),
            jitter: change.jitter.unwrap_or(base.jitter),
            burst: change.burst.unwrap_or(base.burst),
            ping: change.ping.unwrap_or(base.ping),
            flush: change.flush.unwrap_or(base.flush),
        }
    }

    /// How long `tokens` take at this pace, without jitter.
    #[must_use]
    pub fn time_for(&self, tokens: u64) -> Duration {
        match self.tokens_per_second {
            #[expect(clippy::cast_precision_loss, reason = "an answer has far fewer tokens than 2^52")]
            Some(rate) => Duration::from_secs_f64(tokens as f64 / rate),
            None => Duration::ZERO,
        }
    }
}

impl FromStr for Pace {
    type Err = NotAPace;

    /// `real`, `instant`, or words of [`PaceChange::WORDS`] separated by commas that change the real pace.
    fn from_str(text: &str) -> Result<Self, NotAPace> {
        let mut change = PaceChange::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some((name, value)) => change.set(name, value)?,
                None => change.set("pace", word)?,
            }
        }
        Ok(Self::default().with(&change))
    }
}

impl PaceChange {
    /// Every word, with the values it takes and what it does.
    pub const WORDS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("pace", "real|instant", "a model's pace, or no waits at all"),
        ("ttft", "DURATION", "time to the first token"),
        ("tps", "NUMBER", "output tokens per second"),
        ("jitter", "0..1", "how far a wait strays from its mean"),
        ("burst", "N", "events that come together"),
        ("ping", "DURATION|never", "a ping after so much silence"),
        ("flush", "event|shared", "one write for each event, or for those that are due together"),
    ];

    /// Whether `name` is one of [`PaceChange::WORDS`].
    #[must_use]
    pub fn knows(name: &str) -> bool {
        Self::WORDS.iter().any(|(word, ..)| *word == name)
    }

    /// Takes one word.
    ///
    /// # Errors
    ///
    /// When the word is unknown or does not take the value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), NotAPace> {
        let wrong = || {
            let takes = Self::WORDS.iter().find(|(word, ..)| *word == name).map(|(_, values, _)| *values);
            NotAPace(match takes {
                Some(values) => format!("`{name}` does not take `{value}`; it takes {values}"),
                None => format!("`{name}` is no word of a pace"),
            })
        };
        let span =
            |text: &str| text.parse::<Span>().map(|span| span.0).map_err(|error| NotAPace(error.to_string()));
        let number = |range: std::ops::RangeInclusive<f64>| {
            value.parse::<f64>().ok().filter(|number| range.contains(number)).ok_or_else(wrong)
        };
        match (name, value) {
            ("pace", "real") => self.base = Some(Pace::default()),
            ("pace", "instant") => self.base = Some(Pace::instant()),
            ("ttft", _) => self.ttft = Some(span(value)?),
            ("tps", _) => {
                self.tokens_per_second = Some(number(SLOWEST_TOKENS_PER_SECOND..=MOST_TOKENS_PER_SECOND)?);
            }
            ("jitter", _) => self.jitter = Some(number(0.0..=1.0)?),
            ("burst", _) => {
                self.burst = Some(value.parse().ok().filter(|n| (1..=10_000).contains(n)).ok_or_else(wrong)?);
            }
            ("ping", "never") => self.ping = Some(None),
            ("ping", _) => self.ping = Some(Some(span(value)?).filter(|span| !span.is_zero())),
            ("flush", "event") => self.flush = Some(Flush::Event),
            ("flush", "shared") => self.flush = Some(Flush::Shared),
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

/// The waits of one answer, event by event.
#[derive(Debug)]
pub(crate) struct Metronome {
    pace: Pace,
    rng: fastrand::Rng,
    /// Waits of events that came early, as part of a burst.
    owed: Duration,
    left_in_burst: u32,
    started: bool,
}

impl Metronome {
    pub(crate) fn new(pace: Pace, seed: u64) -> Self {
        Self {
            pace,
            rng: fastrand::Rng::with_seed(seed),
            owed: Duration::ZERO,
            left_in_burst: 0,
            started: false,
        }
    }

    /// From the request to the headers and `message_start`.
    pub(crate) fn before_headers(&mut self) -> Duration {
        let ttft = self.pace.ttft;
        self.strayed(ttft / 2)
    }

    /// Before an event that `tokens` had to be generated for. The first of them waits for the rest of the first-token time.
    pub(crate) fn before(&mut self, tokens: u64) -> Duration {
        if tokens == 0 {
            return Duration::ZERO;
        }
        let mut wait = self.pace.time_for(tokens);
        if !self.started {
            self.started = true;
            wait = wait.max(self.pace.ttft / 2);
        }
        let wait = self.strayed(wait);
        self.owed += wait;
        if self.left_in_burst > 0 {
            self.left_in_burst -= 1;
            return Duration::ZERO;
        }
        if self.pace.burst > 1 {
            self.left_in_burst = self.rng.u32(0..self.pace.burst * 2 - 1);
        }
        std::mem::take(&mut self.owed)
    }

    fn strayed(&mut self, mean: Duration) -> Duration {
        if mean.is_zero() || self.pace.jitter == 0.0 {
            return mean;
        }
        mean.mul_f64(1.0 + self.pace.jitter * (2.0 * self.rng.f64() - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_change_the_pace() {
        let pace: Pace = "instant,tps=20,ttft=1.5s,jitter=0.5,burst=4,ping=2s,flush=event".parse().unwrap();
        assert_eq!(pace.tokens_per_second, Some(20.0));
        assert_eq!((pace.ttft, pace.burst, pace.flush), (Duration::from_millis(1500), 4, Flush::Event));
        assert_eq!(pace.ping, Some(Duration::from_secs(2)));
        assert_eq!("instant".parse(), Ok(Pace::instant()));
        assert_eq!("".parse(), Ok(Pace::default()));
    }

    #[test]
    fn wrong_words_say_what_would_be_right() {
        for (text, part) in [
            ("fast", "`pace` does not take `fast`; it takes real|instant"),
            ("tps=0", "it takes NUMBER"),
            ("jitter=2", "it takes 0..1"),
            ("speed=1", "no word of a pace"),
            ("ttft=5", "not a duration"),
        ] {
            let message = text.parse::<Pace>().unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn waits_follow_from_the_seed_and_keep_the_mean() {
        let waits = |seed: u64, burst: u32| -> Vec<Duration> {
            let pace = Pace { burst, ..Pace::default() };
            let mut metronome = Metronome::new(pace, seed);
            (0..2_000).map(|_| metronome.before(3)).collect()
        };
        assert_eq!(waits(7, 1), waits(7, 1));
        assert_ne!(waits(7, 1), waits(8, 1));
        for burst in [1, 8] {
            let total: Duration = waits(7, burst).iter().sum();
            let rate = 6_000.0 / total.as_secs_f64();
            assert!((65.0..75.0).contains(&rate), "{rate} tokens per second with bursts of {burst}");
        }
    }
}
