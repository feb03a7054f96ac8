//! Settings: what a renderer is told when it begins.

use crate::Links;

/// How a [`Renderer`](crate::Renderer) works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Which links lead somewhere.
    pub links: Links,
    /// An open block up to this many bytes is parsed anew as a whole; a longer one is cut deep inside, where it can be.
    pub enough: usize,
    /// How many bytes may be parsed for each byte that arrives, in the long run. What cannot be paid for waits.
    pub work: usize,
    /// Whether the tokens of code are told apart where the language is known.
    #[cfg(feature = "highlight")]
    pub highlight: bool,
}

impl Settings {
    #[cfg(feature = "highlight")]
    pub(crate) fn highlights(&self) -> bool {
        self.highlight
    }

    #[cfg(not(feature = "highlight"))]
    pub(crate) fn highlights(&self) -> bool {
        false
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            links: Links::default(),
            enough: 512,
            work: 128,
            #[cfg(feature = "highlight")]
            highlight: true,
        }
    }
}
