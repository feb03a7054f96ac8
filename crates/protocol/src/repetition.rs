//! Repetition: finds out while it streams that a text has begun to go round in circles.
//!
//! Exact: a loop is a unit of bytes that comes again and again without a difference, found by comparing bytes, so that no collision of hashes and no
//! likeness can raise an alarm. What varies while it circles is none of its business. The work is linear for any text, the memory bounded.
//!
//! How: every [`STRIDE`] bytes it asks whether the last [`WINDOW`] bytes stood in the text a little earlier. In a text that goes on they did not, and one
//! search is all that it costs. If they did, the periods of the end of the text are worked out, all at once, and those that have come
//! twice are followed byte by byte, until they break off or are long enough to be a loop. Every loop is longer than what it takes to be noticed, so
//! none is missed, and each is told of at the same byte, whatever the pieces.

use std::fmt;

use memchr::memmem;

/// The longest unit that is looked for, in bytes.
const MAX_UNIT: usize = 2048;
/// How often it looks for a period, in bytes of text.
const STRIDE: usize = 128;
/// So many bytes must come again before a period is thought of.
const WINDOW: usize = 48;
/// What is kept of the text: the longest unit twice, and what comes until it is looked for.
const KEPT: usize = 2 * MAX_UNIT + STRIDE;
/// So much is gathered beyond that before it is cut off, so that a cut is rare.
const SLACK: usize = 1024;
/// A unit with fewer different letters than this has no words in it.
const LETTERS: usize = 3;
/// Below these a loop could be over before it is noticed: one with a unit of `u` bytes is noticed after `u + max(u, WINDOW) + STRIDE` bytes at most.
const LEAST_TIMES: usize = 4;
const LEAST_BYTES: usize = 256;

/// How often something must be said in a row to be a loop. Both measures must be met: times and bytes.
///
/// The defaults are meant to pass over what answers have by right: rows of tables, rules, braces, lists, arrays of zeros, refrains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopSize {
    /// In a row: said once and repeated three times, while a reader who is told can still decide. 4, and never fewer.
    pub times: usize,
    /// All of them together, in bytes. 1,024, and never fewer than 256.
    pub bytes: usize,
    /// All of them together, in bytes, where the unit has fewer than three different letters: lines are drawn with it, or room is made. 8,192.
    pub bytes_without_letters: usize,
}

impl LoopSize {
    /// So many bytes of a unit are a loop.
    fn needed(self, unit: &[u8]) -> usize {
        let bytes = if has_words(unit) { self.bytes } else { self.bytes_without_letters };
        self.times.max(LEAST_TIMES).saturating_mul(unit.len()).max(bytes).max(LEAST_BYTES)
    }
}

impl Default for LoopSize {
    fn default() -> Self {
        Self { times: 4, bytes: 1024, bytes_without_letters: 8192 }
    }
}

/// A text that goes round in circles. It has nothing of the text in it, so that it may be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loop {
    /// The length of what is said again and again, in bytes.
    pub unit: usize,
    /// How often it was said in a row so far.
    pub times: usize,
}

/// Watches one text.
///
/// ```
/// use perennial_protocol::Repetition;
///
/// let mut repetition = Repetition::default();
/// assert_eq!(repetition.push("It was a dark and stormy night; "), None);
/// let found = (0..100).find_map(|_| repetition.push("the rain fell in torrents, "));
/// assert_eq!(found.map(|found| found.unit), Some(27));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Repetition {
    size: LoopSize,
    /// The end of the text.
    tail: Tail,
    /// Bytes of text so far.
    length: u64,
    /// The periods in which the text goes just now.
    runs: Vec<Run>,
}

/// A period that is followed.
#[derive(Clone, Debug)]
struct Run {
    period: usize,
    /// Bytes of text that have it, up to the end.
    length: usize,
    /// So many make a loop; the largest number once that was told.
    needed: usize,
}

/// The last bytes of a text.
#[derive(Clone, Default)]
struct Tail(Vec<u8>);

impl Repetition {
    /// Watches for loops of that size.
    #[must_use]
    pub fn new(size: LoopSize) -> Self {
        Self { size, ..Self::default() }
    }

    /// Takes more of the text. A loop is told of once, at the byte at which it became one; of several in one piece the first.
    pub fn push(&mut self, text: &str) -> Option<Loop> {
        let mut found = None;
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let room = STRIDE - usize::try_from(self.length % STRIDE as u64).unwrap_or(0);
            let (piece, after) = rest.split_at(rest.len().min(room));
            let first = self.take(piece);
            found = found.or(first);
            if piece.len() == room {
                self.look();
            }
            rest = after;
        }
        found
    }

    /// Takes bytes up to the next look at most.
    fn take(&mut self, piece: &[u8]) -> Option<Loop> {
        self.length += piece.len() as u64;
        let start = self.tail.add(piece);
        let mut first: Option<(usize, Loop)> = None;
        let text = &self.tail.0;
        self.runs.retain_mut(|run| {
            let same = same_start(&text[start..], &text[start - run.period..]);
            if run.length + same >= run.needed {
                let after = run.needed - run.length;
                if first.is_none_or(|(earlier, other)| (after, run.period) < (earlier, other.unit)) {
                    first = Some((after, Loop { unit: run.period, times: run.needed / run.period }));
                }
                run.needed = usize::MAX;
            }
            run.length += same;
            same == piece.len()
        });
        first.map(|(_, found)| found)
    }

    /// Looks for periods at the end of the text, to follow them from here on.
    fn look(&mut self) {
        let text = self.tail.kept();
        if !has_come_before(text) {
            return;
        }
        let again = again(text);
        // Units that have come twice and do not consist of smaller ones.
        let mut roots: Vec<usize> = Vec::new();
        for period in 1..again.len() {
            let run = |period: usize| period + usize::from(again[period]);
            let of_smaller = |root: &usize| period % root == 0 && run(*root) >= period;
            if run(period) < 2 * period || roots.iter().any(of_smaller) {
                continue;
            }
            roots.push(period);
            if usize::from(again[period]) >= WINDOW && self.runs.iter().all(|run| run.period != period) {
                let needed = self.size.needed(last_unit(text, period));
                self.runs.push(Run { period, length: run(period), needed });
            }
        }
    }
}

impl Tail {
    /// Adds a piece, and tells where it begins; at least [`KEPT`] bytes before it stay, if there were so many.
    fn add(&mut self, piece: &[u8]) -> usize {
        if self.0.len() + piece.len() > KEPT + SLACK {
            self.0.drain(..self.0.len().saturating_sub(KEPT));
        }
        let start = self.0.len();
        self.0.extend_from_slice(piece);
        start
    }

    fn kept(&self) -> &[u8] {
        &self.0[self.0.len().saturating_sub(KEPT)..]
    }
}

/// Whether the last bytes stood within a unit's length before.
fn has_come_before(text: &[u8]) -> bool {
    let Some(start) = text.len().checked_sub(WINDOW) else { return false };
    let from = start.saturating_sub(MAX_UNIT);
    memmem::find(&text[from..text.len() - 1], &text[start..]).is_some()
}

/// For each distance up to [`MAX_UNIT`]: how many bytes at the end of the text are those at this distance before, one by one. (The Z function of the
/// text read from its end.)
fn again(text: &[u8]) -> Vec<u16> {
    let length = text.len();
    let mut again = vec![0u16; length.min(MAX_UNIT + 1)];
    // The stretch `left..right` is known to be equal to the one at the end.
    let (mut left, mut right) = (0, 0);
    for distance in 1..again.len() {
        let mut same = 0;
        if distance < right {
            same = usize::from(again[distance - left]);
            if distance + same < right {
                again[distance] = again[distance - left];
                continue;
            }
            same = right - distance;
        }
        while distance + same < length && text[length - 1 - same] == text[length - 1 - distance - same] {
            same += 1;
        }
        // The text is shorter than that, always.
        again[distance] = u16::try_from(same).unwrap_or(u16::MAX);
        (left, right) = (distance, distance + same);
    }
    again
}

/// The unit at the end of a text that has come twice, cut where a character begins.
fn last_unit(text: &[u8], period: usize) -> &[u8] {
    let mut start = text.len() - period;
    while start > 0 && text[start] & 0b1100_0000 == 0b1000_0000 {
        start -= 1;
    }
    &text[start..start + period]
}

/// Whether there are words in it: several different letters.
fn has_words(unit: &[u8]) -> bool {
    let mut seen = ['\0'; LETTERS];
    let mut count = 0;
    for letter in String::from_utf8_lossy(unit).chars().filter(|letter| letter.is_alphabetic()) {
        if !seen[..count].contains(&letter) {
            seen[count] = letter;
            count += 1;
            if count == LETTERS {
                return true;
            }
        }
    }
    false
}

/// How many bytes are the same from the start on.
fn same_start(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

impl fmt::Debug for Tail {
    /// Without the text: it is somebody's answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests;
