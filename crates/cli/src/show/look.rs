//! What the two outputs are, and what a reader wants of them.

use std::io::{self, IsTerminal};

use clap::ValueEnum;

use crate::terminal::{self, columns};

/// The columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;
/// Lines of prose are no longer than this, however wide the terminal is: the eye loses the next one.
pub(super) const MEASURE: usize = 100;

/// Whether there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal that is not dumb, without `NO_COLOR`; with `CLICOLOR_FORCE` everywhere.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// At which column words are wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wrap {
    /// At the terminal's edge, or at a hundred columns where that is farther.
    #[default]
    Auto,
    /// Nowhere.
    None,
    /// At this one.
    At(usize),
}

/// What is shown of thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Thinking {
    /// How long it took; on a terminal its last words while it goes on.
    Brief,
    /// All of it.
    Full,
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// As the model wrote it, byte for byte: what a program reads.
    Exact,
    /// As the model wrote it, without what could harm a terminal.
    Stripped,
    /// Markdown laid out, without colours; words are wrapped at the width.
    Plain(Option<usize>),
    /// Markdown laid out, with colours.
    Styled(Option<usize>),
}

/// How things about the answer are said, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notes {
    /// Nothing but errors.
    pub(crate) quiet: bool,
    pub(crate) colored: bool,
    /// A line may be wiped off and written anew.
    pub(crate) redraws: bool,
    /// For a reader who listens: whole lines, words instead of pictures.
    pub(crate) accessible: bool,
    /// The columns of a line.
    pub(crate) columns: usize,
    /// In how many columns words are kept whole; nowhere but on a terminal.
    pub(crate) wraps: Option<usize>,
}

/// What the two outputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) face: Face,
    pub(crate) notes: Notes,
    /// `None` shows nothing of it.
    pub(crate) thinking: Option<Thinking>,
    /// Standard output is a terminal.
    pub(crate) out_is_terminal: bool,
    /// Standard output is a pipe, whose other end may write to this terminal.
    pub(crate) out_is_pipe: bool,
    /// Standard error is a terminal.
    pub(crate) notes_are_terminal: bool,
}

/// What was asked for by flags.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) color: Color,
    pub(crate) wrap: Wrap,
    pub(crate) raw: bool,
    pub(crate) quiet: bool,
    pub(crate) hide_thinking: bool,
    pub(crate) thinking: Option<Thinking>,
    pub(crate) screen_reader: bool,
}

impl Color {
    /// Whether an output has them.
    pub(crate) fn on(self, output: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let forced = is_on("CLICOLOR_FORCE");
                (forced || output.is_terminal()) && !is_set("NO_COLOR") && !is_dumb()
            }
        }
    }
}

impl Wrap {
    /// `auto`, `none`, or a number of columns.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            columns => match columns.parse() {
                Ok(columns @ 20..=10_000) => Ok(Self::At(columns)),
                _ => Err("auto, none, or a number of columns from 20 on".to_owned()),
            },
        }
    }
}

impl Look {
    pub(crate) fn of(wishes: &Wishes) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let out_is_terminal = out.is_terminal();
        let colored = wishes.color.on(&out);
        let width = match wishes.wrap {
            Wrap::None => None,
            Wrap::At(columns) => Some(columns),
            Wrap::Auto if out_is_terminal => Some(columns(&out).unwrap_or(COLUMNS).min(MEASURE)),
            Wrap::Auto => None,
        };
        let face = match (wishes.raw, out_is_terminal, colored) {
            (true, true, _) => Face::Stripped,
            (true, false, _) | (false, false, false) => Face::Exact,
            (false, _, true) => Face::Styled(width),
            (false, true, false) => Face::Plain(width),
        };
        let notes_are_terminal = err.is_terminal();
        let accessible = wishes.screen_reader || is_on("ACCESSIBLE");
        let notes = Notes {
            quiet: wishes.quiet,
            colored: wishes.color.on(&err),
            redraws: notes_are_terminal && !accessible && !is_dumb() && !wishes.quiet,
            accessible,
            columns: columns(&err).unwrap_or(COLUMNS),
            wraps: terminal::stderr_columns(),
        };
        let watched = out_is_terminal && notes_are_terminal;
        let unasked = (watched && !wishes.quiet).then_some(Thinking::Brief);
        let thinking = if wishes.hide_thinking { None } else { wishes.thinking.or(unasked) };
        Self { face, notes, thinking, out_is_terminal, out_is_pipe: is_pipe(&out), notes_are_terminal }
    }

    /// Whether both outputs stand on one screen, so that a line of one ends a line of the other.
    pub(crate) fn shares_screen(&self) -> bool {
        self.out_is_terminal && self.notes_are_terminal
    }
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn is_on(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

#[cfg(unix)]
fn is_pipe(output: &impl std::os::fd::AsFd) -> bool {
    use rustix::fs::{FileType, fstat};
    fstat(output)
        .is_ok_and(|stat| matches!(FileType::from_raw_mode(stat.st_mode), FileType::Fifo | FileType::Socket))
}

#[cfg(not(unix))]
fn is_pipe(output: &impl IsTerminal) -> bool {
    !output.is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrap_is_a_word_or_a_number() {
        assert_eq!(Wrap::read("auto"), Ok(Wrap::Auto));
        assert_eq!(Wrap::read("none"), Ok(Wrap::None));
        assert_eq!(Wrap::read("72"), Ok(Wrap::At(72)));
        for text in ["", "19", "-1", "wide"] {
            assert!(Wrap::read(text).is_err(), "{text}");
        }
    }
}
