//! Styles: how text looks in a terminal, and the escapes for it.
//!
//! The sixteen colours and the attributes are used, nothing else: the reader's own theme decides what they look like.

/// The look of a run of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Style {
    pub(crate) bold: bool,
    pub(crate) dim: bool,
    pub(crate) italic: bool,
    pub(crate) underline: bool,
    pub(crate) strike: bool,
    /// One of the colours 30 to 37 and 90 to 97.
    pub(crate) color: Option<u8>,
}

impl Style {
    /// Appends the escape that changes from a style to this one.
    pub(crate) fn write(self, from: Self, out: &mut String) {
        use std::fmt::Write as _;
        if self == from {
            return;
        }
        out.push_str("\x1b[0");
        for (on, code) in [
            (self.bold, ";1"),
            (self.dim, ";2"),
            (self.italic, ";3"),
            (self.underline, ";4"),
            (self.strike, ";9"),
        ] {
            if on {
                out.push_str(code);
            }
        }
        if let Some(color) = self.color {
            let _ = write!(out, ";{color}");
        }
        out.push('m');
    }
}
