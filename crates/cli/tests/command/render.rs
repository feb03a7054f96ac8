//! `perennial render`.

use crate::rig::run_with_input;

const MARKDOWN: &str = "# Tide\n\nA **bold** wörd, [a link](https://a.example) and `code`.\n\n- one\n- two\n\n| a | b |\n|---|--:|\n| é | 日本 |\n\n```rust\nfn main() {}\n```\n";

fn render(arguments: &[&str]) -> String {
    let arguments: Vec<&str> = ["render"].iter().chain(arguments).copied().collect();
    let ran = run_with_input(&arguments, MARKDOWN.as_bytes());
    assert_eq!((ran.code, &*ran.err), (0, ""), "{arguments:?}");
    ran.out
}

#[test]
fn pieces_of_any_size_end_as_the_whole_does() {
    for form in ["--html", "--plain", "--ansi"] {
        let whole = render(&[form]);
        for chunk in ["1", "2", "3", "7", "64"] {
            assert_eq!(render(&[form, "--chunk", chunk]), whole, "{form} {chunk}");
        }
    }
    let html = render(&["--html"]);
    let code = "<pre><code class=\"language-rust\"><span class=\"hl-keyword\">fn</span> ";
    for part in ["<h1>Tide</h1>", "<strong>bold</strong> wörd", "<li>one", "日本</td>", code] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn a_terminal_is_printed_to_and_never_wiped() {
    let ansi = render(&["--ansi", "--chunk", "4", "--width", "40"]);
    assert!(ansi.contains("\u{1b}[0;1m"), "{ansi:?}");
    let escapes = ansi.split('\u{1b}').skip(1);
    // Colours end with `m`; all else would move something.
    assert!(escapes.clone().count() > 4);
    for escape in escapes {
        let end = escape.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        assert!(escape.starts_with('[') && escape[end..].starts_with('m'), "{escape:?}");
    }
    // Nobody looks at a pipe.
    assert!(!render(&[]).contains('\u{1b}'));
}

#[test]
fn a_tape_is_lines_of_json_with_numbers() {
    let tape = render(&["--tape", "--chunk", "16"]);
    let mut before = 0;
    for line in tape.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((line["v"].as_u64(), line["seq"].as_u64()), (Some(1), Some(before)), "{line}");
        before += line["ops"].as_array().unwrap().len() as u64;
    }
    assert!(tape.lines().count() > 5);
}
