//! A bucket that fills steadily: so many in a minute.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket of one minute's worth, full at first.
///
/// What is taken may be given back, or more of it taken, once it is known. A request for more than a whole bucket holds is let in when
/// the bucket is full, and leaves it in debt: else it could never be let in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// What is in it, in [`PARTS`]; below zero in debt.
    level: i128,
    per_minute: u64,
    at: Instant,
}

/// One token in parts: a minute has so many microseconds, so each of them fills a whole number of parts and nothing is lost to rounding.
const PARTS: i128 = 60_000_000;

impl Bucket {
    pub(super) fn new(per_minute: u64, now: Instant) -> Self {
        Self { level: i128::from(per_minute) * PARTS, per_minute, at: now }
    }

    /// Another limit from now on; what was taken stays taken.
    pub(super) fn set_limit(&mut self, per_minute: u64, now: Instant) {
        self.fill(now);
        self.level += (i128::from(per_minute) - i128::from(self.per_minute)) * PARTS;
        self.per_minute = per_minute;
    }

    /// How long to wait until so much can be taken; zero if it can be now.
    pub(super) fn wait_for(&mut self, amount: u64, now: Instant) -> Duration {
        self.fill(now);
        let wanted = i128::from(amount.min(self.per_minute)) * PARTS;
        let missing = wanted - self.level;
        if missing <= 0 {
            return Duration::ZERO;
        }
        // Rounded up: whoever comes back then is let in.
        let micros = missing / i128::from(self.per_minute) + 1;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    pub(super) fn take(&mut self, amount: u64, now: Instant) {
        self.fill(now);
        self.level -= i128::from(amount) * PARTS;
    }

    pub(super) fn give_back(&mut self, amount: u64, now: Instant) {
        self.fill(now);
        self.level = (self.level + i128::from(amount) * PARTS).min(self.full());
    }

    fn full(&self) -> i128 {
        i128::from(self.per_minute) * PARTS
    }

    fn fill(&mut self, now: Instant) {
        let micros = now.saturating_duration_since(self.at).as_micros();
        let Ok(micros) = u64::try_from(micros) else { return };
        self.level = (self.level + i128::from(micros) * i128::from(self.per_minute)).min(self.full());
        // What is left over of a microsecond stays for the next time.
        self.at += Duration::from_micros(micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fills_steadily_and_says_how_long_it_takes() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut bucket = Bucket::new(60, start);
        assert_eq!(bucket.wait_for(60, at(0.0)), Duration::ZERO);
        bucket.take(60, at(0.0));
        let wait = bucket.wait_for(3, at(0.0));
        assert!(wait > Duration::from_secs_f64(2.99) && wait < Duration::from_secs_f64(3.01), "{wait:?}");
        assert_eq!(bucket.wait_for(3, at(3.001)), Duration::ZERO);
        assert_ne!(bucket.wait_for(4, at(3.001)), Duration::ZERO);
        bucket.give_back(1000, at(3.001));
        assert_eq!(bucket.wait_for(60, at(3.001)), Duration::ZERO);
        assert_eq!(bucket.wait_for(61, at(3.001)), Duration::ZERO, "more than it holds: when it is full");
        bucket.take(120, at(3.001));
        assert!(bucket.wait_for(1, at(60.0)) > Duration::ZERO, "and then it is in debt");
        assert_eq!(bucket.wait_for(1, at(65.1)), Duration::ZERO);
    }

    #[test]
    fn time_in_small_pieces_is_not_lost() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1, start);
        bucket.take(1, start);
        for micro in 1..=60_000 {
            bucket.fill(start + Duration::from_micros(micro * 1000 + micro % 7));
        }
        assert_eq!(
            bucket.wait_for(1, start + Duration::from_secs(60) + Duration::from_millis(1)),
            Duration::ZERO
        );
    }

    #[test]
    fn another_limit_keeps_what_was_taken() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, start);
        bucket.take(8, start);
        bucket.set_limit(20, start);
        assert_eq!(bucket.wait_for(12, start), Duration::ZERO);
        assert_ne!(bucket.wait_for(13, start), Duration::ZERO);
    }
}
