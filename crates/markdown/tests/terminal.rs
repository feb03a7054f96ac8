//! The sinks that print: golden screens, the same bytes for all pieces, and no escape that moves or erases.

mod support;
#[path = "support/worst.rs"]
mod worst;

use perennial_markdown::{Ansi, Plain, Renderer, batch};
use support::{cut, examples, settings};
use unicode_width::UnicodeWidthStr;

fn plain(text: &str, width: usize) -> String {
    let mut sink = Plain::new(Some(width));
    let out = sink.apply(&batch(text, settings()[0]));
    out + &sink.finish()
}

fn ansi(pieces: Vec<&str>, width: usize) -> String {
    let mut renderer = Renderer::new();
    let mut sink = Ansi::new(Some(width));
    let mut out = String::new();
    for piece in pieces {
        out += &sink.apply(&renderer.push(piece));
    }
    out += &sink.apply(&renderer.finish());
    out + &sink.finish()
}

fn check(text: &str, width: usize, expected: &str) {
    assert_eq!(plain(text, width), expected, "{text}");
}

#[test]
fn words_are_wrapped_and_code_is_not() {
    check("one two three four\nfive", 10, "one two\nthree four\nfive\n");
    check("```\none two three four\n\n  five\n```\n", 10, "one two three four\n\n  five\n");
    check("- one two three\n  - four five six\n", 12, "• one two\n  three\n  • four\n    five six\n");
    check("> one two three\n>\n> four\n", 10, "│ one two\n│ three\n│\n│ four\n");
    check("a `b c` d-e-f", 5, "a b c\nd-e-f\n");
    check("longerthantheline and", 8, "longerthantheline\nand\n");
    check("日本語の文章です。次", 8, "日本語の\n文章で\nす。次\n");
    check("👩\u{200d}💻👩\u{200d}💻 👩\u{200d}💻", 5, "👩\u{200d}💻👩\u{200d}💻\n👩\u{200d}💻\n");
}

#[test]
fn blocks() {
    check(
        "# A\n\ntext\n\n---\n\nb\\\nc\n",
        40,
        "A\n\ntext\n\n────────────────────────────────────────\n\nb\nc\n",
    );
    check("1. a\n2. b\n\n   c\n\n   ```\n   d\n   ```\n10. e\n", 40, "1. a\n2. b\n\n   c\n\n   d\n3. e\n");
    check("- [ ] a\n- [x] b\n-\n- - c\n", 40, "• [ ] a\n• [x] b\n• \n• • c\n");
    check(
        "[a](https://b.example) <https://c.example> ![d](https://e.example/f)",
        200,
        "a (https://b.example) https://c.example [image: d] (https://e.example/f)\n",
    );
    check("[a](javascript:b) x[^1]\n\n[^1]: note\n", 200, "a x[^1]\n\n[^1]: note\n");
    check("<b>x</b>\n\n<div>\ny\n</div>\n", 40, "<b>x</b>\n\n<div>\ny\n</div>\n");
    check("a\u{1b}[2Jb\u{9b}c", 40, "a\u{241b}[2Jb<U+009B>c\n");
}

#[test]
fn tables_are_aligned() {
    check(
        "| name | 数 |\n|:--|--:|\n| 日本 | 1 |\n| b *c* | 1000 |\n",
        40,
        "name    数\n────  ────\n日本     1\nb c   1000\n",
    );
    check(
        "| a | b |\n|---|---|\n| one two three four | x |\n",
        14,
        "a            b\n───────────  ─\none two      x\nthree four\n",
    );
}

#[test]
fn the_looks() {
    assert_eq!(
        ansi(vec!["a **b", "** *c* `d` ~~e~~"], 80),
        "a \u{1b}[0;1mb\u{1b}[0m \u{1b}[0;3mc\u{1b}[0m \u{1b}[0;36md\u{1b}[0m \u{1b}[0;9me\u{1b}[0m\n"
    );
    assert_eq!(ansi(vec!["# A\n\nb"], 80), "\u{1b}[0;1;4mA\u{1b}[0m\n\nb\n");
}

#[test]
fn a_wrong_guess_stays_and_nothing_is_lost() {
    // Taken for strong, and never closed.
    let out = ansi(vec!["a **b c ", "d\n\n", "e"], 80);
    assert_eq!(out, "a \u{1b}[0;1mb\u{1b}[0m c d\n\ne\n");
    // A heading underlined too late: its letters are there once.
    let out = ansi(vec!["title of it\n", "---\n", "b"], 80);
    assert_eq!(out, "title of\u{1b}[0;1m it\u{1b}[0m\n\nb\n");
}

#[test]
fn the_bytes_are_the_same_for_all_pieces() {
    let text = "# Title\n\nSome **bold words** and `code`, *more* of it, with [a link](https://a.example/b) in it; see https://b.example/c_d.\n\n\
        1. one\n2. two\n   - three **four**\n\n   ```rust\n   fn main() {}\n   ```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n> quote of\n> lines\n\nend\n";
    for width in [20, 40, 80, 200] {
        let whole = ansi(vec![text], width);
        for size in 1..20 {
            assert_eq!(ansi(cut(text, size), width), whole, "pieces of {size} at {width}");
        }
    }
}

#[test]
fn no_escape_but_colours() {
    let mut texts: Vec<String> = examples().into_iter().map(|example| example.markdown).collect();
    texts.extend(worst::texts(300).into_iter().map(|(_, text)| text));
    texts.push("\u{1b}[2J\u{1b}]8;;http://a\u{7}x\u{9b}1A\r\u{8}".to_owned());
    for text in &texts {
        let out = ansi(cut(text, 3), 40);
        let mut rest = out.as_str();
        while let Some(at) = rest.find(|c: char| c.is_control() && c != '\n' && c != '\t') {
            let escape = &rest[at..];
            let end = escape.find('m').unwrap_or_else(|| panic!("{text:?} gave {out:?}"));
            assert!(escape.starts_with("\u{1b}["), "{text:?} gave {out:?}");
            assert!(escape[2..end].bytes().all(|b| b.is_ascii_digit() || b == b';'), "{text:?} gave {out:?}");
            rest = &escape[end..];
        }
    }
}

#[test]
fn no_line_of_words_is_wider_than_the_page() {
    let text =
        "Some words, *and more* words, 日本語の文章です。 And a [link](https://a.example) in it. ".repeat(6);
    for width in [25, 40, 63, 80, 200] {
        for line in plain(&text, width).lines() {
            assert!(line.width() <= width, "{line}");
        }
    }
}
