//! `perennial render`: markdown that comes in pieces, as it is rendered on the way.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::Args;
use perennial_markdown::{Ansi, Html, Op, Plain, Renderer, Tape};

use crate::Run;
use crate::exit::{EXIT_CODES, Exit, Failure};
use crate::output::Answer;
use crate::terminal::stdout_colour;

/// How much is read at a time.
const READ_BYTES: usize = 64 * 1024;
/// The width of a terminal that does not say how wide it is.
const WIDTH: usize = 80;

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RenderArgs {
    /// Print a page's HTML, once it is whole
    #[arg(long, group = "as")]
    html: bool,
    /// Print it for a terminal, with colours (the default where standard output is one)
    #[arg(long, group = "as")]
    ansi: bool,
    /// Print it as plain text (the default elsewhere)
    #[arg(long, group = "as")]
    plain: bool,
    /// Print the operations, a line of JSON for each piece
    #[arg(long, group = "as")]
    tape: bool,
    /// Take the text as if it came in pieces of so many bytes; otherwise as it comes
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    chunk: Option<u32>,
    /// Wrap words at so many columns
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(20..))]
    width: Option<u16>,
    /// The markdown; `-` or nothing is standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What operations become.
enum Sink {
    Html(Html),
    Ansi(Ansi),
    Plain(Plain),
    /// How many operations were printed.
    Tape(u64),
}

pub(crate) fn run(args: &RenderArgs) -> Run {
    let mut from = open(args.file.as_ref())?;
    let mut out = Answer::new();
    let mut sink = Sink::of(args);
    let mut renderer = Renderer::new();
    let mut pieces = Pieces { bytes: Vec::new(), size: args.chunk.map_or(usize::MAX, |size| size as usize) };
    let mut read = vec![0; READ_BYTES];
    loop {
        let count = match from.read(&mut read) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Failure::new(Exit::Usage, format!("the markdown cannot be read: {error}")));
            }
        };
        let pieces = pieces.take(&read[..count]);
        for piece in &pieces {
            sink.write(&renderer.push(piece), &mut out)?;
        }
        // As it comes, whoever it comes to; a file is there at once.
        out.flush()?;
    }
    sink.write(&renderer.push(&pieces.rest()), &mut out)?;
    sink.write(&renderer.finish(), &mut out)?;
    sink.finish(&mut out)?;
    out.flush()?;
    Ok(Exit::Done)
}

fn open(file: Option<&PathBuf>) -> Result<Box<dyn Read>, Failure> {
    let Some(file) = file.filter(|file| file.as_os_str() != "-") else {
        return Ok(Box::new(io::stdin().lock()));
    };
    match File::open(file) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(Failure::new(Exit::Usage, format!("{} cannot be read: {error}", file.display()))),
    }
}

impl Sink {
    fn of(args: &RenderArgs) -> Self {
        let columns = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = args.width.map(usize::from);
        if args.html {
            Self::Html(Html::new())
        } else if args.tape {
            Self::Tape(0)
        } else if args.ansi || (!args.plain && stdout_colour()) {
            Self::Ansi(Ansi::new(width.or_else(columns).or(Some(WIDTH))))
        } else {
            Self::Plain(Plain::new(width))
        }
    }

    fn write(&mut self, ops: &[Op], out: &mut Answer) -> Result<(), Failure> {
        match self {
            Self::Html(html) => {
                html.apply(ops);
                Ok(())
            }
            Self::Ansi(ansi) => out.write_styled(&ansi.apply(ops)),
            Self::Plain(plain) => out.write(plain.apply(ops).as_bytes()),
            Self::Tape(seq) if !ops.is_empty() => {
                let tape = Tape::new(*seq, ops.to_vec());
                *seq += ops.len() as u64;
                out.write(format!("{}\n", tape.to_json()).as_bytes())
            }
            Self::Tape(_) => Ok(()),
        }
    }

    fn finish(&mut self, out: &mut Answer) -> Result<(), Failure> {
        match self {
            Self::Html(html) => out.write(html.html().as_bytes()),
            Self::Ansi(ansi) => out.write_styled(&ansi.finish()),
            Self::Plain(plain) => out.write(plain.finish().as_bytes()),
            Self::Tape(_) => Ok(()),
        }
    }
}

/// Bytes that come, as pieces of whole characters. What is no UTF-8 becomes U+FFFD.
struct Pieces {
    /// The beginning of a character, or of a piece.
    bytes: Vec<u8>,
    size: usize,
}

impl Pieces {
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.bytes.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        let mut at = 0;
        let most = self.size.min(self.bytes.len());
        while self.bytes.len() - at >= most.max(1) {
            let end = at + whole(&self.bytes[at..at + most.max(1)]);
            if end == at {
                // A piece shorter than its first character waits for all of it.
                let Some(length) =
                    (1..=4).find(|length| whole(&self.bytes[at..self.bytes.len().min(at + length)]) > 0)
                else {
                    break;
                };
                pieces.push(String::from_utf8_lossy(&self.bytes[at..at + length]).into_owned());
                at += length;
                continue;
            }
            pieces.push(String::from_utf8_lossy(&self.bytes[at..end]).into_owned());
            at = end;
        }
        self.bytes.drain(..at);
        pieces
    }

    /// What is left at the end.
    fn rest(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// How many of these bytes are not the beginning of a character that goes on behind them.
fn whole(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match std::str::from_utf8(&bytes[at..]) {
            Ok(_) => return bytes.len(),
            Err(error) => {
                at += error.valid_up_to();
                let Some(bad) = error.error_len() else { return at };
                at += bad;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_characters_and_all_of_them() {
        let text = "aé日🎉b\u{301}";
        for size in 1..9 {
            for read in 1..9 {
                let mut pieces = Pieces { bytes: Vec::new(), size };
                let mut all: String =
                    text.as_bytes().chunks(read).flat_map(|bytes| pieces.take(bytes)).collect();
                all += &pieces.rest();
                assert_eq!(all, text, "pieces of {size}, reads of {read}");
            }
        }
        let mut pieces = Pieces { bytes: Vec::new(), size: 2 };
        let all = pieces.take(b"a\xff\xfeb\xe6\x97").concat() + &pieces.rest();
        assert_eq!(all, "a\u{fffd}\u{fffd}b\u{fffd}");
    }
}
