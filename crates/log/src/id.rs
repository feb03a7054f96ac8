//! Names of streams: `strm_` and a UUID of version 7.

use std::{fmt, str::FromStr};

use thiserror::Error;
use uuid::{NoContext, Timestamp, Uuid};

use crate::Time;

const PREFIX: &str = "strm_";

/// The name of a stream, never reused: `strm_` and the 32 lower-case hexadecimal digits of a UUID of version 7.
///
/// It begins with the time at which it was made, so sorting by name is sorting by age.
///
/// ```
/// use perennial_log::StreamId;
///
/// let id = StreamId::new();
/// assert_eq!(id.to_string().parse::<StreamId>()?, id);
/// assert!("strm_ABC".parse::<StreamId>().is_err());
/// # Ok::<(), perennial_log::InvalidStreamId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(Uuid);

/// A text that is not the name of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a stream's name is `strm_` and 32 lower-case hexadecimal digits of a UUID of version 7")]
#[non_exhaustive]
pub struct InvalidStreamId;

impl StreamId {
    /// A new name, made of the present time and chance.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default that differs each time surprises")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// A new name as if made at `time`.
    #[must_use]
    pub fn at(time: Time) -> Self {
        let micros = time.as_micros();
        let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
        Self(Uuid::new_v7(Timestamp::from_unix(NoContext, micros / 1_000_000, nanos)))
    }

    /// When the name was made, to the millisecond.
    #[must_use]
    pub fn time(&self) -> Time {
        // The upper 48 bits are milliseconds since 1970.
        let millis = u64::try_from(self.0.as_u128() >> 80).unwrap_or(0);
        Time::from_micros(millis.saturating_mul(1_000))
    }

    /// Not above any name made at `time` or later; itself no name that anybody was given.
    pub(crate) fn lowest(time: Time) -> Self {
        Self(Uuid::from_u128(u128::from(time.as_micros() / 1_000) << 80))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The name in 16 bytes, if they are one.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let uuid = Uuid::from_bytes(bytes);
        (uuid.get_version_num() == 7).then_some(Self(uuid))
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0.simple())
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for StreamId {
    type Err = InvalidStreamId;

    // One stream has one name: capability URLs and maps are made from the text.
    fn from_str(text: &str) -> Result<Self, InvalidStreamId> {
        let digits = text.strip_prefix(PREFIX).ok_or(InvalidStreamId)?;
        if digits.len() != 32 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidStreamId);
        }
        let uuid = Uuid::try_parse(digits).map_err(|_| InvalidStreamId)?;
        Self::from_bytes(uuid.into_bytes()).ok_or(InvalidStreamId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_written_and_nothing_else_is() {
        let id = StreamId::new();
        let text = id.to_string();
        assert_eq!(text.len(), 37);
        assert_eq!(text.parse(), Ok(id));
        for wrong in [
            "",
            "strm_",
            &text[5..],
            &text.to_uppercase(),
            &text[..36],
            &format!("{text}0"),
            "strm_00000000000040008000000000000000", // version 4
            &format!("strm_{}", Uuid::now_v7()),     // hyphens
        ] {
            assert_eq!(wrong.parse::<StreamId>(), Err(InvalidStreamId), "{wrong}");
        }
    }

    #[test]
    fn a_name_knows_when_it_was_made() {
        let time = Time::from_micros(1_760_000_000_123_000);
        assert_eq!(StreamId::at(time).time(), time);
        assert!(StreamId::at(time) < StreamId::at(Time::from_micros(1_760_000_000_124_000)));
    }
}
