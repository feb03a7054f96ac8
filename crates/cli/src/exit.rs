//! How a command ends: the exit codes, and failures that name one.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::{logging, terminal};

/// The codes as they stand in `--help` and in `docs/command.md`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    another error (decode: an error event or an unreadable one; --lint: findings)
  2    wrong usage (decode: not an event stream)
  3    no key, a key that is refused, or a wrong configuration
  4    rate limited or overloaded, after all retries
  5    network: no connection, a cut stream, a stall, a deadline
  6    the model declined
  7    truncated (ask: only with --fail-on-truncate; decode: no message_stop)
  130  interrupted
  141  the reader of the output left";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Other = 1,
    Usage = 2,
    Configuration = 3,
    Busy = 4,
    Network = 5,
    Refused = 6,
    Truncated = 7,
    Interrupted = 130,
    BrokenPipe = 141,
}

/// A command that could not do its work: a code, and one line for people.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    line: String,
}

impl Exit {
    pub(crate) fn from_clap(error: &clap::Error) -> Self {
        if error.use_stderr() { Self::Usage } else { Self::Done }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Failure {
    pub(crate) fn new(exit: Exit, line: impl fmt::Display) -> Self {
        Self { exit, line: line.to_string() }
    }

    /// A failure to write the answer. A reader that left is an end like another, about which nothing is said.
    pub(crate) fn writing(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::new(Exit::BrokenPipe, "")
        } else {
            Self::new(Exit::Other, format!("standard output cannot be written: {error}"))
        }
    }

    /// The reader of the output left.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.exit == Exit::BrokenPipe
    }

    /// The line; empty where there is nothing to say.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// Says the line on standard error and gives the code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.line.is_empty() {
            say(&self.line);
        }
        self.exit.into()
    }
}

/// One line to standard error. That nobody reads it is no reason to fail.
pub(crate) fn say(line: impl fmt::Display) {
    let line = terminal::harmless(&line.to_string()).replace('\n', " ");
    drop(writeln!(io::stderr().lock(), "{}", logging::line(&line)));
}

/// Words with the id of the request, to be quoted to support.
pub(crate) fn with_id(words: &str, id: Option<&str>) -> String {
    id.map_or_else(|| words.to_owned(), |id| format!("{words} [{id}]"))
}
