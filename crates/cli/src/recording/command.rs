//! `perennial record`: a stream into a file, with the time of each event.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Parser};
use tokio::time::Instant;

use super::Recorder;
use super::file::{create, unwritable};
use crate::exit::{EXIT_CODES, Exit, Failure};
use crate::{Run, ask};

/// So much is read at a time.
const PIECE_BYTES: usize = 64 * 1024;

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RecordArgs {
    /// Where the recording goes; what is there is overwritten
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What is asked, as for `ask`; without it the stream comes by standard input and goes on to standard output
    #[arg(last = true, value_name = "ASK")]
    question: Vec<String>,
}

/// The words behind `--`.
#[derive(Debug, Parser)]
#[command(name = "perennial record FILE --")]
struct Question {
    #[command(flatten)]
    ask: ask::AskArgs,
}

pub(crate) fn run(args: &RecordArgs) -> Run {
    if args.question.is_empty() {
        return copy(&args.file);
    }
    let words = std::iter::once("perennial record FILE --").chain(args.question.iter().map(String::as_str));
    match Question::try_parse_from(words) {
        Ok(question) => ask::run(&question.ask.teeing(args.file.clone())),
        Err(error) => {
            drop(error.print());
            Ok(Exit::from_clap(&error))
        }
    }
}

/// Standard input, piece by piece as it comes.
fn copy(path: &Path) -> Run {
    if io::stdin().is_terminal() {
        let message = "nothing to record: give a question behind `--`, or a stream on standard input";
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut recorder = Recorder::new(create(path)?, Instant::now());
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = match from.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Failure::new(Exit::Other, format!("standard input cannot be read: {error}")));
            }
            Ok(0) => return Ok(Exit::Done),
            Ok(read) => &piece[..read],
        };
        recorder.piece(read).map_err(|error| unwritable(path, &error))?;
        to.write_all(read).and_then(|()| to.flush()).map_err(|error| Failure::writing(&error))?;
    }
}
