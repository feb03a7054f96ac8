//! Standard output: the answer, and nothing else.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, StdoutLock, Write as _};

use perennial_protocol::{BlockStatus, ContentBlock, Transcript};

use crate::exit::Failure;
use crate::terminal::shown;

/// Locked standard output that is flushed when told, so that text appears as it comes and bulk is written in bulk.
#[derive(Debug)]
pub(crate) struct Answer {
    out: io::BufWriter<StdoutLock<'static>>,
    to_terminal: bool,
}

impl Answer {
    pub(crate) fn new() -> Self {
        let to_terminal = io::stdout().is_terminal();
        Self { out: io::BufWriter::with_capacity(64 * 1024, io::stdout().lock()), to_terminal }
    }

    /// Whole characters; on a terminal without what could harm it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let bytes = if self.to_terminal { shown(bytes) } else { Cow::Borrowed(bytes) };
        self.out.write_all(&bytes).map_err(|error| Failure::writing(&error))
    }

    /// Text with colours of our own: what is not ours in it is harmless already.
    pub(crate) fn write_styled(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes()).map_err(|error| Failure::writing(&error))
    }

    /// One JSON value on a line of its own.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(value).map_err(|error| Failure::writing(&error.into()))?;
        line.push(b'\n');
        self.write(&line)
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| Failure::writing(&error))
    }
}

/// Gives the text of a transcript piece by piece, in the order of the blocks, whatever the order in which they grow.
#[derive(Debug, Default)]
pub(crate) struct TextCursor {
    block: Option<u64>,
    given: usize,
}

impl TextCursor {
    /// The text that came since the last call.
    pub(crate) fn advance(&mut self, transcript: &Transcript, mut give: impl FnMut(&str)) {
        loop {
            let Some(index) = self.block.or_else(|| transcript.indices().next()) else { return };
            self.block = Some(index);
            if let Some(ContentBlock::Text(block)) = transcript.block(index) {
                if let Some(text) = block.text.get(self.given..).filter(|text| !text.is_empty()) {
                    give(text);
                }
                self.given = block.text.len();
            }
            if transcript.block_status(index) == Some(BlockStatus::Open) && !transcript.is_finished() {
                return;
            }
            let Some(next) = transcript.indices().find(|next| *next > index) else { return };
            self.block = Some(next);
            self.given = 0;
        }
    }
}
