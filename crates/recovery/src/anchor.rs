//! Anchors: the end of a text, long enough to stand in it only once.
//!
//! Said again at the beginning of another text, such an end proves where the two join, and there is only one way to join them. Let `T` be the text and `u` a
//! length such that the last `u` bytes of `T` stand in it only there. If the other text `C` began with two ends of `T`, of lengths `j < k`, both at least `u`,
//! then its bytes `j - u .. j` would be the last `u` of `T`, and as a part of the longer end they would stand in `T` a second time, `k - j` before its end.

/// The longest anchor, in bytes. A text whose end is repeated for longer has none.
const LONGEST: usize = 2_000;
/// How far an anchor may reach back for the beginning of a word.
const WORD: usize = 40;

/// The end of a text that is to be said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Where in the text it begins.
    pub(crate) start: usize,
    /// The fewest bytes that an overlap must have to prove anything.
    pub(crate) least: usize,
}

impl Anchor {
    /// The anchor of `text`, no shorter than `wanted` and within its last `within` bytes. An overlap has to have so many bytes as well, and stand in it once.
    /// Blanks that the text ends with are counted in addition: a text may begin with the same ones without saying anything again.
    pub(crate) fn of(text: &str, within: usize, wanted: usize) -> Option<Self> {
        let blanks = text.len() - text.trim_end().len();
        let wanted = (wanted + blanks).min(within.max(wanted));
        let longest = LONGEST.max(wanted);
        let unique = longest_repeated_end(text.as_bytes(), longest) + 1;
        let length = wanted.max(unique);
        if length > within || length > longest {
            return None;
        }
        let first = text.len() - within;
        let mut start = text.len() - length;
        while start > first && !text.is_char_boundary(start) {
            start -= 1;
        }
        if !text.is_char_boundary(start) {
            return None;
        }
        Some(Self { start: word(text, start, first), least: length })
    }
}

/// The beginning of the word that `start` is in, if it is near; else `start`.
fn word(text: &str, start: usize, first: usize) -> usize {
    let reach = start.saturating_sub(WORD).max(first);
    let begins = |at: &usize| {
        let before = text[..*at].chars().next_back();
        let after = text[*at..].chars().next();
        before.is_none_or(char::is_whitespace) && after.is_some_and(|after| !after.is_whitespace())
    };
    let mut places = (reach..=start).rev().filter(|at| text.is_char_boundary(*at));
    places.find(begins).unwrap_or(start)
}

/// The length of the longest end of `text` that also stands elsewhere in it, or `most` where that is longer: the greatest value of the Z-function of the
/// text read backwards. Linear in the text; its memory is linear in `most`.
fn longest_repeated_end(text: &[u8], most: usize) -> usize {
    let length = text.len();
    let at = |index: usize| text[length - 1 - index];
    let mut z = vec![0_usize; most.min(length)];
    let (mut left, mut right) = (0, 0);
    let mut longest = 0;
    for index in 1..length {
        // No match is longer than `most`, so `index - left` is less than that.
        let mut same = if index < right { z[index - left].min(right - index) } else { 0 };
        while same < most && index + same < length && at(same) == at(index + same) {
            same += 1;
        }
        if index + same > right {
            (left, right) = (index, index + same);
        }
        if let Some(z) = z.get_mut(index) {
            *z = same;
        }
        longest = longest.max(same);
    }
    longest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stands_once(text: &str, end: &str) -> bool {
        text.as_bytes().windows(end.len()).filter(|window| *window == end.as_bytes()).count() == 1
    }

    proptest! {
        #[test]
        fn an_end_that_stands_once_is_as_short_as_can_be(text in "[ab \u{e9}\u{20ac}]{0,60}", most in 1_usize..80) {
            let repeated = longest_repeated_end(text.as_bytes(), most);
            let naive = (1..=text.len())
                .rev()
                .find(|length| {
                    let end = &text.as_bytes()[text.len() - length..];
                    text.as_bytes().windows(*length).filter(|window| *window == end).count() > 1
                })
                .unwrap_or(0);
            prop_assert_eq!(repeated, naive.min(most));
        }

        #[test]
        fn an_anchor_stands_once(text in "[ab \u{e9}\n]{0,200}", wanted in 1_usize..30) {
            if let Some(anchor) = Anchor::of(&text, text.len(), wanted) {
                let end = &text[anchor.start..];
                prop_assert!(stands_once(&text, end));
                prop_assert!(end.len() >= anchor.least && anchor.least >= wanted);
                let bytes = &text.as_bytes()[text.len() - anchor.least..];
                prop_assert_eq!(text.as_bytes().windows(bytes.len()).filter(|window| *window == bytes).count(), 1);
            }
        }
    }

    #[test]
    fn anchors_begin_with_words() {
        let text = "The quick brown fox jumps over the lazy dog";
        let anchor = Anchor::of(text, text.len(), 10).unwrap();
        assert_eq!(&text[anchor.start..], "the lazy dog");
        // Its last six bytes stand in it twice, so seven are needed.
        assert_eq!(Anchor::of("abababab", 8, 4).map(|anchor| anchor.least), Some(7));
        assert!(Anchor::of(&"ab".repeat(3_000), 6_000, 10).is_none(), "it goes on for too long");
        assert!(Anchor::of(text, 5, 10).is_none(), "the last block is too short");
    }
}
