//! The status line: what goes on while there is nothing to read. On standard error, on a terminal only.
//!
//! It is the one thing that is ever wiped off, and that without an escape: by a carriage return at the beginning of a line, by
//! backspaces behind a line of the answer. So it cannot reach anything that is not its own.

use std::io::{self, Write as _};

use super::look::Notes;
use crate::terminal::{self, fitting, width};

/// Columns that stay free at the right edge, where terminals differ.
const MARGIN: usize = 2;
/// Behind the answer there has to be room for this at least.
const LEAST: usize = 8;

#[derive(Debug)]
pub(crate) struct Status {
    notes: Notes,
    /// What is written now, as columns; 0 is nothing.
    shown: usize,
    /// It stands behind a part of a line of the answer.
    behind: bool,
}

impl Status {
    pub(crate) fn new(notes: Notes) -> Self {
        Self { notes, shown: 0, behind: false }
    }

    /// Whether there is such a line at all.
    pub(crate) fn exists(&self) -> bool {
        self.notes.redraws
    }

    /// Shows `text`, at the beginning of a line or behind the answer's last one, which is `column` wide.
    pub(crate) fn show(&mut self, text: &str, column: usize) {
        if !self.exists() {
            return;
        }
        let room = self.notes.columns.saturating_sub(column + MARGIN);
        if column > 0 && room < LEAST {
            self.wipe();
            return;
        }
        let lead = if column > 0 { "  " } else { "" };
        let text = format!(
            "{lead}{}",
            fitting(&terminal::harmless(text).replace(['\n', '\t'], " "), room - lead.len())
        );
        let columns = width(&text);
        let mut line = self.wiping();
        if self.notes.colored {
            line.push_str(&format!("\x1b[2m{text}\x1b[0m"));
        } else {
            line.push_str(&text);
        }
        self.shown = columns;
        self.behind = column > 0;
        put(&line);
    }

    /// Takes it away.
    pub(crate) fn wipe(&mut self) {
        let wiping = self.wiping();
        self.shown = 0;
        if !wiping.is_empty() {
            put(&wiping);
        }
    }

    fn wiping(&self) -> String {
        if self.shown == 0 {
            return String::new();
        }
        let blanks = " ".repeat(self.shown);
        let back = if self.behind { "\x08".repeat(self.shown) } else { "\r".to_owned() };
        format!("{back}{blanks}{back}")
    }
}

/// To standard error at once. That nobody reads it is no reason to fail.
pub(crate) fn put(text: &str) {
    let mut err = io::stderr().lock();
    drop(err.write_all(text.as_bytes()).and_then(|()| err.flush()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_by_columns() {
        assert_eq!(fitting("日本語です", 10), "日本語です");
        assert_eq!(fitting("日本語です", 9), "日本語で…");
        assert_eq!(fitting("waiting 3 s", 8), "waiting…");
    }
}
