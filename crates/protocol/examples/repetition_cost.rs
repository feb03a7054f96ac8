//! What watching for loops costs: CPU time for each byte and each delta, of prose, of code, of a loop and of the worst there is.
//!
//! `cargo run --release -p perennial-protocol --example repetition_cost`

#![allow(clippy::print_stdout)]

use std::{fs, hint::black_box};

use perennial_protocol::Repetition;

const DELTA: usize = 16;

fn main() {
    let prose: String = (0..40_000).map(|word| format!("{} ", word * 7919 % 10_007)).collect();
    let code = include_str!("../src/event.rs").repeat(16);
    let cycle = "I apologise for the confusion. ".repeat(8_000);
    // Every window has stood there before, and no period holds for long.
    let worst: String =
        (0..3_000).map(|number: u32| "a".repeat(60 + number.count_ones() as usize) + "b").collect();
    for (name, text) in [("prose", &prose), ("code", &code), ("loop", &cycle), ("worst", &worst)] {
        for text in [&text[..text.len() / 2], text] {
            let ns = cpu_ns(|| {
                for _ in 0..20 {
                    let mut repetition = Repetition::default();
                    let mut rest = text;
                    while !rest.is_empty() {
                        let (delta, after) = rest.split_at(DELTA.min(rest.len()));
                        black_box(repetition.push(delta));
                        rest = after;
                    }
                }
            });
            let each = ns / (20 * text.len()) as f64;
            println!(
                "{name:6} {:8} bytes: {each:5.1} ns a byte, {:6.1} ns a delta of {DELTA}",
                text.len(),
                each * DELTA as f64
            );
        }
    }
}

/// User and system time of a piece of work, in nanoseconds, from the kernel's scheduler: wall clocks measure the neighbours.
fn cpu_ns(work: impl FnOnce()) -> f64 {
    let now = || {
        let stat = fs::read_to_string("/proc/self/schedstat").expect("this example needs Linux");
        stat.split(' ')
            .next()
            .and_then(|ns| ns.parse::<f64>().ok())
            .expect("schedstat begins with nanoseconds")
    };
    let start = now();
    work();
    now() - start
}
