//! Durations as people write them in headers and files: `250us`, `300ms`, `1.5s`, `2m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration with a text form; the longest is a day, so that a typing error cannot overflow a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration; write for example 250us, 300ms, 1.5s or 2m, at most 24 hours")]
pub struct NotASpan(String);

const LONGEST_SECONDS: f64 = 86_400.0;

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let wrong = || NotASpan(text.to_owned());
        let at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let unit = match &text[at..] {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            _ => return Err(wrong()),
        };
        let number: f64 = text[..at].parse().map_err(|_| wrong())?;
        let seconds = number * unit;
        if !(0.0..=LONGEST_SECONDS).contains(&seconds) {
            return Err(wrong());
        }
        // Microseconds are what the text can say; what is finer is rounding.
        let duration = Duration::from_secs_f64(seconds);
        let micros = (duration.as_nanos() + 500) / 1_000;
        Ok(Self(Duration::from_micros(u64::try_from(micros).map_err(|_| wrong())?)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        if micros.is_multiple_of(1_000_000) {
            write!(f, "{}s", micros / 1_000_000)
        } else if micros.is_multiple_of(1_000) {
            write!(f, "{}ms", micros / 1_000)
        } else {
            write!(f, "{micros}us")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_write_them() {
        for (text, micros, shown) in [
            ("300ms", 300_000, "300ms"),
            ("1.5s", 1_500_000, "1500ms"),
            ("2m", 120_000_000, "120s"),
            ("250us", 250, "250us"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.0, Duration::from_micros(micros), "{text}");
            assert_eq!(span.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "5", "s", "-1s", "1h", "1.5", "nan s", "infs", "1e9s", "25000m"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
