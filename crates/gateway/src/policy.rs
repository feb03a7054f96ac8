//! What becomes of a stream when its last reader is gone.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::limits::Limits;

/// What becomes of a stream when its last reader is gone. Read from `cancel`, `grace=30` (seconds) or `detach`.
///
/// ```
/// use std::time::Duration;
/// use perennial_gateway::OnDisconnect;
///
/// let policy: OnDisconnect = "grace=30".parse()?;
/// assert_eq!(policy, OnDisconnect::Grace(Duration::from_secs(30)));
/// # Ok::<(), perennial_gateway::InvalidPolicy>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It is stopped at once.
    #[default]
    Cancel,
    /// It goes on, and is stopped if nobody reads it for so long.
    Grace(Duration),
    /// It goes on to its end, within [`MaxUnread`](crate::MaxUnread).
    Detach,
}

/// A text that is not a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`cancel`, `grace=SECONDS` (a whole number) or `detach`")]
#[non_exhaustive]
pub struct InvalidPolicy;

impl OnDisconnect {
    /// How long a stream goes on that nobody reads.
    pub(crate) fn patience(self, limits: &Limits) -> Duration {
        match self {
            Self::Cancel => Duration::ZERO,
            Self::Grace(span) => span.min(limits.unread.0),
            Self::Detach => limits.unread.0,
        }
    }

    /// Whether the answer is wanted even though nobody reads it at the moment.
    pub(crate) fn outlives_readers(self) -> bool {
        self != Self::Cancel
    }
}

impl FromStr for OnDisconnect {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        match text.trim() {
            "cancel" => Ok(Self::Cancel),
            "detach" => Ok(Self::Detach),
            other => {
                let seconds = other.strip_prefix("grace=").ok_or(InvalidPolicy)?;
                let seconds = seconds.parse().map_err(|_| InvalidPolicy)?;
                Ok(Self::Grace(Duration::from_secs(seconds)))
            }
        }
    }
}

impl fmt::Display for OnDisconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancel => f.write_str("cancel"),
            Self::Grace(span) => write!(f, "grace={}", span.as_secs()),
            Self::Detach => f.write_str("detach"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_written() {
        for text in ["cancel", "grace=0", "grace=30", "detach"] {
            assert_eq!(text.parse::<OnDisconnect>().unwrap().to_string(), text);
        }
        for wrong in ["", "grace", "grace=", "grace=1.5", "grace=-1", "keep"] {
            assert_eq!(wrong.parse::<OnDisconnect>(), Err(InvalidPolicy), "{wrong}");
        }
    }
}
