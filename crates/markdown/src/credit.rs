//! Credit: how much may be parsed, earned by the text that arrives.
//!
//! An open block is parsed anew whenever it grows. What that costs is paid from the credit, and what cannot be paid waits for
//! more text. So the work is at most so many times the text, whatever the text: there is no input that it does not hold for.

/// Had before anything arrived, and the most that is saved up for small blocks.
const SAVED: usize = 64 * 1024;

/// From about this length on an open block costs more than its bytes: what is open for very long is looked at ever more rarely.
const LONG: usize = 16 * 1024;

/// So many bytes are looked through in the time in which one is parsed.
const LOOKED_THROUGH: usize = 8;

#[derive(Debug)]
pub(crate) struct Credit {
    left: i64,
    /// Earned by a byte.
    each: usize,
    work: u64,
}

impl Credit {
    pub(crate) fn new(each: usize) -> Self {
        Self { left: signed(SAVED), each, work: 0 }
    }

    /// Counts on from where another one stands.
    pub(crate) fn go_on_counting(&mut self, other: &Self) {
        self.work += other.work;
    }

    /// So many bytes arrived, and so many are open.
    pub(crate) fn earn(&mut self, bytes: usize, open: usize) {
        let most = signed(SAVED).max(price(open).saturating_mul(2));
        let earned = signed(bytes.saturating_mul(self.each));
        self.left = self.left.saturating_add(earned).min(most);
    }

    pub(crate) fn affords(&self, bytes: usize) -> bool {
        self.left >= price(bytes)
    }

    /// So many bytes are parsed.
    pub(crate) fn parse(&mut self, bytes: usize) {
        self.work += bytes as u64;
        self.left = self.left.saturating_sub(price(bytes));
    }

    /// So many bytes are looked through.
    pub(crate) fn look(&mut self, bytes: usize) {
        self.parse(bytes / LOOKED_THROUGH);
    }

    /// Work of another kind, as long as parsing so many bytes.
    pub(crate) fn pay(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(signed(bytes));
    }

    /// All bytes parsed so far.
    pub(crate) fn work(&self) -> u64 {
        self.work
    }
}

fn price(bytes: usize) -> i64 {
    signed(bytes.saturating_mul(1 + bytes / LONG))
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
