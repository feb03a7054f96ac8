//! Pieces: what the parser found, as flat opens, texts and closes, each with its place in the source.

use crate::Node;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Open(Node),
    Text(String),
    Close,
}

#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    /// Where it begins in the source; a close has its open's place.
    pub(crate) at: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// An open list that is loose.
    pub(crate) loose: bool,
    /// An open block of code that stands in a fence.
    pub(crate) fenced: bool,
}

impl Piece {
    pub(crate) fn new(kind: Kind, at: usize, end: usize) -> Self {
        Self { kind, at, end, loose: false, fenced: false }
    }

    pub(crate) fn node(&self) -> Option<&Node> {
        match &self.kind {
            Kind::Open(node) => Some(node),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_close(&self) -> bool {
        self.kind == Kind::Close
    }
}

/// How many pieces stand before the closes at the end.
pub(crate) fn without_last_closes(pieces: &[Piece]) -> usize {
    pieces.iter().rposition(|piece| !piece.is_close()).map_or(0, |last| last + 1)
}
