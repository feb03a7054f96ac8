//! What is shown of an answer, and where.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use perennial::protocol::sse::Decoder;
use perennial::{StreamEvent, Transcript};
use tokio::io::AsyncWriteExt as _;

use super::{AskArgs, shows_thinking};
use crate::event_line;
use crate::exit::Failure;
use crate::output::{self, TextCursor};

/// The form of the answer on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    TextAtTheEnd,
    Json,
    Events,
    Sse,
}

/// Writes without holding up the reading: what nobody takes must not keep Ctrl-C from working.
#[derive(Debug)]
pub(super) struct Show {
    form: Form,
    out: tokio::io::Stdout,
    /// On a terminal nothing that the model says may move the cursor or change the title.
    to_terminal: bool,
    thinking: bool,
    dims: bool,
    cursor: TextCursor,
    decoder: Decoder,
    events: u64,
    text_open: bool,
    thinking_open: bool,
}

impl Show {
    pub(super) fn new(args: &AskArgs) -> Self {
        let form = match args {
            AskArgs { json: true, .. } => Form::Json,
            AskArgs { events: true, .. } => Form::Events,
            AskArgs { sse: true, .. } => Form::Sse,
            AskArgs { no_stream: true, .. } => Form::TextAtTheEnd,
            _ => Form::Text,
        };
        Self {
            form,
            out: tokio::io::stdout(),
            to_terminal: io::stdout().is_terminal(),
            thinking: shows_thinking(args),
            dims: output::stderr_colour(),
            cursor: TextCursor::default(),
            decoder: Decoder::new(),
            events: 0,
            text_open: false,
            thinking_open: false,
        }
    }

    /// One event, with the transcript that has it.
    pub(super) async fn event(
        &mut self,
        event: &StreamEvent,
        transcript: &Transcript,
    ) -> Result<(), Failure> {
        if let StreamEvent::Thinking { delta, .. } = event
            && self.thinking
        {
            self.thought(delta);
        }
        if self.form != Form::Text {
            return Ok(());
        }
        let mut text = String::new();
        self.cursor.advance(transcript, |piece| text.push_str(piece));
        self.text(&text).await
    }

    /// One frame, as it came.
    pub(super) async fn frame(&mut self, frame: &[u8]) -> Result<(), Failure> {
        if self.form == Form::Sse {
            return self.write(frame).await;
        }
        let mut lines = Vec::new();
        let mut input = frame;
        while let Some(frame) = self.decoder.next_frame(&mut input) {
            let Ok(frame) = frame else { continue };
            if let Some(line) = event_line::line(&frame, self.events + 1) {
                self.events += 1;
                lines.extend_from_slice(&line);
            }
        }
        self.write(&lines).await
    }

    /// What is printed at the end.
    pub(super) async fn end(&mut self, transcript: &Transcript, failed: bool) -> Result<(), Failure> {
        match self.form {
            Form::Json if !failed || transcript.indices().next().is_some() => {
                let mut line = serde_json::to_vec(&transcript.message())
                    .map_err(|error| Failure::writing(&error.into()))?;
                line.push(b'\n');
                self.write(&line).await?;
            }
            Form::TextAtTheEnd => self.text(&transcript.text()).await?,
            _ => {}
        }
        if self.text_open {
            self.write(b"\n").await?;
        }
        self.close_thinking();
        Ok(())
    }

    /// The end by a signal. The line is ended only where it stands on the same screen as what is said next.
    pub(super) fn interrupted(&mut self) {
        self.close_thinking();
        if self.text_open && self.to_terminal {
            drop(io::stdout().write_all(b"\n"));
        }
    }

    async fn text(&mut self, text: &str) -> Result<(), Failure> {
        let Some(last) = text.chars().next_back() else { return Ok(()) };
        self.close_thinking();
        self.text_open = last != '\n';
        self.write(text.as_bytes()).await
    }

    fn thought(&mut self, text: &str) {
        self.thinking_open = true;
        let text = output::harmless(text);
        let shown = if self.dims { format!("\x1b[2m{text}\x1b[0m") } else { text.into_owned() };
        drop(io::stderr().write_all(shown.as_bytes()));
    }

    fn close_thinking(&mut self) {
        if std::mem::take(&mut self.thinking_open) {
            drop(io::stderr().write_all(b"\n\n"));
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let bytes = if self.to_terminal { output::shown(bytes) } else { Cow::Borrowed(bytes) };
        let written = async {
            self.out.write_all(&bytes).await?;
            self.out.flush().await
        };
        written.await.map_err(|error| Failure::writing(&error))
    }
}
