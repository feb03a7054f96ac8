//! Blocks of code, taken out of an answer byte for byte.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Which of an answer's blocks of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    First,
    Last,
}

/// The code of the first or last fence; one that is not closed counts as well. Code by indentation alone is no fence.
pub(crate) fn find(markdown: &str, which: Which) -> Option<String> {
    let mut found = None;
    let mut open: Option<String> = None;
    for event in Parser::new_ext(markdown, Options::empty()) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => open = Some(String::new()),
            Event::Text(text) => {
                if let Some(code) = &mut open {
                    code.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some(code) = open.take() {
                    found = Some(code);
                    if which == Which::First {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last() {
        let text = "Two:\n\n```sh\necho 1\n```\n\n- item\n\n  ~~~\n  a\n    b\n  ~~~\n\n    indented\n";
        assert_eq!(find(text, Which::First).as_deref(), Some("echo 1\n"));
        assert_eq!(find(text, Which::Last).as_deref(), Some("a\n  b\n"));
        assert_eq!(find("`x`", Which::First), None);
        assert_eq!(find("```\ncut", Which::Last).as_deref(), Some("cut"));
        assert_eq!(find("```\n\u{202e}\x07\n```", Which::First).as_deref(), Some("\u{202e}\x07\n"));
    }
}
