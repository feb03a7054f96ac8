//! The renderer: text in pieces of any size to operations.

use crate::credit::Credit;
use crate::cut::{self, Cut, Source};
use crate::definitions::{Definitions, footnote_labels};
use crate::highlight::{Highlighter, State, highlight};
use crate::hold::{self, Place};
use crate::late::Late;
use crate::log::Log;
use crate::parse::{Container, ContainerKind, Parsed, parse};
use crate::piece::{Kind, Piece, without_last_closes};
use crate::settle::settle;
use crate::text::polish;
use crate::{Change, Node, Op, Settings};

/// Turns markdown that arrives in pieces into the operations of a tape.
///
/// ```
/// use perennial_markdown::{Html, Renderer};
///
/// let mut renderer = Renderer::new();
/// let mut page = Html::new();
/// page.apply(&renderer.push("Some **bo"));
/// assert_eq!(page.html(), "<p>Some <strong>bo</strong></p>\n");
/// page.apply(&renderer.push("ld** te"));
/// page.apply(&renderer.push("xt"));
/// page.apply(&renderer.finish());
/// assert_eq!(page.html(), "<p>Some <strong>bold</strong> text</p>\n");
/// ```
#[derive(Debug)]
pub struct Renderer {
    settings: Settings,
    /// The context, and the text from the last cut on.
    text: String,
    /// The context's length.
    context: usize,
    /// Where the last whole line ends.
    solid: usize,
    /// How far the whole lines were looked at.
    seen: usize,
    /// How far the text is shown; 0 when it has to be shown anew in any case.
    shown: usize,
    path: Vec<Container>,
    open: Vec<OpenNode>,
    place: Place,
    /// The last whole line may be a table's header: it is shown up to here until that is known.
    header: Option<usize>,
    /// A carriage return came last: a line feed may belong to it.
    return_pending: bool,
    started: bool,
    definitions: Definitions,
    late: Late,
    log: Log,
    highlighter: Highlighter,
    /// Inside a fence of the path: what the highlighter knows.
    code: Option<State>,
    /// The open line is code that is coloured when it is whole.
    colored: bool,
    credit: Credit,
}

/// A container of the path as the tape has it.
#[derive(Debug, Clone, Copy)]
struct OpenNode {
    id: u64,
    /// Of a list: known to be loose.
    loose: bool,
    /// Of a list: said to be loose.
    shown: bool,
}

impl Default for Renderer {
    fn default() -> Self {
        Self::with_settings(Settings::default())
    }
}

impl Renderer {
    /// A renderer with the usual settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A renderer with these settings.
    #[must_use]
    pub fn with_settings(settings: Settings) -> Self {
        Self {
            settings,
            text: String::new(),
            context: 0,
            solid: 0,
            seen: 0,
            shown: 0,
            path: Vec::new(),
            open: Vec::new(),
            place: Place::Prose,
            header: None,
            return_pending: false,
            started: false,
            definitions: Definitions::default(),
            late: Late::default(),
            log: Log::default(),
            highlighter: Highlighter::new(settings.highlights()),
            code: None,
            colored: false,
            credit: Credit::new(settings.work),
        }
    }

    /// Takes the next piece and gives the operations it leads to; often there are none.
    #[must_use = "the operations are what there is to see"]
    pub fn push(&mut self, piece: &str) -> Vec<Op> {
        let mut out = Vec::new();
        self.take(piece);
        self.credit.earn(piece.len(), self.text.len() + self.log.len());
        if self.credit.affords(self.text.len() + self.log.len()) {
            self.step(false, &mut out);
        }
        self.patch_late(false, &mut out);
        out
    }

    /// Shows what is held back, as it would stand if nothing more came. For a reader who waits: the text may still change.
    #[must_use = "the operations are what there is to see"]
    pub fn reveal(&mut self) -> Vec<Op> {
        let mut out = Vec::new();
        if self.credit.affords(self.text.len() + self.log.len()) {
            self.step(true, &mut out);
        }
        out
    }

    /// The end of the text. The renderer is then ready for a new document.
    #[must_use = "the operations are what there is to see"]
    pub fn finish(&mut self) -> Vec<Op> {
        let mut out = Vec::new();
        if std::mem::take(&mut self.return_pending) {
            self.text.push('\n');
        }
        let parsed = self.parse_to(self.text.len());
        self.show_path_loose(&parsed.loose, &mut out);
        let (pieces, _) = self.ready(parsed.pieces.clone(), true);
        self.log.advance(&pieces, &mut out);
        let whole = Cut { at: self.text.len() - self.context, pieces: parsed.pieces.len(), path: Vec::new() };
        self.freeze(&parsed, &whole, &[], &mut out);
        self.patch_late(true, &mut out);
        let fresh = Self::with_settings(self.settings);
        let credit = std::mem::replace(self, fresh).credit;
        self.credit.go_on_counting(&credit);
        out
    }

    /// How many bytes were parsed so far: what the time depends on.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.credit.work()
    }

    /// How many bytes of the text are kept because they may still change, made-up lines included.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.text.len()
    }

    /// Appends a piece, with line feeds for all line ends.
    fn take(&mut self, piece: &str) {
        let before = self.text.len();
        let mut rest = piece;
        if !self.started && !rest.is_empty() {
            self.started = true;
            rest = rest.strip_prefix('\u{feff}').unwrap_or(rest);
        }
        if self.return_pending && !rest.is_empty() {
            self.return_pending = false;
            self.text.push('\n');
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        }
        while let Some(at) = rest.find('\r') {
            self.text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if rest.is_empty() {
                self.return_pending = true;
                break;
            }
            self.text.push('\n');
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        }
        self.text.push_str(rest);
        if let Some(end) = self.text[before..].rfind('\n') {
            self.solid = before + end + 1;
        }
    }

    fn parse_to(&mut self, end: usize) -> Parsed {
        self.credit.parse(end + self.log.len());
        parse(&self.text[..end], &self.path, &self.definitions, self.settings.links)
    }

    /// Shows what may be shown, and freezes what is final.
    fn step(&mut self, reveal: bool, out: &mut Vec<Op>) {
        let lines = (self.solid > self.seen).then(|| self.parse_to(self.solid));
        if let Some(parsed) = &lines {
            self.look(parsed);
            self.seen = self.solid;
        }
        // The line is looked through, which is cheap and not nothing.
        self.credit.look(self.text.len() - self.solid);
        let partial = &self.text[self.solid..];
        let shown = match self.place {
            Place::Fence(..) if self.colored => 0,
            place => hold::shown(partial, place),
        };
        let end = match shown {
            _ if reveal => self.text.len(),
            0 => match self.header {
                Some(header) if hold::may_be_delimiters(partial) => header,
                _ => self.solid,
            },
            shown => self.solid + shown,
        };
        if end != self.shown || lines.is_some() || reveal {
            let parsed = match &lines {
                Some(parsed) if end == self.solid => {
                    Parsed { pieces: parsed.pieces.clone(), loose: parsed.loose.clone(), ..Parsed::default() }
                }
                _ => self.parse_to(end),
            };
            self.show(parsed, end, reveal, out);
            self.shown = if reveal { 0 } else { end };
        }
        if let Some(parsed) = lines {
            self.cut(&parsed, out);
        }
    }

    /// Notes what the whole lines tell about the next one.
    fn look(&mut self, parsed: &Parsed) {
        let text = &self.text[self.context..self.solid];
        self.place = cut::place(parsed, text, &self.path);
        self.colored = match cut::open_at_end(&parsed.pieces, self.path.len()).last() {
            Some(Source::Path(_)) => self.code.is_some(),
            Some(Source::Piece(at)) => match parsed.pieces[*at].node() {
                Some(Node::CodeBlock { lang }) => self.highlighter.begin(lang).is_some(),
                _ => false,
            },
            None => false,
        };
        let last = cut::last_line(text);
        let start = text.len() - last.len() - 1;
        let bars = last.trim_start_matches([' ', '>', '-', '*', '+']).starts_with('|');
        let in_paragraph = cut::open_at_end(&parsed.pieces, self.path.len()).last().is_some_and(|source| {
            matches!(source, Source::Piece(at) if parsed.pieces[*at].node() == Some(&Node::Paragraph))
        });
        self.header = (bars && in_paragraph).then_some(self.context + start);
    }

    fn show(&mut self, parsed: Parsed, end: usize, reveal: bool, out: &mut Vec<Op>) {
        let mut pieces = parsed.pieces;
        let source = &self.text[self.context..end];
        // At the end of a line a heading is complete, and so is a paragraph at a blank line.
        let whole_lines = end <= self.solid;
        let last = pieces.iter().rev().find_map(|piece| piece.node().filter(|node| !node.is_inline()));
        let complete = whole_lines
            && (cut::ends_blank(source) || matches!(last, Some(Node::Heading { .. } | Node::TableCell)));
        if !complete {
            settle(&mut pieces, source, reveal);
        }
        let (pieces, _) = self.ready(pieces, false);
        let shown = &pieces[..without_last_closes(&pieces)];
        self.show_path_loose(&parsed.loose, out);
        self.log.advance(shown, out);
    }

    /// The pieces as they go to the tape, and the highlighter's state behind them.
    fn ready(&mut self, pieces: Vec<Piece>, last: bool) -> (Vec<Piece>, Option<State>) {
        let pieces = polish(pieces, self.in_fence(), self.settings.links);
        let ready = highlight(pieces, self.code.clone(), last, &mut self.highlighter);
        let spent = self.highlighter.take_spent();
        self.credit.pay(spent);
        ready
    }

    fn in_fence(&self) -> bool {
        self.path.last().is_some_and(|container| container.kind == ContainerKind::Fence)
    }

    fn show_path_loose(&mut self, loose: &[bool], out: &mut Vec<Op>) {
        for (node, loose) in self.open.iter_mut().zip(loose) {
            let loose = node.loose || *loose;
            if node.shown != loose {
                node.shown = loose;
                out.push(Op::Patch { id: node.id, change: Change::Loose(loose) });
            }
        }
    }

    /// Takes the best cut from which the parser finds the same as before.
    fn cut(&mut self, parsed: &Parsed, out: &mut Vec<Op>) {
        let text = &self.text[self.context..self.solid];
        for cut in cut::propose(parsed, text, &self.path, self.settings.enough) {
            let mut next: String = cut.path.iter().map(|(_, container)| container.stub.as_str()).collect();
            let context = next.len();
            next.push_str(&self.text[self.context + cut.at..self.solid]);
            let path: Vec<Container> = cut.path.iter().map(|(_, container)| container.clone()).collect();
            self.credit.parse(next.len());
            let again = parse(&next, &path, &self.definitions, self.settings.links);
            if !same(&again.pieces, &parsed.pieces[cut.pieces..]) {
                continue;
            }
            let loose = self.probe(parsed, &cut);
            if !self.freeze(parsed, &cut, &loose, out) {
                continue;
            }
            next.push_str(&self.text[self.solid..]);
            let moved = |at: usize| (at + context).saturating_sub(self.context + cut.at);
            self.header = self.header.map(moved);
            self.shown = if self.shown == 0 { 0 } else { moved(self.shown) };
            self.solid = moved(self.solid);
            self.seen = self.solid;
            self.text = next;
            self.context = context;
            self.path = path;
            return;
        }
    }

    /// Which containers of a cut's path are lists known to be loose.
    ///
    /// A list is seen to be loose by its paragraphs, and it may have none so far. So one is put behind the cut, as a further
    /// item of each list.
    fn probe(&mut self, parsed: &Parsed, cut: &Cut) -> Vec<bool> {
        let mut loose: Vec<bool> = cut
            .path
            .iter()
            .map(|(source, _)| match source {
                Source::Path(at) => parsed.loose[*at],
                Source::Piece(at) => parsed.pieces[*at].loose,
            })
            .collect();
        let unknown = cut.path.iter().zip(&loose).any(|((source, container), loose)| {
            container.kind == ContainerKind::List && matches!(source, Source::Piece(_)) && !loose
        });
        if unknown {
            let mut text = self.text[..self.context + cut.at].to_owned();
            for (_, container) in cut.path.iter().rev() {
                if container.kind == ContainerKind::List {
                    text.push_str(&container.stub);
                }
            }
            self.credit.parse(text.len());
            let probed = parse(&text, &self.path, &self.definitions, self.settings.links);
            for ((source, _), loose) in cut.path.iter().zip(&mut loose) {
                if let Source::Piece(at) = source {
                    *loose |= probed.pieces.get(*at).is_some_and(|piece| piece.loose);
                }
            }
        }
        loose
    }

    /// Freezes what stands before a cut; false, and nothing is changed, when the tape does not say it.
    fn freeze(&mut self, parsed: &Parsed, cut: &Cut, loose: &[bool], out: &mut Vec<Op>) -> bool {
        let whole = cut.at == self.text.len() - self.context;
        let (before, code) = self.ready(parsed.pieces[..cut.pieces].to_vec(), whole);
        let Some(ops) = self.log.freeze(&before, out) else { return false };
        let last = ops.iter().rev().find_map(|op| match op {
            Op::Open { id, .. } => Some(*id),
            _ => None,
        });
        // The text's opens are the pieces' and those of bare addresses: the path's containers are counted among blocks.
        let blocks: Vec<u64> = ops
            .iter()
            .filter_map(|op| match op {
                Op::Open { id, node } if !node.is_inline() => Some(*id),
                _ => None,
            })
            .collect();
        let mut open = Vec::with_capacity(cut.path.len());
        for ((source, container), loose) in cut.path.iter().zip(loose) {
            let node = match source {
                Source::Path(at) => {
                    let node = self.open[*at];
                    OpenNode { loose: node.loose || *loose, ..node }
                }
                Source::Piece(at) => {
                    let nth = parsed.pieces[..*at]
                        .iter()
                        .filter(|piece| piece.node().is_some_and(|node| !node.is_inline()))
                        .count();
                    let id = blocks.get(nth).copied().unwrap_or_default();
                    let shown = container.kind == ContainerKind::List && self.log.take_loose(id);
                    OpenNode { id, loose: *loose, shown }
                }
            };
            open.push(node);
        }
        self.log.forget_loose(last.unwrap_or_default());
        self.settle_labels(parsed, cut, &before, &ops);
        self.open = open;
        let in_fence = cut.path.last().is_some_and(|(_, container)| container.kind == ContainerKind::Fence);
        self.code = code.filter(|_| in_fence);
        true
    }

    /// Takes over the definitions before a cut, and keeps the part if it refers to what is not defined yet.
    fn settle_labels(&mut self, parsed: &Parsed, cut: &Cut, before: &[Piece], ops: &[Op]) {
        let source = &self.text[self.context..self.context + cut.at];
        let mut labels: Vec<String> = Vec::new();
        if source.contains('[') && ops.iter().any(|op| matches!(op, Op::Text { .. })) {
            let undefined = parsed.unresolved.iter().filter(|(_, at)| *at < cut.at);
            labels.extend(undefined.map(|(label, _)| label.clone()));
            // What stands behind the cut may still change, a title for instance.
            let behind = parsed.links.iter().filter(|defined| defined.start >= cut.at);
            labels.extend(behind.map(|defined| defined.label.clone()));
            let footnotes = footnote_labels(source).filter(|label| !self.definitions.footnote(label));
            labels.extend(footnotes.map(|label| format!("^{label}")));
        }
        if !labels.is_empty() {
            let text = self.text[..self.context + cut.at].to_owned();
            self.late.keep(text, self.path.clone(), before, ops, labels);
        }
        for defined in parsed.links.iter().filter(|defined| defined.start < cut.at) {
            if self.definitions.add_link(&defined.label, &defined.target) {
                self.late.defined(&defined.label);
            }
        }
        for piece in &parsed.pieces[..cut.pieces] {
            if let Kind::Open(Node::Footnote { label }) = &piece.kind
                && self.definitions.add_footnote(label)
            {
                self.late.defined(&format!("^{label}"));
            }
        }
    }

    fn patch_late(&mut self, all: bool, out: &mut Vec<Op>) {
        while let Some(bytes) = self.late.due() {
            if !all && !self.credit.affords(bytes) {
                return;
            }
            self.credit.parse(bytes);
            self.late.patch(&self.definitions, self.settings.links, &mut self.log, out);
        }
    }
}

fn same(one: &[Piece], other: &[Piece]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.kind == other.kind)
}

/// The operations of a whole document.
///
/// ```
/// let ops = perennial_markdown::batch("# Hi", Default::default());
/// assert_eq!(ops.len(), 4);
/// ```
#[must_use]
pub fn batch(text: &str, settings: Settings) -> Vec<Op> {
    let mut renderer = Renderer::with_settings(settings);
    renderer.take(text);
    renderer.finish()
}
