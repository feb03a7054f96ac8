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

/// An answer with a bit of everything, of about this many bytes; no two parts of it are the same.
fn answer(bytes: usize) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < bytes {
        number += 1;
        text.push_str(&PART.replace('#', &number.to_string()).replace("@@", "##"));
    }
    text
}

const PART: &str = "@@ Step #: check the *state* of each **stream**

The reader asks for `GET /v1/streams/#` and gets what is there so far; the rest follows as it arrives. A dropped connection is no loss, since [the log](https://docs.example/log/#) keeps every event until it is old enough. This paragraph is as long as those that are written to explain something, and then some, with `code` and **weight**.

1. Open the stream, and keep its number, #.
2. Read until the end or until the line is cut:
   - after a cut, go on behind the last event;
   - after the end, stop.
3. Say what happened.

```rust
fn read_#(stream: &mut Stream) -> Result<Vec<Event>, Error#> {
    let mut events_# = Vec::with_capacity(#);
    while let Some(event) = stream.next_#()? {
        events_#.push(event); // *not* emphasis, #
    }
    Ok(events_#)
}
```

| what | how many | how long |
|---|--:|---|
| events | 1,024 | 3 s |
| cuts | # | `0.4` s |

> Note: what is quoted is quoted, and it
> goes on here.

";

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
