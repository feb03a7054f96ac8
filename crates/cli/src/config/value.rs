//! A value as it is written: in TOML, or as text in the environment.

use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

/// A value, and what it may be relative to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a> {
    pub(crate) written: Written<'a>,
    /// Relative paths are from here.
    pub(crate) folder: &'a Path,
    /// The setting and where it is, for errors that come later.
    pub(crate) at: &'a str,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Written<'a> {
    Toml(&'a DeValue<'a>),
    Text(&'a str),
}

impl<'a> Value<'a> {
    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.written {
            Written::Toml(value) => value.as_str(),
            Written::Text(text) => Some(text.trim()),
        }
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        match self.written {
            Written::Toml(value) => value.as_bool(),
            Written::Text(text) => match text.trim() {
                "true" | "on" | "1" => Some(true),
                "false" | "off" | "0" => Some(false),
                _ => None,
            },
        }
    }

    pub(crate) fn whole(&self) -> Option<u64> {
        match self.written {
            Written::Toml(value) => {
                let value = value.as_integer()?;
                u64::from_str_radix(value.as_str(), value.radix()).ok()
            }
            Written::Text(text) => text.trim().parse().ok(),
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        let number: f64 = match self.written {
            Written::Toml(DeValue::Float(number)) => number.as_str().parse().ok()?,
            Written::Toml(value) => {
                let value = value.as_integer().filter(|value| value.radix() == 10)?;
                value.as_str().parse().ok()?
            }
            Written::Text(text) => text.trim().parse().ok()?,
        };
        number.is_finite().then_some(number)
    }

    /// `15s`, `500ms`, `10m`, `1h`, `30d`, or a number of seconds.
    pub(crate) fn span(&self) -> Option<Duration> {
        const UNITS: [(&str, f64); 5] =
            [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
        if let Some(seconds) = self.number() {
            return Duration::try_from_secs_f64(seconds).ok();
        }
        let text = self.text()?;
        let (number, unit) =
            UNITS.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
        let number = number.trim_end();
        // What Rust reads besides: signs, exponents, words.
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number: f64 = number.parse().ok().filter(|_| is_plain)?;
        Duration::try_from_secs_f64(number * unit).ok()
    }

    /// Several texts; with commas where it is text.
    pub(crate) fn texts(&self) -> Option<Vec<&'a str>> {
        match self.written {
            Written::Toml(value) => value.as_array()?.iter().map(|item| item.get_ref().as_str()).collect(),
            Written::Text(text) => {
                Some(text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_written() {
        let span = |text| Value { written: Written::Text(text), folder: Path::new(""), at: "" }.span();
        for (text, milliseconds) in [
            ("15s", 15_000),
            ("500ms", 500),
            ("1.5 s", 1_500),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("0", 0),
            ("0.25", 250),
        ] {
            assert_eq!(span(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for wrong in ["", "s", "-1", "-1s", "1 hour", "1e3s", "NaN", "infs", "99999999999999999999d", "1s1"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }
}
