//! Law: whatever the pieces, the document at the end is that of the whole text.

mod support;

use support::{cut, examples, html, settings, stream, whole};

fn check(name: &str, text: &str, failed: &mut Vec<String>) {
    let expected = whole(text);
    for settings in settings() {
        let same = |pieces: Vec<&str>, failed: &mut Vec<String>| {
            let got = html(&stream(pieces.iter().copied(), settings));
            if got != expected {
                failed.push(format!(
                    "{name}, enough {}: {pieces:?}\n--- whole\n{expected}--- pieces\n{got}",
                    settings.enough
                ));
                return false;
            }
            true
        };
        for size in [1, 2, 3, 4, 7] {
            if !same(cut(text, size), failed) {
                return;
            }
        }
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            if !same(vec![&text[..at], &text[at..]], failed) {
                return;
            }
        }
    }
}

#[test]
fn examples_of_the_specification_at_every_cut() {
    let mut failed = Vec::new();
    let examples = examples();
    assert_eq!(examples.len(), 652);
    for example in &examples {
        check(&format!("example {}", example.number), &example.markdown, &mut failed);
    }
    assert!(
        failed.is_empty(),
        "{} of 652 differ\n{}",
        failed.len(),
        failed[..failed.len().min(6)].join("\n")
    );
}

/// GitHub's additions, and what went wrong once.
const MORE: &[&str] = &[
    "| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | 4 |\n\nafter\n",
    "text\n| a | b |\n|---|---|\n| `x|y` | **z** |\n- item\n",
    "- | a |\n  |---|\n  | 1 |\n  | 2 |\n\n  more\n- b\n",
    "> | a |\n> |---|\n> | 1 |\n> | 2 |\n> done\n",
    "| no table\n| at all\n",
    "~~gone~~ and ~one~ and ~~open\n\nnext ~~\n",
    "- [ ] open\n- [x] done\n  - [ ] inner\n\n    para\n- [ ]\n",
    "see https://a.example/b_c_d?e=f, and www.b.example. Or h, ht, www.\n",
    "A[^1] and B[^two] and C[^none].\n\n[^1]: One.\n\n    More.\n\n[^two]: Two.\n\nEnd[^1].\n",
    "[^a]: first\n\n> quote [^a]\n\n- item [^b]\n\n[^b]: late *b*\n",
    "[late] and ![pic] and [text][late].\n\n# [late]\n\n- [late]\n\n[late]: /url \"title\"\n[pic]: /p\n\nend\n",
    "[a]: /one\n\n[a]\n\n[a]: /two\n\n[a]\n",
    "[a]\n\n[a]: /one\n    not code\n\nx\n\n[b]\n\n[b]:\n/two\n'ti\ntle'\n\ny\n",
    "$x_1$ and $$\\sum_{i}^n *a*$$ and $5 and $10, \\$1\n",
    "1. a\n\n   ```rust\n   fn main() {\n\n   }\n   ```\n2. b\n   - c\n\n     d\n   - e\n10. f\n",
    "- a\n- b\n\n- ```\n  x\n  ```\n- d\n",
    "- ```\n  x\n  ```\n\n- ```\n  y\n  ```\n- z\n",
    "-\n  a\n-\n\n  b\n- c\n",
    "> a\nlazy\n> - b\n>\n>   c\n>> d\n> e\n",
    "- - - a\n    - b\n  - c\n- d\n",
    "```\nopen\n\n  more\n",
    "~~~~\n```\n~~~\n~~~~~\nafter\n",
    "- ```\n  a\nb\n",
    "> ```\n> a\n\n> b\n",
    "> > ~~~\n> > a\n>\n> > b\n\n> c\n",
    "- > ```\n  > a\n\n  > b\n- c\n",
    "> - ```\n>   a\n>\n>   b\n\n>   c\n",
    "a\r\nb\rc\r\n\r\n- d\r\n- e\r",
    "\u{feff}# bom\n",
    "é*ü*日本**語**。\n\n👩\u{200d}💻 *a*\n",
    "a\u{1b}[31m\u{202e}b\0c\n",
    "<div>\n*a*\n\n*b* <b>c</b> <!-- d\ne -->\n\n<script>\nx\n\ny\n</script>\nz\n",
    "Ãs *Ã* `Ã [Ã, [`Ã\u{1b}` Ã\n\nÃ\n",
    "[x](javascript:a) ![y](data:b) <https://c.example> <d@e.example>\n",
    "a\\\nb  \nc\n===\n\nd\n---\ne\n",
    "# a #\n## b *c\n#\n###### d\n####### e\n",
    "\n\n\n",
    "",
    "    code\n\n    more\n\ntext\n    lazy\n",
];

#[test]
fn more_texts_at_every_cut() {
    let mut failed = Vec::new();
    for (number, text) in MORE.iter().enumerate() {
        check(&format!("text {number}"), text, &mut failed);
    }
    assert!(failed.is_empty(), "{} differ\n{}", failed.len(), failed[..failed.len().min(6)].join("\n"));
}
