//! Policy: what of a model's text may reach a reader, and in which form.
//!
//! It is applied before the tape is written, so every sink is safe without doing anything for it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The schemes a link or image may have.
const SCHEMES: &[&str] = &["http", "https", "mailto"];

/// Which links lead somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Links {
    /// Those with an allowed scheme: `http`, `https`, `mailto`.
    #[default]
    Absolute,
    /// Those, and links without a scheme, which lead into the page that shows them.
    Relative,
}

impl Links {
    /// The address as it may be used.
    pub(crate) fn allowed(self, address: &str) -> Option<String> {
        let trimmed = address.trim();
        if trimmed.chars().any(is_hidden) {
            return None;
        }
        let colon = trimmed.find(':');
        let path = trimmed.find(['/', '?', '#']);
        let allowed = match (colon, path) {
            (Some(colon), path) if path.is_none_or(|path| colon < path) => {
                SCHEMES.iter().any(|scheme| trimmed[..colon].eq_ignore_ascii_case(scheme))
            }
            _ => self == Self::Relative,
        };
        allowed.then(|| trimmed.to_owned())
    }
}

/// A character that changes what others look like, or is not seen at all.
fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Directions, their embeddings, overrides and isolates.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // Invisible letters in which text can be hidden from people.
        '\u{e0000}'..='\u{e007f}' | '\u{feff}' => true,
        c => c.is_control(),
    }
}

/// The text with each hidden character written out.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (b' '..0x7f).contains(&b)) || !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if !is_hidden(c) => out.push(c),
            // The pictures of the control characters stand in their order.
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('\u{2421}'),
            c => {
                let _ = write!(out, "<U+{:04X}>", u32::from(c));
            }
        }
    }
    Cow::Owned(out)
}

/// The first word of a fence's info string, cut to what can be part of a class name.
pub(crate) fn language(info: &str) -> String {
    let word = info.split([' ', '\t', ',', '{']).next().unwrap_or_default();
    word.chars().filter(|c| !c.is_control() && !"\"'<>&".contains(*c) && !is_hidden(*c)).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes() {
        for (address, absolute, relative) in [
            ("https://a.example/x", true, true),
            ("HTTP://a.example", true, true),
            ("mailto:a@b.example", true, true),
            ("javascript:alert(1)", false, false),
            ("JaVaScRiPt:alert(1)", false, false),
            ("java\u{1}script:alert(1)", false, false),
            (" javascript:alert(1)", false, false),
            ("data:image/png;base64,AA", false, false),
            ("vbscript:x", false, false),
            ("/a:b", false, true),
            ("?a:b", false, true),
            ("//host.example", false, true),
            ("a", false, true),
            ("", false, true),
        ] {
            assert_eq!(Links::Absolute.allowed(address).is_some(), absolute, "{address:?}");
            assert_eq!(Links::Relative.allowed(address).is_some(), relative, "{address:?}");
        }
    }

    #[test]
    fn hidden_characters_are_written_out() {
        assert_eq!(visible("a\x1b[31m\u{9b}b\u{202e}c\x7f"), "a\u{241b}[31m<U+009B>b<U+202E>c\u{2421}");
        assert_eq!(visible("日本\n\tok 👩\u{200d}💻"), "日本\n\tok 👩\u{200d}💻");
    }
}
