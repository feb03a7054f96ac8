//! Money: what the simulator would have billed, and whether a ledger says the same.

use perennial_sim::{Billed, Entry};
use serde::Serialize;

/// Tokens over many attempts, by price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sums {
    /// Requests that were billed for anything.
    pub(crate) attempts: u64,
    pub(crate) input: u64,
    pub(crate) cache_write_5m: u64,
    pub(crate) cache_write_1h: u64,
    pub(crate) cache_read: u64,
    pub(crate) output: u64,
}

impl Sums {
    /// Adds what the journal says of one request.
    pub(crate) fn add(&mut self, entry: &Entry) {
        if entry.billed == Billed::default() {
            return;
        }
        self.attempts += 1;
        self.input += entry.billed.input_tokens;
        self.cache_write_5m += entry.billed.cache_creation_5m;
        self.cache_write_1h += entry.billed.cache_creation_1h;
        self.cache_read += entry.billed.cache_read;
        self.output += entry.billed.output_tokens;
    }
}

/// Whether a ledger adds up to what the journal says, to the token; what differs, in words.
pub(crate) fn difference(ledger: &Sums, journal: &Sums) -> Option<String> {
    let figures = [
        ("attempts", ledger.attempts, journal.attempts),
        ("input", ledger.input, journal.input),
        ("cache writes, 5 min", ledger.cache_write_5m, journal.cache_write_5m),
        ("cache writes, 1 h", ledger.cache_write_1h, journal.cache_write_1h),
        ("cache reads", ledger.cache_read, journal.cache_read),
        ("output", ledger.output, journal.output),
    ];
    let different = figures.iter().filter(|(_, ledger, journal)| ledger != journal);
    let words: Vec<String> =
        different.map(|(what, ledger, journal)| format!("{what}: {ledger} instead of {journal}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let journal = Sums { attempts: 2, input: 10, output: 7, ..Sums::default() };
        assert_eq!(difference(&journal, &journal), None);
        let ledger = Sums { output: 6, ..journal };
        assert_eq!(difference(&ledger, &journal).as_deref(), Some("output: 6 instead of 7"));
    }
}
