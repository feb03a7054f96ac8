//! Where a reader is: sequence number and epoch, as every face writes them.

use std::{fmt, num::NonZero, str::FromStr};

use thiserror::Error;

/// The number of a record in its stream: 1, 2, 3, ... without a gap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(NonZero<u64>);

/// The term of a stream's writer: 1, and one more at each takeover.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(NonZero<u32>);

/// A record's place in its stream, with the epoch in which it was written: `42.3` is record 42 of epoch 3.
///
/// The epoch is what tells two histories apart after a store lost its tail: the same number, written again, has a later epoch.
///
/// ```
/// use perennial_log::Position;
///
/// let position: Position = "42.3".parse()?;
/// assert_eq!((position.seq.get(), position.epoch.get()), (42, 3));
/// assert_eq!(position.to_string(), "42.3");
/// # Ok::<(), perennial_log::InvalidPosition>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The record's number.
    pub seq: Seq,
    /// The epoch in which it was written.
    pub epoch: Epoch,
}

/// What a reader has already: nothing, a number of records, or everything up to a position.
///
/// Read from `0`, `42` or `42.3`. Only the last form lets the log notice that the reader knows another history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// Nothing: read from the beginning.
    #[default]
    Start,
    /// So many records, of whatever history.
    Seq(Seq),
    /// Everything up to this record, written in this epoch.
    Position(Position),
}

/// A text that is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a position is `SEQ.EPOCH`, for example `42.3`; `42` and `0` are understood where a stream is resumed"
)]
#[non_exhaustive]
pub struct InvalidPosition;

impl Seq {
    /// The first record's number.
    pub const FIRST: Self = Self(NonZero::<u64>::MIN);

    /// The largest number.
    pub(crate) const LAST: Self = Self(NonZero::<u64>::MAX);

    /// The number `seq`, unless it is 0.
    #[must_use]
    pub const fn new(seq: u64) -> Option<Self> {
        match NonZero::new(seq) {
            Some(seq) => Some(Self(seq)),
            None => None,
        }
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The number `count` records on.
    #[must_use]
    pub fn plus(self, count: usize) -> Self {
        Self(self.0.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)))
    }

    /// The number before this one, if there is one.
    #[must_use]
    pub fn before(self) -> Option<Self> {
        Self::new(self.get() - 1)
    }
}

impl Epoch {
    /// The first writer's term.
    pub const FIRST: Self = Self(NonZero::<u32>::MIN);

    /// The epoch `epoch`, unless it is 0.
    #[must_use]
    pub const fn new(epoch: u32) -> Option<Self> {
        match NonZero::new(epoch) {
            Some(epoch) => Some(Self(epoch)),
            None => None,
        }
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The term after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl After {
    /// The first record that the reader does not have.
    #[must_use]
    pub fn next(self) -> Seq {
        match self {
            Self::Start => Seq::FIRST,
            Self::Seq(seq) | Self::Position(Position { seq, .. }) => seq.plus(1),
        }
    }
}

impl From<Position> for After {
    fn from(position: Position) -> Self {
        Self::Position(position)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (seq, epoch) = text.split_once('.').ok_or(InvalidPosition)?;
        let seq = Seq::new(number(seq)?).ok_or(InvalidPosition)?;
        let epoch = u32::try_from(number(epoch)?).ok().and_then(Epoch::new).ok_or(InvalidPosition)?;
        Ok(Self { seq, epoch })
    }
}

impl FromStr for After {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        if text.contains('.') {
            return text.parse().map(Self::Position);
        }
        Ok(Seq::new(number(text)?).map_or(Self::Start, Self::Seq))
    }
}

/// Digits as we write them ourselves: no sign, no leading zero, so that a position has one text.
fn number(text: &str) -> Result<u64, InvalidPosition> {
    let plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    if plain { text.parse().map_err(|_| InvalidPosition) } else { Err(InvalidPosition) }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.seq, self.epoch)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_written() {
        for text in ["1.1", "42.3", "18446744073709551615.4294967295"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            ".",
            "1",
            "1.",
            ".1",
            "0.1",
            "1.0",
            "01.1",
            "1.01",
            "+1.1",
            "1.1.1",
            " 1.1",
            "1.4294967296",
            "x.1",
        ] {
            assert_eq!(wrong.parse::<Position>(), Err(InvalidPosition), "{wrong}");
        }
    }

    #[test]
    fn a_resuming_reader_may_say_less() {
        let seq = Seq::new(42).unwrap();
        let check = |text: &str, after: After, next: u64| {
            assert_eq!(text.parse(), Ok(after), "{text}");
            assert_eq!(after.next().get(), next, "{text}");
        };
        check("0", After::Start, 1);
        check("42", After::Seq(seq), 43);
        check("42.3", After::Position(Position { seq, epoch: Epoch::new(3).unwrap() }), 43);
        for wrong in ["", "-1", "00", "0.0", "4 2", "99999999999999999999"] {
            assert_eq!(wrong.parse::<After>(), Err(InvalidPosition), "{wrong}");
        }
    }
}
