//! Late definitions: frozen blocks that refer to labels which were not yet defined.
//!
//! Such a block keeps its source. When one of its labels is defined it is parsed anew, and each of its paragraphs,
//! headings and cells that reads differently is patched.

use std::collections::HashMap;

use unicase::UniCase;

use crate::definitions::Definitions;
use crate::log::Log;
use crate::parse::{Container, ContainerKind, parse};
use crate::piece::{Kind, Piece};
use crate::policy::Links;
use crate::text::polish;
use crate::{Change, Op};

/// A frozen part of the document with open questions.
#[derive(Debug)]
struct Slice {
    text: String,
    path: Vec<Container>,
    leaves: Vec<Leaf>,
    /// A label of it was defined since it was last parsed.
    stale: bool,
}

#[derive(Debug)]
struct Leaf {
    id: u64,
    inside: Vec<Kind>,
}

/// All such parts, and who asks for which label.
#[derive(Debug, Default)]
pub(crate) struct Late {
    slices: Vec<Slice>,
    asked: HashMap<UniCase<String>, Vec<usize>>,
    stale: Vec<usize>,
}

impl Late {
    /// Keeps a frozen part: its source with the context, its pieces as they were written, and the operations that say so.
    pub(crate) fn keep(
        &mut self,
        text: String,
        path: Vec<Container>,
        pieces: &[Piece],
        ops: &[Op],
        labels: Vec<String>,
    ) {
        let ids = ops.iter().filter_map(|op| match op {
            Op::Open { id, node } if node.is_leaf() => Some(*id),
            _ => None,
        });
        let leaves = leaves(pieces).into_iter().zip(ids).map(|(inside, id)| Leaf { id, inside }).collect();
        let slice = self.slices.len();
        self.slices.push(Slice { text, path, leaves, stale: false });
        for label in labels {
            let asking = self.asked.entry(UniCase::new(label)).or_default();
            if asking.last() != Some(&slice) {
                asking.push(slice);
            }
        }
    }

    /// A label, that of a footnote with `^` before it, is defined now.
    pub(crate) fn defined(&mut self, label: &str) {
        if self.asked.is_empty() {
            return;
        }
        for slice in self.asked.remove(&UniCase::new(label.to_owned())).unwrap_or_default() {
            if !std::mem::replace(&mut self.slices[slice].stale, true) {
                self.stale.push(slice);
            }
        }
    }

    /// The bytes to be parsed for the next patch, if one is due.
    pub(crate) fn due(&self) -> Option<usize> {
        self.stale.last().map(|slice| self.slices[*slice].text.len())
    }

    /// Parses one stale part anew and patches what reads differently.
    pub(crate) fn patch(
        &mut self,
        definitions: &Definitions,
        links: Links,
        log: &mut Log,
        out: &mut Vec<Op>,
    ) {
        let Some(at) = self.stale.pop() else { return };
        let slice = &mut self.slices[at];
        slice.stale = false;
        let parsed = parse(&slice.text, &slice.path, definitions, links);
        let in_fence = slice.path.last().is_some_and(|container| container.kind == ContainerKind::Fence);
        let pieces = polish(parsed.pieces, in_fence, links);
        for (leaf, inside) in slice.leaves.iter_mut().zip(leaves(&pieces)) {
            if leaf.inside == inside {
                continue;
            }
            let content = inside
                .iter()
                .map(|kind| match kind {
                    Kind::Open(node) => Op::Open { id: log.next_id(), node: node.clone() },
                    Kind::Text(text) => Op::Text { text: text.clone() },
                    Kind::Close => Op::Close,
                })
                .collect();
            leaf.inside = inside;
            out.push(Op::Patch { id: leaf.id, change: Change::Content(content) });
        }
    }
}

/// What is inside each paragraph, heading and cell.
fn leaves(pieces: &[Piece]) -> Vec<Vec<Kind>> {
    let mut leaves = Vec::new();
    let mut inside: Option<Vec<Kind>> = None;
    let mut depth = 0_usize;
    for piece in pieces {
        if let Some(kinds) = inside.as_mut() {
            match piece.kind {
                Kind::Open(_) => depth += 1,
                Kind::Close if depth == 0 => {
                    leaves.extend(inside.take());
                    continue;
                }
                Kind::Close => depth -= 1,
                Kind::Text(_) => {}
            }
            kinds.push(piece.kind.clone());
        } else if piece.node().is_some_and(crate::Node::is_leaf) {
            inside = Some(Vec::new());
            depth = 0;
        }
    }
    leaves.extend(inside);
    leaves
}
