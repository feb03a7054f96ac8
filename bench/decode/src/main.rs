//! What decoding costs: one pass over one stream, by ours or by a peer, to be counted by callgrind or by the clock.
//!
//! The stream is written to a file first (`write`), so that a counted run (`read`) holds nothing but reading that file and
//! decoding it; the variant `nothing` is the same run without the decoding, and what the others cost is counted above it.

mod mix;
mod tool;
mod variant;

use std::process::ExitCode;
use std::{env, fs};

use variant::Variant;

const USAGE: &str = "\
usage: bench-decode write mix BYTES SEED FILE        a stream of text, as the real service sends it
       bench-decode write tool SHAPE BYTES FILE      a stream of one tool call; SHAPE: string, objects
       bench-decode read VARIANT CHUNK FILE          one pass in reads of CHUNK bytes; prints JSON
       variants: nothing split fold partial peer-split peer-fold";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-decode: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[&str]) -> Result<String, String> {
    match *words {
        ["write", "mix", bytes, seed, file] => {
            let stream = mix::stream(number(bytes)?, number(seed)? as u64);
            write(file, &stream.bytes)?;
            Ok(format!(
                r#"{{"events":{},"bytes":{},"text_bytes":{}}}"#,
                stream.events,
                stream.bytes.len(),
                stream.text_bytes
            ))
        }
        ["write", "tool", shape, bytes, file] => {
            let stream = tool::stream(shape.parse()?, number(bytes)?);
            write(file, &stream.bytes)?;
            Ok(format!(r#"{{"events":{},"bytes":{}}}"#, stream.events, stream.bytes.len()))
        }
        ["read", variant, chunk, file] => {
            let variant: Variant = variant.parse()?;
            let chunk = number(chunk)?.max(1);
            let bytes = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
            let before = cpu_seconds();
            let seen = variant.run(&bytes, chunk);
            let cpu_s = cpu_seconds() - before;
            Ok(format!(
                r#"{{"events":{},"content_bytes":{},"cpu_s":{cpu_s:.6}}}"#,
                seen.events, seen.content_bytes
            ))
        }
        _ => Err(USAGE.to_owned()),
    }
}

fn write(file: &str, bytes: &[u8]) -> Result<(), String> {
    fs::write(file, bytes).map_err(|error| format!("{file}: {error}"))
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is not a number\n{USAGE}"))
}

/// What the scheduler gave this thread so far; a wall clock would measure the neighbours. 0 where there is no such file.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|first| first.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e9
}
