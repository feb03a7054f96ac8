//! Repetition: finds out while it streams that a text has begun to go round in circles.
//!
//! Exact: what is reported was said so many times in a row, to the byte. A rolling hash finds where the last bytes were said before, and from there on every byte is
//! compared, so a collision costs time and never a false alarm. One step for each byte, and a fixed amount of memory. A text that varies while it circles is
//! not its business.

/// The longest unit, in bytes, that is recognised.
const LONGEST_UNIT: usize = 2048;
/// So much is remembered; a power of two, and room for four of the longest units.
const MEMORY: usize = 16 * 1024;
/// So many bytes must come again for a unit to be thought of.
const SEED: usize = 24;
/// The places at which hashes are remembered; a power of two.
const PLACES: usize = 8 * 1024;
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// How often something must be said in a row to be a loop.
///
/// The defaults are meant to pass over what answers have by right: rows of tables, rules, braces, lists, refrains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopSize {
    /// In a row. 4, and never fewer than 2.
    pub times: usize,
    /// All of them together, in bytes. 240.
    pub bytes: usize,
    /// All of them together, in bytes, where the unit has no letter: lines are drawn with it, or room is made. 4,096.
    pub bytes_without_letters: usize,
}

impl Default for LoopSize {
    fn default() -> Self {
        Self { times: 4, bytes: 240, bytes_without_letters: 4_096 }
    }
}

/// A text that goes round in circles.
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
/// let found = (0..20).find_map(|_| repetition.push("the rain fell in torrents, "));
/// assert_eq!(found.map(|found| found.unit), Some(27));
/// ```
#[derive(Debug, Clone)]
pub struct Repetition {
    size: LoopSize,
    /// The last bytes; byte `n` of the text at `n % MEMORY`.
    memory: Box<[u8]>,
    /// Where a hash was last seen, plus one.
    places: Box<[u64]>,
    length: u64,
    hash: u64,
    /// `BASE` to the power of `SEED`.
    leading: u64,
    /// How far back the same bytes stand that come now; 0 for nowhere.
    unit: usize,
    /// For how many bytes that has been so.
    run: usize,
    told: bool,
}

impl Default for Repetition {
    fn default() -> Self {
        Self::new(LoopSize::default())
    }
}

impl Repetition {
    /// Watches for loops of that size.
    #[must_use]
    pub fn new(size: LoopSize) -> Self {
        Self {
            size: LoopSize { times: size.times.max(2), ..size },
            memory: vec![0; MEMORY].into(),
            places: vec![0; PLACES].into(),
            length: 0,
            hash: 0,
            leading: (0..SEED).fold(1, |power: u64, _| power.wrapping_mul(BASE)),
            unit: 0,
            run: 0,
            told: false,
        }
    }

    /// Takes more of the text. A loop is told of once, at the byte at which it became one.
    pub fn push(&mut self, text: &str) -> Option<Loop> {
        let mut found = None;
        for byte in text.bytes() {
            found = found.or(self.step(byte));
        }
        found
    }

    fn step(&mut self, byte: u8) -> Option<Loop> {
        if self.unit > 0 && self.back(self.unit) == byte {
            self.run += 1;
        } else {
            (self.unit, self.run, self.told) = (0, 0, false);
        }
        let leaving = if self.length >= SEED as u64 { u64::from(self.back(SEED)) + 1 } else { 0 };
        self.hash = self
            .hash
            .wrapping_mul(BASE)
            .wrapping_add(u64::from(byte) + 1)
            .wrapping_sub(leaving.wrapping_mul(self.leading));
        let at = slot(self.length, MEMORY);
        self.memory[at] = byte;
        self.length += 1;
        if self.length >= SEED as u64 {
            // The high bits depend on all of the bytes.
            let place = slot(self.hash >> 40, PLACES);
            let before = std::mem::replace(&mut self.places[place], self.length);
            if self.unit == 0 && before > 0 {
                self.begin(self.length - before);
            }
        }
        self.judge()
    }

    /// The last bytes may have been said so far back.
    fn begin(&mut self, distance: u64) {
        let Ok(distance) = usize::try_from(distance) else { return };
        let same = |back: usize| self.back(back) == self.back(back + distance);
        if distance <= LONGEST_UNIT && (1..=SEED).all(same) {
            (self.unit, self.run) = (distance, SEED);
        }
    }

    fn judge(&mut self) -> Option<Loop> {
        if self.told || self.unit == 0 {
            return None;
        }
        let (times, bytes) = (self.run / self.unit + 1, self.run + self.unit);
        if times < self.size.times || bytes < self.size.bytes {
            return None;
        }
        if bytes < self.size.bytes_without_letters && !self.has_letter() {
            return None;
        }
        self.told = true;
        Some(Loop { unit: self.unit, times })
    }

    fn has_letter(&self) -> bool {
        // Beyond ASCII lines are drawn too: box drawing and blocks lead with E2.
        let is_letter =
            |byte: u8| byte.is_ascii_alphabetic() || byte >= 0x80 && byte != 0xE2 && byte & 0xC0 == 0xC0;
        (1..=self.unit).any(|back| is_letter(self.back(back)))
    }

    /// The byte that stands so far back; 1 is the last.
    fn back(&self, distance: usize) -> u8 {
        self.memory[slot(self.length.wrapping_sub(distance as u64), MEMORY)]
    }
}

/// `number` modulo a power of two.
fn slot(number: u64, size: usize) -> usize {
    usize::try_from(number & (size as u64 - 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first byte at which `text` is a loop, by looking at every period.
    fn naive(text: &str, size: LoopSize) -> bool {
        let bytes = text.as_bytes();
        (1..=bytes.len().min(LONGEST_UNIT)).any(|unit| {
            let mut run = 0;
            (unit..bytes.len()).any(|at| {
                run = if bytes[at] == bytes[at - unit] { run + 1 } else { 0 };
                run / unit + 1 >= size.times && run + unit >= size.bytes && run >= SEED
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_found_is_a_loop_in_any_pieces(
            before in "[a-c ]{0,80}", unit in "[a-e \u{e9}]{1,90}", times in 1_usize..12, after in "[a-c]{0,20}", size in 1_usize..30,
        ) {
            let limits = LoopSize { times: 4, bytes: 100, bytes_without_letters: 100 };
            let text = format!("{before}{}{after}", unit.repeat(times));
            let mut whole = Repetition::new(limits);
            let found = whole.push(&text);
            prop_assert!(found.is_none() || naive(&text, limits), "{text:?}");
            let mut pieces = Repetition::new(limits);
            let characters: Vec<char> = text.chars().collect();
            let first = characters.chunks(size).find_map(|piece| pieces.push(&piece.iter().collect::<String>()));
            prop_assert_eq!(found, first);
        }

        #[test]
        fn what_goes_on_for_ever_is_found(before in "[a-c ]{0,200}", unit in "[a-z][a-z .,\n]{0,300}") {
            let mut repetition = Repetition::default();
            repetition.push(&before);
            let found = (0..400).find_map(|_| repetition.push(&unit));
            let found = found.expect("found in time");
            prop_assert!(unit.len() % found.unit == 0 || found.unit % unit.len() == 0, "{found:?}");
        }
    }

    #[test]
    fn what_answers_have_by_right_is_no_loop() {
        let rows = (0..40).map(|row| format!("| row {row} | yes | no | yes |\n")).collect::<String>();
        let code = "        }\n    }\n}\n".repeat(3);
        let rule = "-".repeat(400);
        for text in [
            &*rows,
            &*code,
            &*rule,
            &"=".repeat(2_000),
            &" \n".repeat(500),
            &"\u{2500}".repeat(200),
            "la la la la la la la la la la",
        ] {
            let mut repetition = Repetition::default();
            assert_eq!(repetition.push(text), None, "{text:.60}");
        }
    }

    #[test]
    fn a_loop_is_told_of_once_and_another_again() {
        let mut repetition = Repetition::default();
        let found: Vec<_> = (0..40).filter_map(|_| repetition.push("I am sorry, I cannot. ")).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(repetition.push("And now something else. "), None);
        assert!((0..40).any(|_| repetition.push("But I am stuck again, ").is_some()));
    }

    #[test]
    fn units_of_two_thousand_bytes_are_found() {
        let unit: String = (0..400).map(|number| format!("{number:04} ")).collect();
        let mut repetition = Repetition::default();
        // Digits and blanks are no letters, so it takes longer.
        let found: Vec<usize> = (0..8).filter(|_| repetition.push(&unit).is_some()).collect();
        assert_eq!(found, [3]);
    }
}
