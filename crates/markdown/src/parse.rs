//! Parsing: one run of the parser over a text, as pieces.
//!
//! The text may begin with a context: lines made up to bring the parser into the state in which the text goes on. What the
//! context opens is open in the document already, and what else is in it is left out here.

use std::ops::Range;

use pulldown_cmark::{Alignment, BrokenLink, CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag};

use crate::definitions::{Defined, Definitions, footnote_labels};
use crate::piece::{Kind, Piece};
use crate::policy::{Links, language};
use crate::{Align, Node};

/// A container that is open where a text goes on.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) kind: ContainerKind,
    /// The lines that bring the parser into it.
    pub(crate) stub: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContainerKind {
    Quote,
    List,
    Item,
    Table,
    Fence,
}

impl ContainerKind {
    pub(crate) fn of(node: &Node) -> Option<Self> {
        match node {
            Node::Quote => Some(Self::Quote),
            Node::List { .. } => Some(Self::List),
            Node::Item => Some(Self::Item),
            Node::Table { .. } => Some(Self::Table),
            Node::CodeBlock { .. } => Some(Self::Fence),
            _ => None,
        }
    }
}

/// In a table of more columns than this, cells that a row lacks are not added: a few bytes must not become a page.
const MAX_FILLED: usize = 128;

/// What one run found.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) pieces: Vec<Piece>,
    /// Which of the open lists are loose, as far as this text tells; one for each container.
    pub(crate) loose: Vec<bool>,
    pub(crate) links: Vec<Defined>,
    /// Labels that nothing defines, with their places.
    pub(crate) unresolved: Vec<(String, usize)>,
}

pub(crate) fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
}

/// Parses `text`, which begins with the stubs of `path`; places count from their end.
pub(crate) fn parse(text: &str, path: &[Container], definitions: &Definitions, links: Links) -> Parsed {
    let context: usize = path.iter().map(|container| container.stub.len()).sum();
    let footnotes = footnote_stub(&text[context..], definitions);
    let joined;
    let (source, base) = if footnotes.is_empty() {
        (text, context)
    } else {
        joined = format!("{footnotes}{text}");
        (joined.as_str(), context + footnotes.len())
    };
    let mut unresolved = Vec::new();
    let callback = |link: BrokenLink<'_>| {
        let target = definitions.link(&link.reference);
        if target.is_none() {
            unresolved.push((link.reference.to_string(), link.span.start.saturating_sub(base)));
        }
        target.map(|(address, title)| (CowStr::from(address.clone()), CowStr::from(title.clone())))
    };
    let parser = Parser::new_with_broken_link_callback(source, options(), Some(callback));
    let mut found: Vec<Defined> = parser
        .reference_definitions()
        .iter()
        .filter(|(_, definition)| definition.span.start >= base)
        .map(|(label, definition)| Defined {
            label: label.to_owned(),
            target: (
                definition.dest.to_string(),
                definition.title.as_ref().map(ToString::to_string).unwrap_or_default(),
            ),
            start: definition.span.start - base,
            end: definition.span.end - base,
        })
        .collect();
    found.sort_by_key(|defined| defined.start);
    let mut builder = Builder::new(source, base, footnotes.len(), path, definitions, links);
    for (event, range) in parser.into_offset_iter() {
        builder.take(event, range);
    }
    let Builder { pieces, loose, .. } = builder;
    Parsed { pieces, loose, links: found, unresolved }
}

/// Definitions of the footnotes that the document has and the text refers to, closed off by a rule.
fn footnote_stub(text: &str, definitions: &Definitions) -> String {
    let mut stub = String::new();
    if text.contains("[^") {
        for label in footnote_labels(text).filter(|label| definitions.footnote(label)) {
            stub.push_str("[^");
            stub.push_str(label);
            stub.push_str("]: x\n");
        }
        if !stub.is_empty() {
            stub.push_str("\n***\n");
        }
    }
    stub
}

/// What an open element of the parser means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// A container of the path.
    Path(usize),
    /// Of the context and not of the path: left out.
    Skipped,
    /// The piece that opened it.
    Piece(usize),
}

struct Builder<'a> {
    source: &'a str,
    base: usize,
    /// Where each container's stub stands in the source.
    stubs: Vec<(ContainerKind, Range<usize>)>,
    definitions: &'a Definitions,
    links: Links,
    open: Vec<Level>,
    /// Rows of the open table are not filled up with cells.
    wide: bool,
    /// The paragraph that text right in a tight item stands in.
    wrapped: bool,
    pieces: Vec<Piece>,
    loose: Vec<bool>,
}

impl<'a> Builder<'a> {
    fn new(
        source: &'a str,
        base: usize,
        mut stub: usize,
        path: &[Container],
        definitions: &'a Definitions,
        links: Links,
    ) -> Self {
        let stubs = path
            .iter()
            .map(|container| {
                let start = stub;
                stub += container.stub.len();
                (container.kind, start..stub)
            })
            .collect();
        Self {
            source,
            base,
            stubs,
            definitions,
            links,
            open: Vec::new(),
            wide: false,
            wrapped: false,
            pieces: Vec::with_capacity(64),
            loose: vec![false; path.len()],
        }
    }

    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        if self.open.last() == Some(&Level::Skipped) {
            match event {
                Event::Start(tag) => {
                    if tag == Tag::Paragraph {
                        self.mark_loose();
                    }
                    self.open.push(Level::Skipped);
                }
                Event::End(_) => {
                    self.open.pop();
                }
                _ => {}
            }
            return;
        }
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(text.into_string(), &range),
            Event::Code(code) => self.span(Node::Code, &code, &range),
            Event::InlineMath(tex) => self.span(Node::Math { display: false }, &format!("${tex}$"), &range),
            Event::DisplayMath(tex) => self.span(Node::Math { display: true }, &format!("$${tex}$$"), &range),
            Event::Html(html) | Event::InlineHtml(html) => self.text(html.into_string(), &range),
            Event::FootnoteReference(label) => {
                self.span(Node::FootnoteRef { label: label.into_string() }, "", &range);
            }
            Event::SoftBreak => self.span(Node::SoftBreak, "", &range),
            Event::HardBreak => self.span(Node::HardBreak, "", &range),
            Event::Rule => {
                self.unwrap_item();
                self.span(Node::Rule, "", &range);
            }
            Event::TaskListMarker(done) => self.span(Node::Task { done }, "", &range),
        }
    }

    /// The list of the paragraph that begins now, right in an item, is loose.
    fn mark_loose(&mut self) {
        let Some([list, item]) = self.open.last_chunk::<2>().copied() else { return };
        match list {
            Level::Path(list) => {
                let kind = self.stubs[list].0;
                self.loose[list] |= kind == ContainerKind::List;
            }
            Level::Piece(list) => {
                let in_item =
                    matches!(item, Level::Piece(item) if self.pieces[item].node() == Some(&Node::Item));
                if in_item && matches!(self.pieces[list].node(), Some(Node::List { .. })) {
                    self.pieces[list].loose = true;
                }
            }
            Level::Skipped => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        if let Tag::Table(columns) = &tag {
            self.wide = columns.len() > MAX_FILLED;
        }
        if self.wide && tag == Tag::TableCell && range.is_empty() {
            self.open.push(Level::Skipped);
            return;
        }
        let fenced = matches!(tag, Tag::CodeBlock(CodeBlockKind::Fenced(_)));
        let node = self.node(tag);
        if !node.is_inline() {
            self.unwrap_item();
        }
        if node == Node::Paragraph {
            self.mark_loose();
        }
        if range.start < self.base {
            let depth = self.open.len();
            let of_path = self.stubs.get(depth).is_some_and(|(kind, stub)| {
                Some(*kind) == ContainerKind::of(&node) && stub.contains(&range.start)
            });
            self.open.push(if of_path { Level::Path(depth) } else { Level::Skipped });
            return;
        }
        if node.is_inline() {
            self.wrap(&range);
        }
        self.open.push(Level::Piece(self.pieces.len()));
        self.push(Kind::Open(node), &range);
        if let Some(piece) = self.pieces.last_mut() {
            piece.fenced = fenced;
        }
    }

    fn end(&mut self) {
        let in_inline = matches!(self.open.last(), Some(Level::Piece(at)) if self.pieces[*at].node().is_some_and(Node::is_inline));
        if !in_inline {
            self.unwrap_item();
        }
        match self.open.pop() {
            Some(Level::Piece(open)) => {
                let Piece { at, end, .. } = self.pieces[open];
                self.pieces.push(Piece::new(Kind::Close, at, end));
            }
            Some(Level::Path(_)) => self.pieces.push(Piece::new(Kind::Close, 0, 0)),
            Some(Level::Skipped) | None => {}
        }
    }

    fn text(&mut self, text: String, range: &Range<usize>) {
        if range.start >= self.base && !text.is_empty() {
            self.wrap(range);
            self.push(Kind::Text(text), range);
        }
    }

    fn span(&mut self, node: Node, text: &str, range: &Range<usize>) {
        if range.start < self.base {
            return;
        }
        if node.is_inline() {
            self.wrap(range);
        }
        self.push(Kind::Open(node), range);
        if !text.is_empty() {
            self.push(Kind::Text(text.to_owned()), range);
        }
        self.push(Kind::Close, range);
    }

    /// Opens a paragraph where inline content stands right in an item.
    fn wrap(&mut self, range: &Range<usize>) {
        let in_item = match self.open.last() {
            Some(Level::Path(index)) => self.stubs[*index].0 == ContainerKind::Item,
            Some(Level::Piece(at)) => self.pieces[*at].node() == Some(&Node::Item),
            _ => false,
        };
        if in_item && !self.wrapped {
            self.wrapped = true;
            self.push(Kind::Open(Node::Paragraph), range);
        }
    }

    fn unwrap_item(&mut self) {
        if std::mem::take(&mut self.wrapped) {
            let last = self.pieces.last().map_or(0, |piece| piece.end);
            self.pieces.push(Piece::new(Kind::Close, last, last));
        }
    }

    fn push(&mut self, kind: Kind, range: &Range<usize>) {
        self.pieces.push(Piece::new(kind, range.start - self.base, range.end - self.base));
    }

    fn node(&self, tag: Tag<'_>) -> Node {
        match tag {
            Tag::Heading { level, .. } => Node::Heading { level: level as u8 },
            Tag::BlockQuote(_) => Node::Quote,
            Tag::CodeBlock(CodeBlockKind::Indented) => Node::CodeBlock { lang: String::new() },
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => Node::CodeBlock { lang: language(&info) },
            Tag::HtmlBlock => Node::HtmlBlock,
            Tag::List(start) => Node::List { start },
            Tag::Item => Node::Item,
            Tag::FootnoteDefinition(label) => Node::Footnote { label: label.into_string() },
            Tag::Table(columns) => Node::Table { align: columns.into_iter().map(align).collect() },
            Tag::TableHead => Node::TableHead,
            Tag::TableRow => Node::TableRow,
            Tag::TableCell => Node::TableCell,
            Tag::Emphasis => Node::Emphasis,
            Tag::Strong => Node::Strong,
            Tag::Strikethrough => Node::Strike,
            Tag::Link { link_type, dest_url, title, id } => {
                let (address, title) = self.target(link_type, dest_url, title, &id);
                Node::Link { href: self.links.allowed(&address), title }
            }
            Tag::Image { link_type, dest_url, title, id } => {
                let (address, title) = self.target(link_type, dest_url, title, &id);
                Node::Image { src: self.links.allowed(&address), title }
            }
            // Paragraphs, and what the options leave off.
            _ => Node::Paragraph,
        }
    }

    /// Where a link leads: the first definition of the whole document counts, not the first of this text.
    fn target(
        &self,
        kind: LinkType,
        address: CowStr<'_>,
        title: CowStr<'_>,
        label: &str,
    ) -> (String, String) {
        match kind {
            LinkType::Email => (format!("mailto:{address}"), title.into_string()),
            LinkType::Reference | LinkType::Collapsed | LinkType::Shortcut => self
                .definitions
                .link(label)
                .cloned()
                .unwrap_or_else(|| (address.into_string(), title.into_string())),
            _ => (address.into_string(), title.into_string()),
        }
    }
}

impl std::fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("bytes", &self.source.len()).finish_non_exhaustive()
    }
}

fn align(alignment: Alignment) -> Align {
    match alignment {
        Alignment::None => Align::None,
        Alignment::Left => Align::Left,
        Alignment::Center => Align::Center,
        Alignment::Right => Align::Right,
    }
}
