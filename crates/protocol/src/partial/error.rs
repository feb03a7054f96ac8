//! Why a text is not JSON, and where.

use std::fmt;

use super::MaxDepth;

/// The place where the text stopped being JSON, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialError {
    offset: usize,
    fault: Fault,
}

/// What sort of error a [`PartialError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartialErrorKind {
    /// A byte that cannot stand where it stands.
    Syntax,
    /// Well-formed so far, but nested deeper than [`MaxDepth`].
    Depth,
    /// A number beyond the range of a 64-bit float.
    Number,
    /// The text ended before the value did; only [`finish`](super::PartialJson::finish) says so.
    Truncated,
}

/// What exactly went wrong; the words are in `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Unexpected { found: char, wanted: &'static str },
    Deep(MaxDepth),
    Huge,
    Truncated,
}

impl PartialError {
    pub(super) fn new(offset: usize, fault: Fault) -> Self {
        Self { offset, fault }
    }

    /// Position in bytes from the start of the first fragment: of the byte that cannot be accepted, of the first byte
    /// of a number that is out of range, or of the end of a truncated text.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What sort of error this is.
    pub fn kind(&self) -> PartialErrorKind {
        match self.fault {
            Fault::Unexpected { .. } => PartialErrorKind::Syntax,
            Fault::Deep(_) => PartialErrorKind::Depth,
            Fault::Huge => PartialErrorKind::Number,
            Fault::Truncated => PartialErrorKind::Truncated,
        }
    }
}

impl fmt::Display for PartialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.offset;
        match &self.fault {
            Fault::Unexpected { found, wanted } => {
                write!(f, "found {found:?} at byte {at}, expected {wanted}")
            }
            Fault::Deep(limit) => write!(f, "more than {} levels of nesting at byte {at}", limit.levels()),
            Fault::Huge => write!(f, "the number at byte {at} is out of range"),
            Fault::Truncated => write!(f, "the text ends at byte {at}, before the value is complete"),
        }
    }
}

impl std::error::Error for PartialError {}
