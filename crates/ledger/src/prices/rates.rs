//! What one token of each kind costs.

use crate::money::Pico;
use crate::tokens::Tokens;

/// What one token of each kind costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) input: Pico,
    pub(super) cache_write_5m: Pico,
    pub(super) cache_write_1h: Pico,
    pub(super) cache_read: Pico,
    pub(super) output: Pico,
}

impl Rates {
    pub(super) fn of(&self, tokens: &Tokens) -> Pico {
        Pico::from(tokens.input) * self.input
            + Pico::from(tokens.cache_write_5m) * self.cache_write_5m
            + Pico::from(tokens.cache_write_1h) * self.cache_write_1h
            + Pico::from(tokens.cache_read) * self.cache_read
            + Pico::from(tokens.output) * self.output
    }

    pub(super) fn each(&self) -> [Pico; 5] {
        [self.input, self.cache_write_5m, self.cache_write_1h, self.cache_read, self.output]
    }
}
