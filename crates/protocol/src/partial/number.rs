//! The grammar of a JSON number, a byte at a time.

use serde_json::Value;

/// Where in a number the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digits {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    /// After the `e`.
    Exponent,
    /// After the sign of the exponent.
    Sign,
    /// In the digits of the exponent.
    Power,
}

/// What a byte means to a number.
pub(super) enum Step {
    Part(Digits),
    /// The number was complete before this byte.
    End,
    Bad,
}

impl Digits {
    /// The state after a number's first byte, if `byte` can be one.
    pub(super) fn start(byte: u8) -> Option<Self> {
        match byte {
            b'-' => Some(Self::Minus),
            b'0' => Some(Self::Zero),
            b'1'..=b'9' => Some(Self::Whole),
            _ => None,
        }
    }

    pub(super) fn step(self, byte: u8) -> Step {
        use Digits::{Exponent, Fraction, Minus, Point, Power, Sign, Whole, Zero};
        let next = match (self, byte) {
            (Minus, b'0') => Zero,
            (Minus, b'1'..=b'9') | (Whole, b'0'..=b'9') => Whole,
            (Zero | Whole, b'.') => Point,
            (Zero | Whole | Fraction, b'e' | b'E') => Exponent,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Exponent, b'+' | b'-') => Sign,
            (Exponent | Sign | Power, b'0'..=b'9') => Power,
            (Zero, b'0'..=b'9') => return Step::Bad,
            _ if self.may_end() => return Step::End,
            _ => return Step::Bad,
        };
        Step::Part(next)
    }

    /// True where the digits so far are a number by themselves.
    pub(super) fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Power)
    }

    /// What is missing or not allowed, for the error.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Self::Zero => "no digit after a leading zero",
            Self::Exponent => "a sign or a digit of the exponent",
            _ => "a digit",
        }
    }
}

/// The value of a number that keeps the grammar; `None` if it is out of range.
pub(super) fn value(digits: &str) -> Option<Value> {
    // Whole numbers are nearly all there are. "-0" is a float to serde_json, so signs take the long way.
    if let Ok(whole) = digits.parse::<u64>() {
        return Some(whole.into());
    }
    serde_json::from_str(digits).ok()
}
