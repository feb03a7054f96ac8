//! Times as people give them: a span such as `7d`, a UTC day, or a moment.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A day or a moment, or a span whose direction the command knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Timestamp),
    Span(Duration),
}

impl Moment {
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Span(span) => now.checked_sub(span).unwrap_or(Timestamp::MIN),
        }
    }

    pub(crate) fn after(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Span(span) => now.checked_add(span).unwrap_or(Timestamp::MAX),
        }
    }
}

/// `90s`, `30m`, `12h`, `7d` or `4w`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "a span such as 30m, 12h, 7d or 4w".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// A [`span`], `2026-11-25` (from its beginning in UTC) or `2026-11-25T08:00:00Z`.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(span) = span(text) {
        return Ok(Moment::Span(span));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(Moment::At(time));
    }
    let day = text.parse::<Date>().ok().and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    day.map(|day| Moment::At(day.timestamp()))
        .ok_or_else(|| "a span such as 7d, a UTC day such as 2026-11-25, or 2026-11-25T08:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_give_them() {
        let at = |text: &str| Ok(Moment::At(text.parse().unwrap()));
        let seconds = |seconds| Ok(Moment::Span(Duration::from_secs(seconds)));
        for (text, read) in [
            ("90s", seconds(90)),
            ("7d", seconds(7 * 86_400)),
            ("4w", seconds(28 * 86_400)),
            ("2026-11-25", at("2026-11-25T00:00:00Z")),
            ("2026-11-25T08:00:00+01:00", at("2026-11-25T07:00:00Z")),
        ] {
            assert_eq!(moment(text), read, "{text}");
        }
        for wrong in ["", "7", "d", "-1d", "7 d", "é", "soon", "2026-13-01", "99999999999d"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
