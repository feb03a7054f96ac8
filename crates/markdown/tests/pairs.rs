//! Laws over random documents: examples of the specification and harder things, put together and cut at random.
//!
//! A failure prints its texts and the seed. `PROPTEST_CASES` sets how many documents are tried, `PROPTEST_RNG_SEED` which.

#[path = "support/reader.rs"]
mod reader;
mod support;

use perennial_markdown::{Change, Html, Op, Renderer, Tape};
use proptest::prelude::*;
use support::{examples, html, settings, whole};

/// What documents are made of, besides the examples.
const PARTS: &[&str] = &[
    "| a | b |\n|---|:-:|\n| 1 | **2** |\n",
    "~~gone~~ [^1] and [^2]\n",
    "[^1]: note\n\n    more\n",
    "[^2]: other [foo]\n",
    "- [ ] task\n- [x] done\n",
    "[foo]: /late 'title'\n",
    "[bar]: </other>\n",
    "[foo] and [text][bar] and ![foo]\n",
    "https://a.example/b_c, www.d.example\n",
    "$x_1$ $$y$$\n",
    "- a\n\n  b\n- c\n",
    "1. a\n   - b\n\n     c\n",
    "> q\n> - r\n>   s\n",
    "```rust\nfn main() {}\n",
    "```\n",
    "\u{65e5}\u{672c}**\u{8a9e}**\u{3002}\n",
    "  ",
    "\t",
    "    ",
    "- ",
    "> ",
    "1. ",
    "# ",
    "* ",
    "**",
    "`",
    "[",
    "](",
    ")",
    "|",
    "---\n",
    "===\n",
    "<",
    "a",
    "b c",
    "\n",
    "\n\n",
    "\r\n",
    "\\",
    "!",
    "&amp;",
    "  indented\n",
    "    code\n",
    "- # x\n",
    "[foo]:\n",
    "/url\n",
    "'title\n",
    "[^3]:",
    "x\n  - y\n",
];

fn document() -> impl Strategy<Value = String> {
    let examples: Vec<String> = examples().into_iter().map(|example| example.markdown).collect();
    let part = prop_oneof![
        2 => prop::sample::select(examples),
        3 => prop::sample::select(PARTS).prop_map(str::to_owned),
    ];
    let separator = prop::sample::select(&["", "", "\n", "\n\n"][..]);
    prop::collection::vec((part, separator), 1..7)
        .prop_map(|parts| parts.into_iter().map(|(part, separator)| part + separator).collect())
}

fn pieces<'a>(text: &'a str, sizes: &[usize]) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut turn = 0;
    while !rest.is_empty() {
        let mut at = sizes[turn % sizes.len()].min(rest.len());
        while !rest.is_char_boundary(at) {
            at += 1;
        }
        pieces.push(&rest[..at]);
        rest = &rest[at..];
        turn += 1;
    }
    pieces
}

/// The document without the patches of content: what was frozen as it was first written.
fn without_patches(ops: &[Op]) -> Vec<Op> {
    ops.iter().filter(|op| !matches!(op, Op::Patch { change: Change::Content(_), .. })).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_make_no_difference(text in document(), sizes in prop::collection::vec(1_usize..40, 1..6)) {
        let expected = whole(&text);
        for settings in settings() {
            let mut renderer = Renderer::with_settings(settings);
            let mut page = Html::new();
            let mut reader = reader::Reader::default();
            let mut all = Vec::new();
            let mut take = |ops: Vec<Op>| {
                // The reader checks that nothing frozen is rolled back.
                reader.read(&ops);
                page.apply(&ops);
                all.extend(ops);
            };
            for (turn, piece) in pieces(&text, &sizes).into_iter().enumerate() {
                take(renderer.push(piece));
                if turn % 5 == 4 {
                    take(renderer.reveal());
                }
            }
            take(renderer.finish());
            prop_assert_eq!(page.html(), expected.clone(), "enough {}", settings.enough);
            let defines = text.contains("]:");
            if !defines {
                prop_assert_eq!(html(&without_patches(&all)), expected.clone(), "patched without a definition");
            }
            let wire = Tape::new(0, all.clone()).to_json();
            prop_assert_eq!(Tape::from_json(&wire).unwrap().ops, all);
        }
    }
}
