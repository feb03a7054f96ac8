//! What partial tool input costs: CPU time for 1 MB and 2 MB in 10-byte deltas, the value read at every delta.
//!
//! `cargo run --release -p perennial-protocol --example partial_cost`; with the name of a shape and a size in bytes it does that
//! one alone and without a clock, for `valgrind --tool=callgrind`.

#![allow(clippy::print_stdout)]

use std::{env, fs, hint::black_box};

use perennial_protocol::PartialJson;

const DELTA: usize = 10;
const ROUNDS: u32 = 20;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [shape, bytes] = &arguments[..] {
        let text = input(shape, bytes.parse().expect("the second argument is a number of bytes"));
        println!("{shape}: {} bytes, {} values seen", text.len(), read(&text));
        return;
    }
    for shape in ["string", "escapes", "objects", "deep"] {
        let costs = [1 << 20, 1 << 21].map(|bytes| {
            let text = input(shape, bytes);
            // The clock ticks every few milliseconds: many rounds between two looks at it.
            let each = cpu_ms(|| (0..ROUNDS).map(|_| read(&text)).sum()) / f64::from(ROUNDS);
            println!("{shape:8} {bytes:8} bytes in {DELTA}-byte deltas: {each:6.1} ms");
            each
        });
        println!("{shape:8} twice the input: {:.2} times the time", costs[1] / costs[0]);
    }
}

/// Tool input of a shape, of about so many bytes.
fn input(shape: &str, bytes: usize) -> String {
    let fill = |unit: &str| unit.repeat(bytes / unit.len());
    match shape {
        "string" => format!(r#"{{"path":"a.txt","content":"{}"}}"#, fill("All work and no play. ")),
        "escapes" => {
            format!(r#"{{"path":"a.txt","content":"{}"}}"#, fill(r#"if (a < \"b\") {\n\treturn;\n}\n"#))
        }
        "objects" => format!(
            r#"{{"items":[{}null]}}"#,
            fill(r#"{"id": 12345, "name": "Widget", "price": 9.99, "tags": ["a", "b"]}, "#)
        ),
        "deep" => format!("{}{}0{}", "[".repeat(126), fill(r#"["a", 1], "#), "]".repeat(126)),
        _ => panic!("shapes: string, escapes, objects, deep"),
    }
}

/// Pushes all of it, with a look at the value after each delta.
fn read(text: &str) -> usize {
    let mut json = PartialJson::new();
    let mut seen = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (delta, after) = rest.split_at(DELTA.min(rest.len()));
        seen += usize::from(black_box(json.push(delta).value()).is_some());
        rest = after;
    }
    assert!(json.is_complete(), "{:?}", json.error());
    seen
}

/// User and system time of a piece of work, in milliseconds, from the kernel's scheduler: wall clocks measure the neighbours.
fn cpu_ms(work: impl FnOnce() -> usize) -> f64 {
    let now = || {
        let stat = fs::read_to_string("/proc/self/schedstat").expect("this example needs Linux");
        stat.split(' ')
            .next()
            .and_then(|ns| ns.parse::<f64>().ok())
            .expect("schedstat begins with nanoseconds")
    };
    let start = now();
    black_box(work());
    (now() - start) / 1e6
}
