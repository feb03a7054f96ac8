//! Document: the tree that a tape describes, with what is needed to take operations back.

use std::collections::{HashMap, VecDeque};

use crate::{Change, Node, Op};

/// The tree's root: open for as long as the document is.
pub(crate) const ROOT: usize = 0;

#[derive(Debug)]
pub(crate) enum Child {
    Node(usize),
    Text(String),
}

#[derive(Debug)]
pub(crate) struct Element {
    /// `None` for the root.
    pub(crate) node: Option<Node>,
    pub(crate) children: Vec<Child>,
    pub(crate) loose: bool,
    parent: usize,
    id: u64,
}

/// How one operation is taken back.
#[derive(Debug)]
enum Undo {
    Open,
    /// So many bytes, and the whole child where they began it.
    Text(usize),
    Close(usize),
}

#[derive(Debug)]
pub(crate) struct Document {
    elements: Vec<Element>,
    ids: HashMap<u64, usize>,
    open: usize,
    undo: VecDeque<Undo>,
}

impl Default for Document {
    fn default() -> Self {
        let root = Element { node: None, children: Vec::new(), loose: false, parent: ROOT, id: 0 };
        Self { elements: vec![root], ids: HashMap::new(), open: ROOT, undo: VecDeque::new() }
    }
}

impl Document {
    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Open { id, node } => {
                self.open(*id, node);
                self.undo.push_back(Undo::Open);
            }
            Op::Text { text } => {
                self.text(text);
                self.undo.push_back(Undo::Text(text.len()));
            }
            Op::Close => {
                self.undo.push_back(Undo::Close(self.open));
                self.open = self.elements[self.open].parent;
            }
            Op::Rollback { ops } => {
                for _ in 0..*ops {
                    self.take_back();
                }
            }
            Op::Freeze { ops } => {
                self.undo.drain(..(*ops).min(self.undo.len()));
            }
            Op::Patch { id, change } => self.patch(*id, change),
        }
    }

    fn open(&mut self, id: u64, node: &Node) {
        let at = self.elements.len();
        let element =
            Element { node: Some(node.clone()), children: Vec::new(), loose: false, parent: self.open, id };
        self.elements.push(element);
        self.elements[self.open].children.push(Child::Node(at));
        self.ids.insert(id, at);
        self.open = at;
    }

    fn text(&mut self, text: &str) {
        let children = &mut self.elements[self.open].children;
        match children.last_mut() {
            Some(Child::Text(before)) => before.push_str(text),
            _ => children.push(Child::Text(text.to_owned())),
        }
    }

    fn take_back(&mut self) {
        match self.undo.pop_back() {
            Some(Undo::Open) => {
                let gone = self.open;
                self.open = self.elements[gone].parent;
                self.elements[self.open].children.pop();
                self.ids.remove(&self.elements[gone].id);
                // The element that was opened last is the last one, unless a patch came after it.
                if gone + 1 == self.elements.len() {
                    self.elements.pop();
                }
            }
            Some(Undo::Text(bytes)) => {
                let children = &mut self.elements[self.open].children;
                if let Some(Child::Text(text)) = children.last_mut() {
                    text.truncate(text.len().saturating_sub(bytes));
                    if text.is_empty() {
                        children.pop();
                    }
                }
            }
            Some(Undo::Close(at)) => self.open = at,
            None => {}
        }
    }

    fn patch(&mut self, id: u64, change: &Change) {
        let Some(at) = self.ids.get(&id).copied() else { return };
        match change {
            Change::Loose(loose) => self.elements[at].loose = *loose,
            Change::Content(ops) => {
                let open = std::mem::replace(&mut self.open, at);
                self.elements[at].children.clear();
                for op in ops {
                    match op {
                        Op::Open { id, node } => self.open(*id, node),
                        Op::Text { text } => self.text(text),
                        Op::Close => self.open = self.elements[self.open].parent,
                        _ => {}
                    }
                }
                self.open = open;
            }
        }
    }

    /// Walks through what is inside an element, in order, without recursion: quotes may be nested as deep as the text is long.
    pub(crate) fn walk(&self, from: usize, mut visit: impl FnMut(Step<'_>)) {
        let mut stack = vec![(from, 0)];
        while let Some((at, next)) = stack.pop() {
            let element = &self.elements[at];
            match element.children.get(next) {
                Some(Child::Text(text)) => {
                    stack.push((at, next + 1));
                    visit(Step::Text(text));
                }
                Some(Child::Node(child)) => {
                    stack.push((at, next + 1));
                    stack.push((*child, 0));
                    visit(Step::Enter(&self.elements[*child], self.is_tight(*child)));
                }
                None if at != from => visit(Step::Leave(element, self.is_tight(at))),
                None => {}
            }
        }
    }

    /// A paragraph right in an item of a tight list: it does not stand apart.
    fn is_tight(&self, at: usize) -> bool {
        let element = &self.elements[at];
        let item = &self.elements[element.parent];
        element.node == Some(Node::Paragraph)
            && item.node == Some(Node::Item)
            && !self.elements[item.parent].loose
    }
}

/// What a walk comes by; elements with whether they are tight paragraphs.
pub(crate) enum Step<'a> {
    Enter(&'a Element, bool),
    Text(&'a str),
    Leave(&'a Element, bool),
}
