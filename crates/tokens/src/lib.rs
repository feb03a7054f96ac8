//! An estimate of tokens where nobody says how many there are: deterministic, linear, about four characters of English per token.
//!
//! It imitates the shape of a real tokenizer (a word carries the blank before it, long words break, a run of line ends is one
//! token) and makes no claim about the figures of the real service: what is counted with it is to be called an estimate. The simulator makes its deltas of these
//! pieces. They are found from left to right without lookahead, therefore a text that is cut at the end of a piece has exactly the tokens before the
//! cut; `max_tokens` of the simulator relies on this.
#![forbid(unsafe_code)]

/// Characters of one word that fit into a token.
const WORD: usize = 7;
/// Digits that fit into a token.
const DIGITS: usize = 3;
/// Blanks, line ends or equal punctuation marks that fit into a token.
const RUN: usize = 8;

/// About how many tokens a service adds to a request that has tools at all.
pub const TOOL_PREAMBLE: u64 = 320;

/// About how many tokens `text` has. Never a figure to bill by.
///
/// ```
/// assert_eq!(perennial_tokens::count("Hello, world!"), 4);
/// ```
#[must_use]
pub fn count(text: &str) -> u64 {
    pieces(text).count() as u64
}

/// The tokens of `text`, in order; joined they give `text` back.
#[must_use]
pub fn pieces(text: &str) -> Pieces<'_> {
    Pieces { rest: text }
}

/// The byte offset right after the first `tokens` tokens of `text`, or its length where it has fewer.
#[must_use]
pub fn offset(text: &str, tokens: u64) -> usize {
    let mut at = 0;
    let mut left = tokens;
    for piece in pieces(text) {
        if left == 0 {
            break;
        }
        left -= 1;
        at += piece.len();
    }
    at
}

/// Iterator over the tokens of a text. See [`pieces`].
#[derive(Debug, Clone)]
pub struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (piece, rest) = self.rest.split_at(first(self.rest));
        self.rest = rest;
        Some(piece)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Digit,
    Blank,
    Break,
    /// Scripts without blanks between words, and emoji: one token per character.
    Single,
    Mark,
}

fn class(c: char) -> Class {
    match c {
        '0'..='9' => Class::Digit,
        ' ' | '\t' => Class::Blank,
        '\n' | '\r' => Class::Break,
        c if u32::from(c) >= 0x2E80 => Class::Single,
        c if c.is_alphanumeric() => Class::Word,
        _ => Class::Mark,
    }
}

/// The length in bytes of the first token of a text that is not empty.
fn first(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    let Some((_, head)) = chars.next() else { return 0 };
    let (head, led) = match (head, chars.peek()) {
        // One blank belongs to the word after it.
        (' ', Some(&(_, next))) if matches!(class(next), Class::Word) => {
            chars.next();
            (next, true)
        }
        _ => (head, false),
    };
    let kind = class(head);
    let most = match kind {
        Class::Word => WORD,
        Class::Digit => DIGITS,
        Class::Blank | Class::Break | Class::Mark => RUN,
        Class::Single => 1,
    };
    for (taken, (at, c)) in (1..).zip(chars) {
        let joins = taken < most
            && match kind {
                Class::Mark => c == head,
                Class::Blank => c == head,
                other => class(c) == other,
            };
        if !joins {
            return at;
        }
    }
    debug_assert!(!led || text.starts_with(' '));
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(pieces(text).collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn pieces_look_like_those_of_a_real_tokenizer() {
        check("", &[]);
        check("Hello, world!", &["Hello", ",", " world", "!"]);
        check("a  b", &["a", "  ", "b"]);
        check("internationalisation", &["interna", "tionali", "sation"]);
        check("12345", &["123", "45"]);
        check("one\n\n- two", &["one", "\n\n", "-", " two"]);
        check("日本語", &["日", "本", "語"]);
        check("```rust", &["```", "rust"]);
    }

    #[test]
    fn english_has_about_four_characters_per_token() {
        let text = "A streamed answer is expensive, slow to make and easy to lose. Today a dropped connection, a \
                    reload or an overloaded upstream loses it, and nobody can say what it cost.";
        let ratio = text.len() as f64 / count(text) as f64;
        assert!((3.5..5.5).contains(&ratio), "{ratio}");
    }

    proptest! {
        #[test]
        fn pieces_join_to_the_text(text in "\\PC*|[ a-z0-9\n`*é日🎉]{0,80}") {
            prop_assert_eq!(pieces(&text).collect::<String>(), text);
        }

        #[test]
        fn a_text_cut_after_n_tokens_has_n_tokens(text in "[ a-zA-Z0-9\n`*,.é日🎉\t-]{0,80}", n in 0u64..60) {
            let at = offset(&text, n);
            prop_assert_eq!(count(&text[..at]), n.min(count(&text)));
        }
    }
}
