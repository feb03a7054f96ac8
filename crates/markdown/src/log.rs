//! The log: the operations written and not yet frozen, and the difference to what they should be.

use std::collections::HashMap;

use crate::piece::{Kind, Piece};
use crate::{Change, Node, Op};

#[derive(Debug, Default)]
pub(crate) struct Log {
    /// `open`, `text` and `close`, since the last freeze.
    ops: Vec<Op>,
    last_id: u64,
    /// The lists that were said to be loose and are not frozen.
    loose: HashMap<u64, bool>,
}

/// How far the log and the pieces agree.
struct Agreed {
    ops: usize,
    pieces: usize,
    /// Within the text of the next piece.
    text: usize,
}

impl Log {
    pub(crate) fn len(&self) -> usize {
        self.ops.len()
    }

    /// Makes the log say what `pieces` say; what has to be written for it goes to `out`.
    pub(crate) fn advance(&mut self, pieces: &[Piece], out: &mut Vec<Op>) {
        let agreed = self.agree(pieces);
        let back = self.ops.len() - agreed.ops;
        if back > 0 {
            self.ops.truncate(agreed.ops);
            out.push(Op::Rollback { ops: back });
        }
        let mut skip = agreed.text;
        for piece in &pieces[agreed.pieces..] {
            let op = match &piece.kind {
                Kind::Open(node) => {
                    self.last_id += 1;
                    Op::Open { id: self.last_id, node: node.clone() }
                }
                Kind::Text(text) => Op::Text { text: text[std::mem::take(&mut skip)..].to_owned() },
                Kind::Close => Op::Close,
            };
            self.ops.push(op.clone());
            out.push(op);
        }
        self.show_loose(pieces, out);
    }

    /// The lists among the operations are as loose as the pieces say.
    fn show_loose(&mut self, pieces: &[Piece], out: &mut Vec<Op>) {
        let lists = pieces.iter().filter(|piece| matches!(piece.node(), Some(Node::List { .. })));
        let opens = self.ops.iter().filter_map(|op| match op {
            Op::Open { id, node: Node::List { .. } } => Some(*id),
            _ => None,
        });
        for (piece, id) in lists.zip(opens) {
            let shown = self.loose.entry(id).or_default();
            if *shown != piece.loose {
                *shown = piece.loose;
                out.push(Op::Patch { id, change: Change::Loose(piece.loose) });
            }
        }
    }

    /// Whether the list was last said to be loose; it is forgotten here.
    pub(crate) fn take_loose(&mut self, id: u64) -> bool {
        self.loose.remove(&id).unwrap_or_default()
    }

    /// Freezes the operations that say what `pieces` say, and gives them back; `None`, and nothing changes, where they say something else.
    pub(crate) fn freeze(&mut self, pieces: &[Piece], out: &mut Vec<Op>) -> Option<Vec<Op>> {
        let agreed = self.agree(pieces);
        if agreed.pieces < pieces.len() {
            return None;
        }
        if agreed.ops > 0 {
            out.push(Op::Freeze { ops: agreed.ops });
        }
        Some(self.ops.drain(..agreed.ops).collect())
    }

    /// Forgets the lists up to this one: they are frozen.
    pub(crate) fn forget_loose(&mut self, last: u64) {
        self.loose.retain(|id, _| *id > last);
    }

    /// A number for a node that is written by a patch.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn agree(&self, pieces: &[Piece]) -> Agreed {
        let mut agreed = Agreed { ops: 0, pieces: 0, text: 0 };
        let (mut piece, mut text) = (0, 0);
        for op in &self.ops {
            let same = match (op, pieces.get(piece).map(|piece| &piece.kind)) {
                (Op::Open { node, .. }, Some(Kind::Open(other))) => node == other,
                (Op::Close, Some(Kind::Close)) => true,
                (Op::Text { text: said }, Some(Kind::Text(_))) => match follow(said, pieces, piece, text) {
                    Some((at, within)) => {
                        (piece, text) = (at, within);
                        agreed = Agreed { ops: agreed.ops + 1, pieces: piece, text };
                        continue;
                    }
                    None => false,
                },
                _ => false,
            };
            // A text that is not used up does not end here.
            if !same || text > 0 {
                break;
            }
            piece += 1;
            agreed = Agreed { ops: agreed.ops + 1, pieces: piece, text: 0 };
        }
        agreed
    }
}

/// Where `said` ends in the texts that begin at a piece and a place within it; `None` where they differ.
fn follow(said: &str, pieces: &[Piece], mut piece: usize, mut within: usize) -> Option<(usize, usize)> {
    let mut said = said;
    loop {
        let text = &pieces.get(piece)?.text()?[within..];
        if let Some(rest) = said.strip_prefix(text) {
            piece += 1;
            within = 0;
            said = rest;
            if said.is_empty() {
                return Some((piece, 0));
            }
        } else {
            return text.starts_with(said).then_some((piece, within + said.len()));
        }
    }
}
