//! Positions: how far a reader of a gateway's stream is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;

/// A place in a stream of the gateway: the number of a record and the epoch that it was written in, as `42.1`.
///
/// Keep it as text (or with serde) to go on after a restart; see [`MessageStream::after`](crate::MessageStream::after).
///
/// ```
/// let position: perennial::Position = "42.1".parse()?;
/// assert_eq!((position.seq(), position.epoch()), (42, Some(1)));
/// assert_eq!(position.to_string(), "42.1");
/// # Ok::<(), perennial::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Position {
    seq: u64,
    epoch: Option<u64>,
}

impl Position {
    /// Before the first record.
    pub const START: Self = Self { seq: 0, epoch: None };

    /// The number of the record: 1 for the first, 0 for none.
    #[must_use]
    pub fn seq(self) -> u64 {
        self.seq
    }

    /// The term of the writer, which rises when a writer takes over; `None` where it was not said.
    #[must_use]
    pub fn epoch(self) -> Option<u64> {
        self.epoch
    }

    /// Whether a log that has `other` may have this record as well, as far as epochs tell.
    pub(crate) fn is_of(self, other: Self) -> bool {
        self.epoch.is_none() || other.epoch.is_none() || self.epoch == other.epoch
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epoch {
            Some(epoch) => write!(f, "{}.{epoch}", self.seq),
            None => write!(f, "{}", self.seq),
        }
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::request(format!("`{}` is no position; one is like 42.1", text.escape_debug()));
        let number = |digits: &str| {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse().ok()).flatten().ok_or_else(wrong)
        };
        Ok(match text.split_once('.') {
            Some((seq, epoch)) => Self { seq: number(seq)?, epoch: Some(number(epoch)?) },
            None => Self { seq: number(text)?, epoch: None },
        })
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_text() {
        for text in ["0", "42", "42.1", "18446744073709551615.7"] {
            let position: Position = text.parse().unwrap();
            assert_eq!(position.to_string(), text);
            let json = serde_json::to_string(&position).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
        }
        for wrong in ["", ".", "1.", ".1", "+1", "1.2.3", "1,2", " 1", "-1", "18446744073709551616"] {
            assert!(wrong.parse::<Position>().is_err(), "{wrong}");
        }
    }
}
