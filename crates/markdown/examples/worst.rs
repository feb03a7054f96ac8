//! Worst: seconds for texts that are hard on parsers of markdown, at a length and at twice the length.
//!
//! `cargo run --release -p perennial-markdown --example worst [BYTES]`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::cast_precision_loss
)]

#[path = "../tests/support/worst.rs"]
mod worst;

use std::time::Instant;

use perennial_markdown::{Html, Renderer};

fn time(text: &str) -> (f64, f64) {
    let mut renderer = Renderer::new();
    let mut page = Html::new();
    let begin = Instant::now();
    let bytes = text.as_bytes();
    let mut longest = 0.0_f64;
    for piece in bytes.chunks(16) {
        let start = Instant::now();
        page.apply(&renderer.push(std::str::from_utf8(piece).expect("the texts are ASCII")));
        longest = longest.max(start.elapsed().as_secs_f64());
    }
    page.apply(&renderer.finish());
    (begin.elapsed().as_secs_f64(), longest)
}

fn main() {
    let bytes = std::env::args().nth(1).and_then(|bytes| bytes.parse().ok()).unwrap_or(1 << 20);
    for ((name, small), (_, large)) in worst::texts(bytes).into_iter().zip(worst::texts(2 * bytes)) {
        let ((once, _), (twice, longest)) = (time(&small), time(&large));
        println!(
            "{once:6.2} s {twice:6.2} s  x {:4.1}  longest {:7.1} ms  {name}",
            twice / once,
            longest * 1e3
        );
    }
}
