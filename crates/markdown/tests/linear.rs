//! Law: the work grows as the text does, whatever the text.

mod support;
#[path = "support/worst.rs"]
mod worst;

use perennial_markdown::{Op, Renderer, Settings};
use support::{cut, html, settings, whole};

/// Little may be parsed for each byte, so that texts of this length reach the limit.
const WORK: usize = 24;

/// The bytes parsed and the bytes written for a text in pieces.
fn work(text: &str, size: usize) -> (u64, u64) {
    let mut settings = Settings::default();
    settings.work = WORK;
    let mut renderer = Renderer::with_settings(settings);
    let mut written = 0;
    let mut count = |ops: &[Op]| {
        for op in ops {
            written += match op {
                Op::Text { text } => text.len() as u64,
                Op::Rollback { ops } | Op::Freeze { ops } => 1 + *ops as u64 / 8,
                _ => 1,
            };
        }
    };
    for piece in cut(text, size) {
        count(&renderer.push(piece));
    }
    count(&renderer.finish());
    (renderer.work(), written)
}

#[test]
fn twice_the_text_is_no_more_than_a_bit_over_twice_the_work() {
    let bytes = 8 * 1024;
    for ((name, small), (_, large)) in worst::texts(bytes).into_iter().zip(worst::texts(2 * bytes)) {
        for size in [4, 32] {
            let (parsed, written) = work(&small, size);
            let (parsed_twice, written_twice) = work(&large, size);
            let growth = large.len() as f64 / small.len() as f64;
            let ratio = |a: u64, b: u64| b as f64 / a.max(1) as f64 / growth;
            let each = parsed_twice as f64 / large.len() as f64;
            println!(
                "{name}, pieces of {size}: {each:.0} bytes parsed for each, {:.2}; written {:.2}",
                ratio(parsed, parsed_twice),
                ratio(written, written_twice)
            );
            // The limit holds for every length, so the work is linear; the ratio shows that it does not just begin so.
            let most = WORK as u64 * large.len() as u64 + 12 * large.len() as u64 + 128 * 1024;
            assert!(parsed_twice <= most, "{name}: {parsed_twice} bytes parsed");
            assert!(written_twice <= most, "{name}: {written_twice} written");
            // A few passes over the whole text come in steps.
            let steps = 8 * large.len() as u64;
            let growing = ratio(parsed, parsed_twice.saturating_sub(steps));
            assert!(growing < 1.3, "{name}: {parsed} and {parsed_twice} bytes parsed");
            assert!(ratio(written, written_twice) < 1.3, "{name}: {written} and {written_twice} written");
        }
    }
}

#[test]
fn hard_texts_end_as_the_whole_text_does() {
    for (name, text) in worst::texts(300) {
        let expected = whole(&text);
        for settings in settings() {
            for size in [1, 50] {
                let ops = support::stream(cut(&text, size), settings);
                assert_eq!(html(&ops), expected, "{name} in pieces of {size}");
            }
        }
    }
}

#[test]
fn no_piece_costs_more_than_what_is_open_a_few_times() {
    for (name, text) in worst::texts(2 * 1024) {
        let mut renderer = Renderer::new();
        for piece in cut(&text, 4) {
            let (before, open) = (renderer.work(), renderer.pending() + piece.len());
            let ops = renderer.push(piece);
            drop(ops);
            let cost = renderer.work() - before;
            // Whole lines, the open one, the try of a cut, and the operations that are compared.
            assert!(cost <= 12 * open as u64 + 64 * 1024, "{name}: {cost} for {open} open bytes");
        }
    }
}
