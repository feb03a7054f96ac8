//! Standard output, written without holding up the reading: what nobody takes must not keep Ctrl-C from working.

use std::borrow::Cow;

use tokio::io::AsyncWriteExt as _;

use crate::exit::Failure;
use crate::terminal;

#[derive(Debug)]
pub(crate) struct Out {
    out: tokio::io::Stdout,
    /// On a terminal nothing that the model says may move the cursor or change the title.
    to_terminal: bool,
}

impl Out {
    pub(crate) fn new(to_terminal: bool) -> Self {
        Self { out: tokio::io::stdout(), to_terminal }
    }

    /// Whole characters; on a terminal without what could harm it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let bytes = if self.to_terminal { terminal::shown(bytes) } else { Cow::Borrowed(bytes) };
        self.put(&bytes).await
    }

    /// Text with colours of our own: what is not ours in it is harmless already.
    pub(crate) async fn write_styled(&mut self, text: &str) -> Result<(), Failure> {
        self.put(text.as_bytes()).await
    }

    async fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written = async {
            self.out.write_all(bytes).await?;
            self.out.flush().await
        };
        written.await.map_err(|error| Failure::writing(&error))
    }
}
