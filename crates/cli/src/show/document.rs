//! A piece of markdown that is laid out while it comes.

use perennial_markdown::{Ansi, Op, Plain, Renderer};

use super::look::Face;

#[derive(Debug)]
pub(super) struct Document {
    renderer: Renderer,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Ansi(Ansi),
    Plain(Plain),
}

impl Document {
    /// One in this face, where it lays out at all.
    pub(super) fn of(face: Face) -> Option<Self> {
        let sink = match face {
            Face::Exact | Face::Stripped => return None,
            Face::Plain(width) => Sink::Plain(Plain::new(width)),
            Face::Styled(width) => Sink::Ansi(Ansi::new(width)),
        };
        Some(Self { renderer: Renderer::new(), sink })
    }

    /// Takes a piece; gives what of it is certain.
    pub(super) fn push(&mut self, text: &str) -> String {
        let ops = self.renderer.push(text);
        self.sink.apply(&ops)
    }

    /// Gives what is held back, as it stands.
    pub(super) fn reveal(&mut self) -> String {
        let ops = self.renderer.reveal();
        let mut shown = self.sink.apply(&ops);
        shown.push_str(&match &mut self.sink {
            Sink::Ansi(sink) => sink.flush(),
            Sink::Plain(sink) => sink.flush(),
        });
        shown
    }

    /// Gives the rest, and the end of the line.
    pub(super) fn finish(&mut self) -> String {
        let ops = self.renderer.finish();
        let mut rest = self.sink.apply(&ops);
        rest.push_str(&match &mut self.sink {
            Sink::Ansi(sink) => sink.finish(),
            Sink::Plain(sink) => sink.finish(),
        });
        rest
    }
}

impl Sink {
    fn apply(&mut self, ops: &[Op]) -> String {
        match self {
            Self::Ansi(sink) => sink.apply(ops),
            Self::Plain(sink) => sink.apply(ops),
        }
    }
}
