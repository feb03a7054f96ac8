//! A reader of a tape: the characters seen, each with how it looks, and how many were taken back.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use perennial_markdown::{Change, Node, Op};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    c: char,
    look: u64,
}

#[derive(Debug)]
enum Undo {
    Open,
    Text(usize),
    Close(u64),
}

/// What somebody sees who watches the tape, and what was not so in the end.
#[derive(Debug, Default)]
pub struct Reader {
    seen: Vec<Seen>,
    looks: Vec<u64>,
    undo: Vec<Undo>,
    frozen: usize,
    letters: usize,
    /// Characters that were there after one piece and not there, or looking otherwise, after the next.
    pub taken_back: usize,
    /// Where that happened: the text's end before and after.
    pub cases: Vec<(String, String)>,
    /// Characters written by patches.
    pub patched: usize,
}

impl Reader {
    /// Reads what one piece led to.
    pub fn read(&mut self, ops: &[Op]) {
        let mut gone: Vec<Seen> = Vec::new();
        for op in ops {
            match op {
                Op::Open { node, .. } => {
                    let look = look(self.looks.last().copied().unwrap_or_default(), node);
                    self.looks.push(look);
                    self.undo.push(Undo::Open);
                }
                Op::Text { text } => {
                    assert!(!text.is_empty(), "an empty text");
                    let look = self.looks.last().copied().expect("text stands in a node");
                    let before = self.seen.len();
                    self.seen.extend(text.chars().filter(|c| !c.is_whitespace()).map(|c| Seen { c, look }));
                    self.undo.push(Undo::Text(self.seen.len() - before));
                    self.letters += text.chars().filter(|c| c.is_alphanumeric()).count();
                }
                Op::Close => {
                    let look = self.looks.pop().expect("what closes is open");
                    self.undo.push(Undo::Close(look));
                }
                Op::Rollback { ops } => {
                    assert!(
                        *ops > 0 && self.undo.len() - self.frozen >= *ops,
                        "more is taken back than is not frozen"
                    );
                    for _ in 0..*ops {
                        match self.undo.pop().unwrap() {
                            Undo::Open => {
                                self.looks.pop();
                            }
                            Undo::Text(count) => {
                                let left = self.seen.len() - count;
                                let mut removed = self.seen.split_off(left);
                                self.letters -=
                                    removed.iter().filter(|seen| seen.c.is_alphanumeric()).count();
                                removed.append(&mut gone);
                                gone = removed;
                            }
                            Undo::Close(look) => self.looks.push(look),
                        }
                    }
                }
                Op::Freeze { ops } => {
                    self.frozen += ops;
                    assert!(self.frozen <= self.undo.len(), "more is frozen than is there");
                }
                Op::Patch { change: Change::Content(ops), .. } => {
                    self.patched += ops
                        .iter()
                        .map(|op| if let Op::Text { text } = op { text.chars().count() } else { 0 })
                        .sum::<usize>();
                }
                _ => {}
            }
        }
        // What was taken back and written again, as it was, in the same turn was never missed.
        let start = gone.len();
        if start > 0 {
            let from = self.seen.len() - self.written_since(ops);
            let same = gone.iter().zip(&self.seen[from..]).take_while(|(a, b)| a == b).count();
            if same < start {
                self.taken_back += start - same;
                let text = |seen: &[Seen]| seen.iter().map(|seen| seen.c).collect::<String>();
                self.cases.push((text(&gone), text(&self.seen[from..])));
            }
        }
    }

    /// How many characters were written after the last rollback of a turn.
    fn written_since(&self, ops: &[Op]) -> usize {
        let last = ops.iter().rposition(|op| matches!(op, Op::Rollback { .. })).unwrap_or_default();
        ops[last..]
            .iter()
            .map(|op| {
                if let Op::Text { text } = op {
                    text.chars().filter(|c| !c.is_whitespace()).count()
                } else {
                    0
                }
            })
            .sum()
    }

    pub fn letters(&self) -> usize {
        self.letters
    }

    pub fn characters(&self) -> usize {
        self.seen.len()
    }
}

/// How text in this node looks, given how it looks around it. Where a link leads is not seen.
fn look(around: u64, node: &Node) -> u64 {
    let kind = match node {
        Node::Heading { level } => 100 + u64::from(*level),
        Node::Quote => 1,
        Node::CodeBlock { .. } => 2,
        Node::List { .. } => 3,
        Node::Item => 4,
        Node::Table { .. } => 5,
        Node::TableHead => 6,
        Node::HtmlBlock => 7,
        Node::Emphasis => 8,
        Node::Strong => 9,
        Node::Strike => 10,
        Node::Code => 11,
        Node::Link { .. } => 12,
        Node::Image { .. } => 13,
        Node::Footnote { .. } => 14,
        // The rest looks like its surroundings: paragraphs, rows, cells, TeX.
        _ => return around,
    };
    around.wrapping_mul(131).wrapping_add(kind)
}
