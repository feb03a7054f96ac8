//! Bench: microseconds for each piece of four characters of a long answer, all in, and with HTML kept up to date.
//!
//! `cargo run --release -p perennial-markdown --example bench [FILE]`; without a file the answer is made up.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::cast_precision_loss
)]

use std::time::Instant;

use perennial_markdown::{Html, Renderer};

/// An answer with a bit of everything, of about this many bytes.
fn answer(bytes: usize) -> String {
    let part = "## Step: check the *state* of each **stream**\n\n\
        The reader asks for `GET /v1/streams/42` and gets what is there so far; the rest follows as it arrives. A dropped \
        connection is no loss, since [the log](https://docs.example/log) keeps every event until it is old enough. This \
        paragraph is as long as those that are written to explain something, and then some, with `code` and **weight**.\n\n\
        1. Open the stream, and keep its number.\n\
        2. Read until the end or until the line is cut:\n   - after a cut, go on behind the last event;\n   - after the end, stop.\n\
        3. Say what happened.\n\n\
        ```rust\nfn read(stream: &mut Stream) -> Result<Vec<Event>, Error> {\n    let mut events = Vec::new();\n    \
        while let Some(event) = stream.next()? {\n        events.push(event); // *not* emphasis\n    }\n    Ok(events)\n}\n```\n\n\
        | what | how many | how long |\n|---|--:|---|\n| events | 1,024 | 3 s |\n| cuts | 2 | `0.4` s |\n\n\
        > Note: what is quoted is quoted, and it\n> goes on here.\n\n";
    part.repeat(bytes / part.len() + 1)
}

fn main() {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path).expect("the file can be read"),
        None => answer(100_000),
    };
    let characters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = characters.chunks(4).map(|piece| piece.iter().collect()).collect();
    let mut best = f64::MAX;
    for _ in 0..5 {
        let mut renderer = Renderer::new();
        let mut page = Html::new();
        let (mut ops, mut silent) = (0, 0);
        let mut worst = 0.0_f64;
        let begin = Instant::now();
        for piece in &pieces {
            let start = Instant::now();
            let tape = renderer.push(piece);
            worst = worst.max(start.elapsed().as_secs_f64());
            silent += usize::from(tape.is_empty());
            ops += tape.len();
            page.apply(&tape);
        }
        page.apply(&renderer.finish());
        let took = begin.elapsed().as_secs_f64();
        let each = took * 1e6 / pieces.len() as f64;
        best = best.min(each);
        println!(
            "{} bytes in {} pieces: {each:.2} us each, worst {:.0} us; {ops} operations, {silent} pieces without any; {:.1} bytes parsed for each",
            text.len(),
            pieces.len(),
            worst * 1e6,
            renderer.work() as f64 / text.len() as f64,
        );
    }
    println!("best: {best:.2} us for each piece");
}
