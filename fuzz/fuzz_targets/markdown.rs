//! Any text, in any pieces, through the renderer and its sinks: no panic, the same page as in one piece, and nothing for a
//! terminal but text, line ends and colours.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perennial_fuzz::text_pieces;
use perennial_markdown::{Ansi, Html, Renderer, Settings, batch};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut whole = Html::new();
    whole.apply(&batch(&text, Settings::default()));

    let (mut renderer, mut page, mut terminal) = (Renderer::new(), Html::new(), Ansi::new(Some(40)));
    let mut shown = String::new();
    for piece in text_pieces(&text) {
        let ops = renderer.push(piece);
        page.apply(&ops);
        shown.push_str(&terminal.apply(&ops));
    }
    let ops = renderer.finish();
    page.apply(&ops);
    shown.push_str(&terminal.apply(&ops));
    shown.push_str(&terminal.finish());

    assert_eq!(page.html(), whole.html());
    for part in shown.split('\u{1b}').skip(1) {
        let sequence = part.strip_prefix('[').and_then(|part| part.split_once('m')).map(|(sequence, _)| sequence);
        assert!(sequence.is_some_and(|it| it.chars().all(|c| c.is_ascii_digit() || c == ';')), "{part:?}");
    }
    assert!(!shown.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\u{1b}')));
});
