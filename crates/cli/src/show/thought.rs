//! What the model thinks, as far as it is shown.

use std::time::Duration;

use tokio::time::Instant;

use super::document::Document;
use super::look::{Face, Look, MEASURE, Thinking};
use super::status;
use super::words::{keep, last_words, span};
use crate::terminal;

/// A wait for thoughts that are not shown is spoken of from here on.
const WORTH_A_LINE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Thought {
    shown: Option<Thinking>,
    colored: bool,
    accessible: bool,
    since: Option<Instant>,
    /// The end of what was heard.
    heard: String,
    /// A line of it is printed and not ended.
    open: bool,
    /// How it is laid out, where all of it is shown on a terminal.
    face: Face,
    document: Option<Document>,
}

impl Thought {
    pub(super) fn new(look: &Look) -> Self {
        Self {
            shown: look.thinking,
            colored: look.notes.colored,
            accessible: look.notes.accessible,
            since: None,
            heard: String::new(),
            open: false,
            face: match look.notes_are_terminal {
                true => Face::Plain(Some(look.notes.columns.min(MEASURE))),
                false => Face::Exact,
            },
            document: None,
        }
    }

    pub(super) fn shows_all(&self) -> bool {
        self.shown == Some(Thinking::Full)
    }

    pub(super) fn is_heard(&self) -> bool {
        self.shown.is_some() && !self.heard.is_empty()
    }

    /// A thought begins; whether that is to be said in a line.
    pub(super) fn begin(&mut self) -> bool {
        self.since.get_or_insert_with(Instant::now);
        self.heard.clear();
        self.accessible && self.shown == Some(Thinking::Brief)
    }

    pub(super) fn hear(&mut self, delta: &str) {
        if self.shown.is_some() {
            keep(&mut self.heard, delta);
        }
    }

    /// A line of it is printed and not ended.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// A note follows: what is open ends.
    pub(super) fn end_line(&mut self) {
        if let Some(mut document) = self.document.take() {
            self.put(&document.finish());
        } else if self.open {
            self.put("\n");
        }
        self.open = false;
    }

    /// Prints a piece of it.
    pub(super) fn print(&mut self, delta: &str) {
        if delta.is_empty() {
            return;
        }
        self.open = true;
        if self.document.is_none() {
            self.document = Document::of(self.face);
        }
        match &mut self.document {
            Some(document) => {
                let certain = document.push(delta);
                self.put(&certain);
            }
            None => self.put(&terminal::harmless(delta)),
        }
    }

    /// Shows what is held back.
    pub(super) fn reveal(&mut self) {
        if let Some(document) = &mut self.document {
            let shown = document.reveal();
            self.put(&shown);
        }
    }

    fn put(&self, text: &str) {
        match self.colored {
            _ if text.is_empty() => {}
            true => status::put(&format!("\x1b[2m{text}\x1b[0m")),
            false => status::put(text),
        }
    }

    /// The end of it: what is said about it.
    pub(super) fn end(&mut self) -> Option<String> {
        self.end_line();
        let since = self.since.take()?;
        let shown = self.shown?;
        let took = since.elapsed();
        // Of thoughts that the model keeps to itself only a wait is worth a line.
        if shown == Thinking::Brief && self.heard.is_empty() && took < WORTH_A_LINE {
            return None;
        }
        Some(match took.as_secs() {
            0..10 => format!("thought {:.1} s", took.as_secs_f64()),
            _ => format!("thought {}", span(took)),
        })
    }

    pub(super) fn words(&self, room: usize) -> String {
        let took = self.since.map(|since| since.elapsed()).unwrap_or_default();
        let last = self.heard.trim_end();
        let last = last.rfind('\n').map_or(last, |end| &last[end + 1..]);
        let words = if self.shown.is_some() { last_words(last, room) } else { "" };
        let took = if took.as_secs() > 0 { format!(" {}", span(took)) } else { String::new() };
        format!("thinking{took}  {words}").trim_end().to_owned()
    }
}
