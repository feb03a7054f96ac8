//! Code is coloured line by line, each line once, and its look stays.
#![cfg(feature = "highlight")]

mod support;

use perennial_markdown::{Ansi, Node, Op, Renderer, batch};
use support::{cut, html, settings, stream, whole};

const CODE: &str = "Before\n\n```rust\n/* a\n   b */ fn main() {\n    let x = \"1\"; // c\n}\n```\n\n- item\n\n  ```json\n  {\"a\": [1, true]}\n\
    \n  ```\n\n```unknown\nfn main\n```\n\n```python\ndef f(x):\n    return None";

#[test]
fn tokens_have_classes() {
    let page = whole(CODE);
    for part in [
        "<span class=\"hl-comment\">/* a</span>\n<span class=\"hl-comment\">   b */</span> ",
        "<span class=\"hl-keyword\">fn</span> <span class=\"hl-function\">main</span>",
        "<span class=\"hl-number\">1</span>",
        "<span class=\"hl-keyword\">return</span> <span class=\"hl-constant\">None</span></code>",
        "<pre><code class=\"language-unknown\">fn main\n</code>",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}

#[test]
fn pieces_make_no_difference() {
    let expected = whole(CODE);
    for settings in settings() {
        for size in 1..30 {
            assert_eq!(
                html(&stream(cut(CODE, size), settings)),
                expected,
                "pieces of {size}, enough {}",
                settings.enough
            );
        }
    }
}

#[test]
fn no_line_is_taken_back() {
    for size in [1, 4, 9] {
        let mut renderer = Renderer::new();
        for piece in cut(CODE, size) {
            let ops = renderer.push(piece);
            assert!(!ops.iter().any(|op| matches!(op, Op::Rollback { .. })), "{piece:?}");
        }
        let _ = renderer.finish();
    }
}

#[test]
fn it_can_be_left_off() {
    let mut off = settings()[0];
    off.highlight = false;
    let tokens = batch(CODE, off).iter().any(|op| matches!(op, Op::Open { node: Node::Token { .. }, .. }));
    assert!(!tokens);
}

#[test]
fn on_a_terminal() {
    let mut ansi = Ansi::new(Some(80));
    let out = ansi.apply(&batch("```rust\nfn a() {}\n```\n", settings()[0]));
    assert!(out.contains("\u{1b}[0;35mfn"), "{out:?}");
}
