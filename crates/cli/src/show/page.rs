//! The answer on standard output, as it becomes certain. Nothing that was written is ever touched again.

use perennial::Transcript;

use super::code::{self, Which};
use super::document::Document;
use super::look::{Face, Look};
use super::out::Out;
use super::status;
use crate::exit::Failure;
use crate::output::TextCursor;
use crate::terminal::width;

/// When the answer is written, and what of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    AsItComes,
    AtTheEnd,
    /// One of its blocks of code, at the end.
    Code(Which),
    /// Nothing: the answer is wanted in another form.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Page {
    out: Out,
    face: Face,
    delivery: Delivery,
    cursor: TextCursor,
    document: Option<Document>,
    /// How many columns of the last line are written; 0 where a new one begins.
    column: usize,
    /// Something stands above what is written next.
    began: bool,
    /// Text was taken that is not on the page yet.
    pending: bool,
    columns: usize,
    to_terminal: bool,
    /// A note stands above on the same screen: text is set apart from it.
    below_note: bool,
}

impl Page {
    pub(crate) fn new(look: &Look, delivery: Delivery) -> Self {
        // What a program takes is not laid out.
        let face = match (delivery, look.out_is_terminal) {
            (Delivery::Code(_), true) => Face::Stripped,
            (Delivery::Code(_), false) => Face::Exact,
            _ => look.face,
        };
        Self {
            out: Out::new(look.out_is_terminal),
            face,
            delivery,
            cursor: TextCursor::default(),
            document: None,
            column: 0,
            began: false,
            pending: false,
            columns: look.notes.columns,
            to_terminal: look.out_is_terminal,
            below_note: false,
        }
    }

    /// Writes what came since the last call and is certain.
    pub(crate) async fn advance(&mut self, transcript: &Transcript) -> Result<(), Failure> {
        if self.delivery != Delivery::AsItComes {
            return Ok(());
        }
        let mut text = String::new();
        self.cursor.advance(transcript, |piece| text.push_str(piece));
        self.text(&text).await
    }

    /// Words of ours between those of the model, such as the number of a source; only where the answer is laid out.
    pub(crate) async fn mark(&mut self, markdown: &str) -> Result<(), Failure> {
        match self.face {
            Face::Plain(_) | Face::Styled(_) if self.delivery == Delivery::AsItComes => {
                self.text(markdown).await
            }
            _ => Ok(()),
        }
    }

    /// Something else than text follows: what was written is a document of its own.
    pub(crate) async fn part(&mut self) -> Result<(), Failure> {
        if let Some(mut document) = self.document.take() {
            self.pending = false;
            let rest = document.finish();
            self.styled(&rest).await?;
        }
        if self.to_terminal && self.column > 0 {
            self.written("\n");
            self.out.write(b"\n").await?;
        }
        Ok(())
    }

    /// Shows what is held back, since nothing more came for a while.
    pub(crate) async fn reveal(&mut self) -> Result<(), Failure> {
        self.pending = false;
        let Some(document) = &mut self.document else { return Ok(()) };
        let shown = document.reveal();
        self.styled(&shown).await
    }

    /// Whether something may be held back.
    pub(crate) fn holds(&self) -> bool {
        self.pending && self.document.is_some()
    }

    /// What is written at the end; a part of an answer as well. Says what had to be done otherwise than asked.
    pub(crate) async fn end(&mut self, transcript: &Transcript) -> Result<Option<&'static str>, Failure> {
        let mut note = None;
        match self.delivery {
            Delivery::AsItComes | Delivery::Nothing => {}
            Delivery::AtTheEnd => self.text(&transcript.text()).await?,
            Delivery::Code(which) => {
                let text = transcript.text();
                let code = code::find(&text, which);
                if code.is_none() && !text.is_empty() {
                    note = Some("the answer has no block of code; it is printed as it is");
                }
                self.text(code.as_deref().unwrap_or(&text)).await?;
            }
        }
        if let Some(mut document) = self.document.take() {
            let rest = document.finish();
            self.styled(&rest).await?;
        }
        if self.column > 0 {
            self.written("\n");
            self.out.write(b"\n").await?;
        }
        Ok(note)
    }

    /// One line of another form, or of the stream itself.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.began |= !bytes.is_empty();
        self.out.write(bytes).await
    }

    /// How many columns of the last line are written.
    pub(crate) fn column(&self) -> usize {
        self.column
    }

    /// Whether anything was written.
    pub(crate) fn began(&self) -> bool {
        self.began
    }

    /// A note follows on the same screen. It begins a line, and is set apart from text that is not in the middle of a line.
    pub(crate) fn make_room(&mut self) {
        if self.column > 0 {
            status::put("\n");
            self.column = 0;
            return;
        }
        if self.began && !self.below_note {
            status::put("\n");
        }
        self.below_note = true;
    }

    async fn text(&mut self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        if self.document.is_none() {
            self.document = Document::of(self.face);
        }
        let Some(document) = &mut self.document else {
            self.written(text);
            return self.out.write(text.as_bytes()).await;
        };
        self.pending = true;
        let certain = document.push(text);
        self.styled(&certain).await
    }

    async fn styled(&mut self, text: &str) -> Result<(), Failure> {
        self.written(text);
        self.out.write_styled(text).await
    }

    /// Text is about to be written.
    fn written(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if std::mem::take(&mut self.below_note) {
            status::put("\n");
        }
        self.began = true;
        let (before, last) = match text.rfind('\n') {
            Some(end) => (0, &text[end + 1..]),
            None => (self.column, text),
        };
        let mut column = before + width(last);
        // The terminal has broken the line itself.
        if column > self.columns && self.columns > 0 {
            column = (column - 1) % self.columns + 1;
        }
        self.column = column;
    }
}
