//! Ink: what is written to a terminal, which cannot be wiped off.
//!
//! When something was printed that turns out otherwise, the new text is printed from where it says something else. Marks
//! and blanks are not compared: a wrong guess is nearly always about them, and its look then stays as it is.

use std::collections::VecDeque;

use crate::style::Style;

#[derive(Debug, Default)]
pub(crate) struct Ink {
    out: String,
    /// The style the terminal is in.
    style: Style,
    colors: bool,
    /// What is written was printed before.
    mute: bool,
    /// Letters and digits printed since the last freeze.
    printed: Vec<char>,
    /// Of these, what the text that is being printed anew has to catch up with.
    stale: VecDeque<char>,
}

impl Ink {
    pub(crate) fn new(colors: bool) -> Self {
        Self { colors, ..Self::default() }
    }

    pub(crate) fn has_colors(&self) -> bool {
        self.colors
    }

    pub(crate) fn put(&mut self, text: &str, style: Style) {
        if self.mute {
            return;
        }
        let mut rest = text;
        while !self.stale.is_empty() {
            let Some(c) = rest.chars().next() else { return };
            if c.is_alphanumeric() {
                if self.stale.front() == Some(&c) {
                    self.stale.pop_front();
                } else {
                    self.stale.clear();
                    self.out.push('\n');
                    break;
                }
            }
            rest = &rest[c.len_utf8()..];
        }
        if rest.is_empty() {
            return;
        }
        if self.colors && (style != self.style) {
            style.write(self.style, &mut self.out);
            self.style = style;
        }
        self.out.push_str(rest);
        self.printed.extend(rest.chars().filter(|c| c.is_alphanumeric()));
    }

    pub(crate) fn new_line(&mut self) {
        if self.mute || !self.stale.is_empty() {
            return;
        }
        self.plain();
        self.out.push('\n');
    }

    /// Back to the terminal's own look.
    pub(crate) fn plain(&mut self) {
        if !self.mute && self.colors && self.style != Style::default() {
            self.out.push_str("\x1b[0m");
            self.style = Style::default();
        }
    }

    pub(crate) fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    pub(crate) fn mute(&mut self, mute: bool) {
        self.mute = mute;
    }

    /// How much was printed since the last freeze.
    pub(crate) fn printed(&self) -> usize {
        self.printed.len()
    }

    /// What was printed after so much is to be printed anew.
    pub(crate) fn back_to(&mut self, printed: usize) {
        let again: Vec<char> = self.printed.drain(printed.min(self.printed.len())..).collect();
        // What was not caught up with the last time comes after it.
        for c in again.into_iter().rev() {
            self.stale.push_front(c);
        }
    }

    pub(crate) fn forget(&mut self, printed: usize) {
        self.printed.drain(..printed.min(self.printed.len()));
    }
}
