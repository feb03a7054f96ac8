//! Rows T8 and T9: markdown at each width, and without what a terminal or a reader does not want.

use std::path::PathBuf;

use crate::pane::{Pane, assert_append_only, escapes};
use crate::streaming::{ask, saying};

const DOCUMENT: &str = "\
# Everything *at* once

Some **bold** text, *emphasis*, `code`, ~~gone~~ and a [link](https://example.org/page), in a paragraph that is long enough to be wrapped at every width.

1. First item with a rather long text that has to be wrapped under itself
2. Second
   - nested 日本語のとても長い文章がここにあります。折り返しが正しいかどうかを見るためのものです。
   - emoji 🎉 and é, and 👍 more

| Language | Year | Notes |
|:--|--:|---|
| Rust | 2015 | memory safety without a collector |
| 日本 | 1 | wide 🎉 |

> A quote
> of two lines

```rust
fn main() { println!(\"a line of code that is longer than many terminals are wide, and is not wrapped\"); }
```

- [x] done
- [ ] open

---

The end.
";

/// Holds a screen against a file; `PERENNIAL_GOLDEN=write` writes it anew.
pub(crate) fn golden(name: &str, screen: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/terminal/golden").join(name);
    if std::env::var_os("PERENNIAL_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&file, screen).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(screen, golden, "{} differs; PERENNIAL_GOLDEN=write writes it anew", file.display());
}

#[test]
fn t8_markdown_at_each_width() {
    // In small pieces, as a model writes: where a piece ends makes no difference.
    let sim = saying(DOCUMENT, "instant,tps=2000");
    for columns in [40, 60, 80, 120, 200] {
        let line = ask(&sim, "-m claude-opus-4-6 -q Hi");
        let Some(mut pane) = Pane::run(columns, 50, &line) else { return };
        assert_eq!(pane.end(), 0);
        golden(&format!("markdown-{columns}.txt"), &pane.screen());
        let colors = escapes(&pane.written());
        for (color, what) in
            [("\x1b[0;1m", "bold"), ("\x1b[0;36m", "code"), ("\x1b[0;35m", "a keyword of the code")]
        {
            assert!(colors.iter().any(|found| found == color), "{what} is missing: {colors:?}");
        }
        // Sixteen colours at most: the reader's own theme decides.
        assert!(colors.iter().all(|color| !color.contains("38;") && !color.contains("48;")), "{colors:?}");
    }
}

#[test]
fn t8_words_wrap_where_told() {
    let sim = saying(&"word ".repeat(60), "instant");
    for (wrap, longest) in [("30", 30), ("none", 200), ("auto", 100)] {
        let line = ask(&sim, &format!("-m claude-opus-4-6 -q --wrap {wrap} Hi"));
        let Some(mut pane) = Pane::run(200, 20, &line) else { return };
        assert_eq!(pane.end(), 0);
        let screen = pane.screen();
        let widest = screen.lines().map(str::len).max().unwrap();
        assert!(widest <= longest && widest + 5 > longest, "--wrap {wrap}: {widest}\n{screen}");
    }
}

#[test]
fn t9_no_color() {
    let sim = saying(DOCUMENT, "instant");
    for variable in ["NO_COLOR=1", "TERM=dumb"] {
        let Some(mut pane) = Pane::run(80, 50, &format!("{variable} {}", ask(&sim, "-u Hi"))) else { return };
        assert_eq!(pane.end(), 0);
        assert_eq!(escapes(&pane.written()), Vec::<String>::new(), "{variable}");
        let screen = pane.screen();
        let answer = screen.split("perennial: ").next().unwrap();
        golden("plain-80.txt", &format!("{}\n", answer.trim_end()));
    }
    let Some(mut pane) = Pane::run(80, 50, &ask(&sim, "--color never -u Hi")) else { return };
    assert_eq!(pane.end(), 0);
    assert_eq!(escapes(&pane.written()), Vec::<String>::new());
}

#[test]
fn t9_no_redraw() {
    // Long enough for every line that would be wiped off again elsewhere.
    let sim = saying("One two three.", "real,ttft=1200ms");
    let orders = "-H 'perennial-sim: stall=2500ms@after=content_block_start'";
    for variable in ["TERM=dumb", "ACCESSIBLE=1"] {
        let line = format!("{variable} {}", ask(&sim, &format!("{orders} -u Hi")));
        let Some(mut pane) = Pane::run(80, 24, &line) else { return };
        assert_eq!(pane.end(), 0);
        assert_append_only(&pane.written());
        assert!(!pane.written().contains("waiting"));
    }
}

#[test]
fn t9_a_pipe_has_the_answer_as_it_was_written() {
    let sim = saying(DOCUMENT, "instant");
    let ran = sim.ask(&["-u", "Hi"]).output().unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), DOCUMENT);
    assert!(!String::from_utf8(ran.stderr).unwrap().contains('\x1b'));
    // Unless colours are asked for.
    for (name, value, flag) in [("CLICOLOR_FORCE", "1", "--raw=no"), ("X", "", "--color=always")] {
        let flags = if flag.starts_with("--color") { vec![flag, "Hi"] } else { vec!["Hi"] };
        let ran = sim.ask(&flags).env(name, value).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        assert!(text.starts_with("\x1b[0;1;4mEverything "), "{text:?}");
    }
    let raw = sim.ask(&["--color=always", "--raw", "Hi"]).output().unwrap();
    assert_eq!(String::from_utf8(raw.stdout).unwrap(), DOCUMENT);
}

#[test]
fn t8_what_is_said_fits_a_narrow_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let perennial = env!("CARGO_BIN_EXE_perennial");
    let line = format!(
        "export PERENNIAL_HISTORY='{}/history.db'; '{perennial}' ask --pace instant --color never 'Tell me about the tides of the northern sea' | tail -1; \
         '{perennial}' logs list",
        folder.path().display()
    );
    let Some(mut pane) = Pane::run(60, 30, &line) else { return };
    assert_eq!(pane.end(), 0);
    let screen = pane.screen();
    let said = "perennial: no key and no base URL: the embedded simulator\n  answers (set ANTHROPIC_API_KEY for the real thing)\n";
    assert!(screen.contains(said), "{screen}");
    let (_, listed) = screen.split_once("TITLE\n").unwrap();
    assert_eq!(listed.lines().count(), 1, "{screen}");
    assert!(listed.contains("Tell me") && listed.trim_end().ends_with('…'), "{screen}");
}
