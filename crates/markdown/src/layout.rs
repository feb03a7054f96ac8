//! Layout: operations to lines of a terminal, one after another, never back.
//!
//! Words wait for their end before they are printed, tables for theirs; everything else is printed as it comes. Code is
//! never wrapped: a break that is not in the code would be copied with it.

use unicode_width::UnicodeWidthStr;

use crate::grid::{Grid, Run};
use crate::ink::Ink;
use crate::style::Style;
use crate::{Node, Op, Token};

/// What a block that holds others puts before their lines.
#[derive(Debug, Clone)]
struct Frame {
    kind: FrameKind,
    /// Before the first line; taken when that is printed.
    marker: Option<String>,
    /// Before the others.
    prefix: String,
    children: usize,
    /// Of a list: the number of the next item.
    number: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    Document,
    Quote,
    List,
    Item,
    Footnote,
}

/// The state of a page that is being printed.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    width: Option<usize>,
    frames: Vec<Frame>,
    open: Vec<Node>,
    styles: Vec<Style>,
    /// The column that is printed next; `None` where the line has not begun.
    column: Option<usize>,
    word: Vec<Run>,
    blank: Option<Style>,
    verbatim: bool,
    table: Option<Grid>,
    /// The text of the open link.
    link: String,
}

impl Layout {
    pub(crate) fn new(width: Option<usize>) -> Self {
        let document = Frame {
            kind: FrameKind::Document,
            marker: None,
            prefix: String::new(),
            children: 0,
            number: None,
        };
        Self {
            width,
            frames: vec![document],
            open: Vec::new(),
            styles: vec![Style::default()],
            column: None,
            word: Vec::new(),
            blank: None,
            verbatim: false,
            table: None,
            link: String::new(),
        }
    }

    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    pub(crate) fn take(&mut self, op: &Op, ink: &mut Ink) {
        match op {
            Op::Open { node, .. } => self.open(node, ink),
            Op::Text { text } => self.text(text, ink),
            Op::Close => self.close(ink),
            _ => {}
        }
    }

    /// Prints the word that waits for its end.
    pub(crate) fn flush(&mut self, ink: &mut Ink) {
        self.end_word(ink);
    }

    pub(crate) fn end(&mut self, ink: &mut Ink) {
        self.end_line(ink);
        ink.plain();
    }

    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or_default()
    }

    fn open(&mut self, node: &Node, ink: &mut Ink) {
        let mut style = self.style();
        match node {
            Node::Paragraph => self.begin(false, ink),
            Node::Heading { level } => {
                self.begin(false, ink);
                style.bold = true;
                style.underline = *level == 1;
            }
            Node::Quote => {
                self.begin(false, ink);
                self.frame(FrameKind::Quote, None, "│ ".to_owned(), None);
                style.italic = true;
            }
            Node::CodeBlock { .. } | Node::HtmlBlock => {
                self.begin(false, ink);
                self.verbatim = true;
                style = Style { color: Some(36), ..Style::default() };
            }
            Node::List { start } => {
                self.begin(true, ink);
                self.frame(FrameKind::List, None, String::new(), *start);
            }
            Node::Item => self.item(ink),
            Node::Footnote { label } => {
                self.begin(false, ink);
                self.frame(FrameKind::Footnote, Some(format!("[^{label}]: ")), "    ".to_owned(), None);
            }
            Node::Rule => {
                self.begin(false, ink);
                let rule = "─".repeat(self.width.unwrap_or(40).min(40));
                self.print(&rule, Style { dim: true, ..Style::default() }, ink);
            }
            Node::Table { align } => {
                self.begin(false, ink);
                self.table = Some(Grid::new(align.clone()));
            }
            Node::TableHead | Node::TableRow => {
                style.bold |= node == &Node::TableHead;
                if let Some(table) = &mut self.table {
                    table.row();
                }
            }
            Node::TableCell => {
                if let Some(table) = &mut self.table {
                    table.cell();
                }
            }
            Node::Emphasis => style.italic = true,
            Node::Strong => style.bold = true,
            Node::Strike => style.strike = true,
            Node::Code => style.color = Some(36),
            Node::Link { .. } => {
                self.link.clear();
                style.underline = true;
            }
            Node::Image { .. } => {
                self.words("[image: ", style, ink);
                self.link.clear();
            }
            Node::FootnoteRef { label } => self.words(&format!("[^{label}]"), style, ink),
            Node::Task { done } => self.words(if *done { "[x] " } else { "[ ] " }, style, ink),
            Node::SoftBreak => self.words(" ", style, ink),
            Node::HardBreak => self.hard_break(ink),
            Node::Token { token } => style = token_style(*token),
            Node::Math { .. } => {}
        }
        self.styles.push(style);
        self.open.push(node.clone());
    }

    fn close(&mut self, ink: &mut Ink) {
        self.styles.pop();
        let Some(node) = self.open.pop() else { return };
        let dim = Style { dim: true, ..Style::default() };
        match node {
            Node::Paragraph | Node::Heading { .. } | Node::Rule => self.end_line(ink),
            Node::CodeBlock { .. } | Node::HtmlBlock => {
                self.verbatim = false;
                self.end_line(ink);
            }
            Node::Quote | Node::List { .. } | Node::Item | Node::Footnote { .. } => {
                // An empty item has its marker only.
                if self.frames.last().is_some_and(|frame| frame.marker.is_some()) {
                    self.start_line(ink);
                }
                self.end_line(ink);
                self.frames.pop();
            }
            Node::Table { .. } => self.print_table(ink),
            Node::Link { href: Some(href), .. } => {
                let shown = href.strip_prefix("mailto:").unwrap_or(&href);
                if shown != self.link && shown.strip_prefix("http://") != Some(&self.link) {
                    self.words(&format!(" ({href})"), dim, ink);
                }
            }
            Node::Image { src, .. } => {
                self.words("]", self.style(), ink);
                if let Some(src) = src {
                    self.words(&format!(" ({src})"), dim, ink);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, ink: &mut Ink) {
        let style = self.style();
        if !self.verbatim {
            if self.open.iter().rev().any(|node| matches!(node, Node::Link { .. } | Node::Image { .. })) {
                self.link.push_str(text);
            }
            self.words(text, style, ink);
            return;
        }
        for line in text.split_inclusive('\n') {
            let body = line.strip_suffix('\n').unwrap_or(line);
            if !body.is_empty() {
                self.print(body, style, ink);
            }
            if body.len() < line.len() {
                if self.column.is_none() {
                    self.start_blank_line(ink);
                }
                self.end_line(ink);
            }
        }
    }

    fn frame(&mut self, kind: FrameKind, marker: Option<String>, prefix: String, number: Option<u64>) {
        self.frames.push(Frame { kind, marker, prefix, children: 0, number });
    }

    /// A block begins: on a new line, and apart from the one before unless it belongs close to it.
    fn begin(&mut self, list: bool, ink: &mut Ink) {
        let Some(parent) = self.frames.last_mut() else { return };
        parent.children += 1;
        let first = parent.children == 1;
        let close = list && parent.kind == FrameKind::Item;
        if !first {
            self.end_line(ink);
            if !close {
                self.start_blank_line(ink);
                self.end_line(ink);
            }
        }
    }

    fn item(&mut self, ink: &mut Ink) {
        self.end_line(ink);
        let marker = match self.frames.last_mut() {
            Some(Frame { number: Some(number), .. }) => {
                let marker = format!("{number}. ");
                *number += 1;
                marker
            }
            _ => "• ".to_owned(),
        };
        let prefix = " ".repeat(marker.width());
        self.frame(FrameKind::Item, Some(marker), prefix, None);
    }

    fn hard_break(&mut self, ink: &mut Ink) {
        self.end_word(ink);
        self.blank = None;
        if let Some(table) = &mut self.table {
            table.text(" ", Style::default());
        } else {
            self.end_line(ink);
        }
    }

    fn words(&mut self, text: &str, style: Style, ink: &mut Ink) {
        if let Some(table) = &mut self.table {
            table.text(&text.replace(['\n', '\t'], " "), style);
            return;
        }
        for c in text.chars() {
            if c.is_whitespace() && c != '\u{a0}' {
                self.end_word(ink);
                if self.column.is_some() {
                    self.blank.get_or_insert(style);
                }
                continue;
            }
            let last = self.word.last().and_then(|(text, _)| text.chars().next_back());
            if last.is_some_and(|last| may_part(last, c)) {
                self.end_word(ink);
            }
            match self.word.last_mut() {
                Some((text, look)) if *look == style => text.push(c),
                _ => self.word.push((c.to_string(), style)),
            }
        }
    }

    fn end_word(&mut self, ink: &mut Ink) {
        if self.word.is_empty() {
            return;
        }
        let word = std::mem::take(&mut self.word);
        let wide: usize = word.iter().map(|(text, _)| text.width()).sum();
        let blank = self.blank.take();
        if let (Some(column), Some(width)) = (self.column, self.width) {
            if column + usize::from(blank.is_some()) + wide > width && column > self.indent() {
                self.end_line(ink);
            } else if let Some(style) = blank {
                self.print(" ", style, ink);
            }
        } else if let (Some(style), Some(_)) = (blank, self.column) {
            self.print(" ", style, ink);
        }
        for (text, style) in &word {
            self.print(text, *style, ink);
        }
    }

    fn indent(&self) -> usize {
        self.frames.iter().map(|frame| frame.prefix.width()).sum()
    }

    fn print(&mut self, text: &str, style: Style, ink: &mut Ink) {
        self.start_line(ink);
        ink.put(text, style);
        self.column = self.column.map(|column| column + text.width());
    }

    /// Prints what stands before a line.
    fn start_line(&mut self, ink: &mut Ink) {
        if self.column.is_some() {
            return;
        }
        let mut column = 0;
        for frame in &mut self.frames {
            let prefix = frame.marker.take();
            let prefix = prefix.as_ref().unwrap_or(&frame.prefix);
            if !prefix.is_empty() {
                ink.put(prefix, Style { dim: true, ..Style::default() });
                column += prefix.width();
            }
        }
        self.column = Some(column);
    }

    /// A line with nothing in it but the bars of quotes.
    fn start_blank_line(&mut self, ink: &mut Ink) {
        let mut prefix: String = self.frames.iter().map(|frame| frame.prefix.as_str()).collect();
        prefix.truncate(prefix.trim_end().len());
        ink.put(&prefix, Style { dim: true, ..Style::default() });
        self.column = Some(prefix.width());
    }

    fn end_line(&mut self, ink: &mut Ink) {
        self.end_word(ink);
        self.blank = None;
        if self.column.take().is_some() {
            ink.new_line();
        }
    }

    fn print_table(&mut self, ink: &mut Ink) {
        let Some(table) = self.table.take() else { return };
        let width = self.width.map(|width| width.saturating_sub(self.indent()));
        for line in table.lines(width) {
            for (text, style) in &line {
                self.print(text, *style, ink);
            }
            self.end_line(ink);
        }
    }
}

fn token_style(token: Token) -> Style {
    let color = match token {
        Token::Comment => return Style { dim: true, ..Style::default() },
        Token::Keyword => 35,
        Token::String | Token::Inserted => 32,
        Token::Number | Token::Constant | Token::Type => 33,
        Token::Function | Token::Tag => 34,
        Token::Attribute => 36,
        Token::Deleted => 31,
    };
    Style { color: Some(color), ..Style::default() }
}

/// Whether a line may be broken between two characters that no blank parts: where one of them is of a script without blanks.
fn may_part(last: char, next: char) -> bool {
    let wide = |c: char| matches!(c, '\u{2e80}'..='\u{2fff}' | '\u{3040}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
    let stop = |c: char| {
        c.is_ascii_punctuation()
            || matches!(c, '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}' | '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' | '\u{30fb}'..='\u{30fe}')
    };
    let opening = |c: char| "([{\u{3008}\u{300a}\u{300c}\u{300e}\u{3010}\u{ff08}".contains(c);
    (wide(last) || wide(next) || (stop(last) && !last.is_ascii() && !opening(last)))
        && !stop(next)
        && !opening(last)
        || (wide(last) && opening(next))
}
