//! Partial tool input: JSON that is still arriving, readable at every delta.
//!
//! Parsing the whole buffer again at each `input_json_delta` costs the square of the input. [`PartialJson`] reads each
//! byte once and keeps a live tree instead, so that looking at the value so far costs nothing, whatever has arrived.
//! It decides nothing: what a tool is executed with is parsed from the complete text at the block's stop. It repairs
//! nothing either: the first byte that cannot be JSON ends the reading, with the value as it was.

mod error;
mod growth;
mod number;
mod scanner;
mod string;
mod trail;
mod tree;

#[cfg(test)]
mod tests;

pub use error::{PartialError, PartialErrorKind};
pub use growth::{Change, Changes, Growth, JsonKind};
pub use scanner::PartialJson;
pub use trail::{JsonPath, Segment};

/// How many arrays and objects may be open inside each other.
///
/// The default is 127, where `serde_json` stops too. The type ends at 255 because dropping, comparing and printing a
/// [`serde_json::Value`] recurse: a deeper limit would only move the failure to where nobody can handle it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxDepth(u8);

impl MaxDepth {
    /// At most `levels` open containers; with 0, only strings, numbers and literals are accepted.
    pub const fn new(levels: u8) -> Self {
        Self(levels)
    }

    /// The limit in levels.
    pub const fn levels(self) -> u8 {
        self.0
    }
}

impl Default for MaxDepth {
    fn default() -> Self {
        Self(127)
    }
}

/// Tells the tests how much work is done, in bytes or steps, because a clock could not prove linear time.
#[cfg(not(test))]
fn spend(_steps: usize) {}
#[cfg(test)]
use tests::spend;
