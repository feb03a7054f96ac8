//! Terminals: the sinks that print and never wipe off.
//!
//! No escape moves the cursor or erases: what is printed may be in a scrollback, a pipe or a braille display. So a rollback
//! that comes too late changes nothing on the screen; what follows is printed so that no letter is missing.

use crate::Op;
use crate::ink::Ink;
use crate::layout::Layout;

/// Prints a document to a terminal with colours and wrapped words.
///
/// ```
/// use perennial_markdown::{Ansi, Renderer};
///
/// let mut renderer = Renderer::new();
/// let mut terminal = Ansi::new(Some(80));
/// let mut screen = terminal.apply(&renderer.push("A **bo"));
/// screen += &terminal.apply(&renderer.push("ld** word"));
/// screen += &terminal.apply(&renderer.finish());
/// screen += &terminal.finish();
/// assert_eq!(screen, "A \u{1b}[0;1mbold\u{1b}[0m word\n");
/// ```
#[derive(Debug)]
pub struct Ansi(Printer);

/// Prints a document as plain text: for pipes, and for terminals that know no colours.
///
/// ```
/// use perennial_markdown::{Plain, batch};
///
/// let mut plain = Plain::new(None);
/// let text = plain.apply(&batch("# Hi\n\n- a *b*\n- [c](https://d.example)", Default::default()));
/// assert_eq!(text + &plain.finish(), "Hi\n\n• a b\n• c (https://d.example)\n");
/// ```
#[derive(Debug)]
pub struct Plain(Printer);

macro_rules! sink {
    ($name:ident, $colors:expr) => {
        impl $name {
            /// A page of this width in columns; words are not wrapped where there is none.
            #[must_use]
            pub fn new(width: Option<usize>) -> Self {
                Self(Printer::new(width, $colors))
            }

            /// Applies operations in their order, and gives what is to be printed for them.
            #[must_use = "this is what is to be printed"]
            pub fn apply(&mut self, ops: &[Op]) -> String {
                self.0.apply(ops)
            }

            /// Gives the word that waits for its end: for a reader who waits too.
            #[must_use = "this is what is to be printed"]
            pub fn flush(&mut self) -> String {
                self.0.flush()
            }

            /// The end of the document: gives what is left, and the end of the line.
            #[must_use = "this is what is to be printed"]
            pub fn finish(&mut self) -> String {
                self.0.finish()
            }
        }
    };
}

sink!(Ansi, true);
sink!(Plain, false);

#[derive(Debug)]
struct Printer {
    /// As it was before the operations that are not frozen.
    frozen: Layout,
    layout: Layout,
    ink: Ink,
    /// The operations that are not frozen, each with what was printed before it.
    open: Vec<(Entry, usize)>,
}

#[derive(Debug)]
enum Entry {
    Op(Op),
    Flush,
}

impl Printer {
    fn new(width: Option<usize>, colors: bool) -> Self {
        let layout = Layout::new(width);
        Self { frozen: layout.clone(), layout, ink: Ink::new(colors), open: Vec::new() }
    }

    fn apply(&mut self, ops: &[Op]) -> String {
        for op in ops {
            match op {
                Op::Open { .. } | Op::Text { .. } | Op::Close => {
                    self.open.push((Entry::Op(op.clone()), self.ink.printed()));
                    self.layout.take(op, &mut self.ink);
                }
                Op::Rollback { ops } => self.roll_back(*ops),
                Op::Freeze { ops } => self.freeze(*ops),
                // What is printed is printed.
                Op::Patch { .. } => {}
            }
        }
        self.ink.take()
    }

    fn roll_back(&mut self, ops: usize) {
        let mut at = self.open.len();
        let mut left = ops;
        while at > 0 && left > 0 {
            at -= 1;
            left -= usize::from(matches!(self.open[at].0, Entry::Op(_)));
        }
        if let Some((_, printed)) = self.open.get(at) {
            self.ink.back_to(*printed);
        }
        self.open.truncate(at);
        self.layout = self.frozen.clone();
        self.ink.mute(true);
        for (entry, _) in &self.open {
            entry.replay(&mut self.layout, &mut self.ink);
        }
        self.ink.mute(false);
    }

    fn freeze(&mut self, ops: usize) {
        let mut at = 0;
        let mut left = ops;
        while at < self.open.len() && left > 0 {
            left -= usize::from(matches!(self.open[at].0, Entry::Op(_)));
            at += 1;
        }
        let printed = self.open.get(at).map_or(self.ink.printed(), |(_, printed)| *printed);
        self.ink.forget(printed);
        self.ink.mute(true);
        for (entry, _) in self.open.drain(..at) {
            entry.replay(&mut self.frozen, &mut self.ink);
        }
        self.ink.mute(false);
        for (_, before) in &mut self.open {
            *before = before.saturating_sub(printed);
        }
    }

    fn flush(&mut self) -> String {
        self.open.push((Entry::Flush, self.ink.printed()));
        self.layout.flush(&mut self.ink);
        self.ink.take()
    }

    fn finish(&mut self) -> String {
        self.layout.end(&mut self.ink);
        let out = self.ink.take();
        let width = self.layout.width();
        *self = Self::new(width, self.ink.has_colors());
        out
    }
}

impl Entry {
    fn replay(&self, layout: &mut Layout, ink: &mut Ink) {
        match self {
            Self::Op(op) => layout.take(op, ink),
            Self::Flush => layout.flush(ink),
        }
    }
}
