//! What is quoted of an answer that is not what it should be.

/// How much of a body that nobody understands is shown.
const EXCERPT_CHARS: usize = 160;

/// The beginning of a text on one line, without control characters: it may end up in a terminal.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short = String::new();
    let mut words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut left = EXCERPT_CHARS;
    for word in words.by_ref() {
        if !short.is_empty() {
            short.push(' ');
        }
        short.extend(word.chars().take(left));
        let length = word.chars().count() + 1;
        if length > left {
            short.push('…');
            break;
        }
        left -= length;
    }
    short
}
