//! HTML: the sink for pages.
//!
//! Nothing of the model's text becomes markup: texts and attributes are escaped, raw HTML arrives as text, and images are
//! placeholders that load nothing.

use std::fmt::Write as _;

use crate::document::{Document, ROOT, Step};
use crate::{Align, Node, Op};

/// Holds a document and writes it as HTML.
#[derive(Debug, Default)]
pub struct Html {
    document: Document,
}

impl Html {
    /// An empty document.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies operations in their order.
    pub fn apply(&mut self, ops: &[Op]) {
        for op in ops {
            self.document.apply(op);
        }
    }

    /// The whole document; what is still open is closed.
    #[must_use]
    pub fn html(&self) -> String {
        let mut writer = Writer::default();
        self.document.walk(ROOT, |step| writer.take(&step));
        writer.out
    }
}

#[derive(Default)]
struct Writer {
    out: String,
    tables: Vec<Columns>,
}

/// The columns of an open table, and where its row stands.
struct Columns {
    align: Vec<Align>,
    next: usize,
    in_head: bool,
    has_body: bool,
}

impl Writer {
    fn take(&mut self, step: &Step<'_>) {
        match step {
            Step::Text(text) => escape(text, &mut self.out),
            Step::Enter(_, true) | Step::Leave(_, true) => {}
            Step::Enter(element, false) => {
                if let Some(node) = &element.node {
                    self.enter(node);
                }
            }
            Step::Leave(element, false) => {
                if let Some(node) = &element.node {
                    self.leave(node);
                }
            }
        }
    }

    fn enter(&mut self, node: &Node) {
        let begins_line = matches!(
            node,
            Node::Paragraph
                | Node::Heading { .. }
                | Node::Quote
                | Node::CodeBlock { .. }
                | Node::List { .. }
                | Node::Item
                | Node::HtmlBlock
                | Node::Footnote { .. }
                | Node::Rule
        );
        if begins_line && !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        match node {
            Node::Paragraph => self.out.push_str("<p>"),
            Node::Heading { level } => self.write(format_args!("<h{level}>")),
            Node::Quote => self.out.push_str("<blockquote>\n"),
            Node::CodeBlock { lang } if lang.is_empty() => self.out.push_str("<pre><code>"),
            Node::CodeBlock { lang } => {
                self.attribute("<pre><code", "class", &format!("language-{lang}"), ">");
            }
            Node::List { start: None } => self.out.push_str("<ul>\n"),
            Node::List { start: Some(1) } => self.out.push_str("<ol>\n"),
            Node::List { start: Some(start) } => self.write(format_args!("<ol start=\"{start}\">\n")),
            Node::Item => self.out.push_str("<li>"),
            Node::Table { align } => {
                self.tables.push(Columns { align: align.clone(), next: 0, in_head: false, has_body: false });
                self.out.push_str("<table>");
            }
            Node::TableHead | Node::TableRow => self.row(node == &Node::TableHead),
            Node::TableCell => self.cell(),
            Node::HtmlBlock => self.out.push_str("<pre class=\"html\">"),
            Node::Footnote { label } => {
                self.attribute(
                    "<div class=\"footnote-definition\"",
                    "id",
                    label,
                    "><sup class=\"footnote-definition-label\">",
                );
                escape(label, &mut self.out);
                self.out.push_str("</sup>");
            }
            Node::Rule => self.out.push_str("<hr />\n"),
            Node::Emphasis => self.out.push_str("<em>"),
            Node::Strong => self.out.push_str("<strong>"),
            Node::Strike => self.out.push_str("<del>"),
            Node::Code => self.out.push_str("<code>"),
            Node::Math { display: false } => self.out.push_str("<span class=\"math math-inline\">"),
            Node::Math { display: true } => self.out.push_str("<span class=\"math math-display\">"),
            Node::Link { href, title } => {
                self.link("<a", "href", href.as_deref(), title, " rel=\"noopener noreferrer nofollow\"");
            }
            Node::Image { src, title } => {
                self.link("<span class=\"image\" role=\"img\"", "data-src", src.as_deref(), title, "");
            }
            Node::FootnoteRef { label } => {
                self.attribute("<sup class=\"footnote-reference\"><a", "href", &format!("#{label}"), ">");
                escape(label, &mut self.out);
                self.out.push_str("</a></sup>");
            }
            Node::Token { token } => self.write(format_args!("<span class=\"hl-{}\">", token.name())),
            Node::Task { done: true } => {
                self.out.push_str("<input disabled=\"\" type=\"checkbox\" checked=\"\"/>\n");
            }
            Node::Task { done: false } => self.out.push_str("<input disabled=\"\" type=\"checkbox\"/>\n"),
            Node::SoftBreak => self.out.push('\n'),
            Node::HardBreak => self.out.push_str("<br />\n"),
        }
    }

    fn leave(&mut self, node: &Node) {
        let end = match node {
            Node::Paragraph => "</p>\n",
            Node::Heading { level } => return self.write(format_args!("</h{level}>\n")),
            Node::Quote => "</blockquote>\n",
            Node::CodeBlock { .. } => "</code></pre>\n",
            Node::List { start: None } => "</ul>\n",
            Node::List { start: Some(_) } => "</ol>\n",
            Node::Item => "</li>\n",
            Node::Table { .. } => match self.tables.pop() {
                Some(columns) if columns.has_body => "</tbody></table>\n",
                _ => "</table>\n",
            },
            Node::TableHead => "</tr></thead>\n",
            Node::TableRow => "</tr>\n",
            Node::TableCell if self.tables.last().is_some_and(|columns| columns.in_head) => "</th>",
            Node::TableCell => "</td>",
            Node::HtmlBlock => "</pre>\n",
            Node::Footnote { .. } => "</div>\n",
            Node::Emphasis => "</em>",
            Node::Strong => "</strong>",
            Node::Strike => "</del>",
            Node::Code => "</code>",
            Node::Math { .. } | Node::Image { .. } | Node::Token { .. } => "</span>",
            Node::Link { .. } => "</a>",
            Node::Rule | Node::FootnoteRef { .. } | Node::Task { .. } | Node::SoftBreak | Node::HardBreak => {
                ""
            }
        };
        self.out.push_str(end);
    }

    fn row(&mut self, head: bool) {
        let Some(columns) = self.tables.last_mut() else { return };
        columns.next = 0;
        columns.in_head = head;
        if head {
            self.out.push_str("<thead>");
        } else if !std::mem::replace(&mut columns.has_body, true) {
            self.out.push_str("<tbody>\n");
        }
        self.out.push_str("<tr>");
    }

    fn cell(&mut self) {
        let Some(columns) = self.tables.last_mut() else { return };
        let align = columns.align.get(columns.next).copied().unwrap_or(Align::None);
        columns.next += 1;
        self.out.push_str(if columns.in_head { "<th" } else { "<td" });
        self.out.push_str(match align {
            Align::None => ">",
            Align::Left => " style=\"text-align: left\">",
            Align::Center => " style=\"text-align: center\">",
            Align::Right => " style=\"text-align: right\">",
        });
    }

    fn link(&mut self, tag: &str, name: &str, address: Option<&str>, title: &str, more: &str) {
        self.out.push_str(tag);
        if let Some(address) = address {
            self.attribute("", name, &percent(address), "");
            self.out.push_str(more);
        }
        if !title.is_empty() {
            self.attribute("", "title", title, "");
        }
        self.out.push('>');
    }

    fn attribute(&mut self, before: &str, name: &str, value: &str, after: &str) {
        self.write(format_args!("{before} {name}=\""));
        escape_attribute(value, &mut self.out);
        self.write(format_args!("\"{after}"));
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.out.write_fmt(arguments);
    }
}

fn escape(text: &str, out: &mut String) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let entity = match byte {
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'&' => "&amp;",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(entity);
        from = at + 1;
    }
    out.push_str(&text[from..]);
}

fn escape_attribute(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            c => out.push(c),
        }
    }
}

/// An address with everything percent-encoded that may not stand in one.
fn percent(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    for byte in address.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.+!*'(),%#@?=;:/&$~".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
