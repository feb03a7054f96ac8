//! How much text is wanted.

/// How much text is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Length {
    Words(u64),
    Tokens(u64),
    Characters(u64),
    Sentences(u64),
    Paragraphs(u64),
}

/// The most that one answer is stretched to, in tokens.
const LONGEST: u64 = 128_000;

impl Length {
    /// The text whose length is meant is long enough.
    pub(in super::super) fn tokens(self) -> u64 {
        let tokens = match self {
            Self::Words(n) => n.saturating_mul(4) / 3,
            Self::Tokens(n) => n,
            Self::Characters(n) => n / 4,
            Self::Sentences(n) => n.saturating_mul(22),
            Self::Paragraphs(n) => n.saturating_mul(90),
        };
        tokens.min(LONGEST)
    }
}

pub(super) fn length(lower: &str, words: &[&str]) -> Option<Length> {
    for (at, word) in words.iter().enumerate() {
        let (n, unit) = match number(word) {
            Some(n) => (n, words.get(at + 1).copied().unwrap_or_default()),
            // "a 500-word essay"
            None => match word.split_once('-') {
                Some((n, unit)) if number(n).is_some() => (number(n).unwrap_or_default(), unit),
                _ => continue,
            },
        };
        let unit = if unit == "more" { words.get(at + 2).copied().unwrap_or_default() } else { unit };
        let length = match unit {
            "word" | "words" => Length::Words(n),
            "token" | "tokens" => Length::Tokens(n),
            "character" | "characters" | "chars" | "letters" => Length::Characters(n),
            "sentence" | "sentences" => Length::Sentences(n),
            "paragraph" | "paragraphs" => Length::Paragraphs(n),
            "page" | "pages" => Length::Words(n.saturating_mul(400)),
            _ => continue,
        };
        return Some(length);
    }
    if lower.contains("in short") || lower.contains("briefly") {
        return Some(Length::Sentences(2));
    }
    if lower.contains("a sentence") {
        return Some(Length::Sentences(1));
    }
    (lower.contains("very long") || lower.contains("as long as")).then_some(Length::Words(3000))
}

/// `2000`, `2,000`, `2k`, `two`.
pub(super) fn number(word: &str) -> Option<u64> {
    const NAMES: &[&str] = &[
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    if let Some(at) = NAMES.iter().position(|name| *name == word) {
        return Some(at as u64);
    }
    let (digits, factor) = word.strip_suffix('k').map_or((word, 1), |digits| (digits, 1000));
    digits.parse::<u64>().ok().map(|n| n.saturating_mul(factor))
}
