//! Standard input: read to its end, once, by whoever names it first.

use std::io::{self, IsTerminal as _, Read as _};
use std::sync::mpsc;
use std::time::Duration;

use crate::exit::{Exit, Failure, say};

/// The service takes no larger request.
pub(super) const MAX_BYTES: u64 = 32_000_000;
/// After so long the wait for it is mentioned: some programs start others with an input that never ends.
const MENTION: Duration = Duration::from_secs(3);

/// The text on standard input that nobody named: the question's context. None where a terminal stands there.
pub(crate) fn context(has_prompt: bool, quiet: bool) -> Result<Option<String>, Failure> {
    if io::stdin().is_terminal() {
        return Ok(None);
    }
    let text = String::from_utf8(bytes(has_prompt && !quiet)?).map_err(|_| {
        Failure::new(Exit::Usage, "standard input is not UTF-8 text; -a - sends an image or a PDF")
    })?;
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

/// All bytes of it.
pub(super) fn bytes(mention: bool) -> Result<Vec<u8>, Failure> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes);
        // Nobody waits any more where the process ends.
        drop(send.send(read));
    });
    let read = receive.recv_timeout(MENTION).or_else(|_| {
        if mention {
            say("reading the context from standard input (end it, or use `< /dev/null` for none)");
        }
        receive.recv()
    });
    match read {
        Ok(Ok(bytes)) if bytes.len() as u64 > MAX_BYTES => Err(Failure::new(
            Exit::Usage,
            "standard input is larger than 32 MB, the most that the service takes",
        )),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(Failure::new(Exit::Other, format!("standard input cannot be read: {error}"))),
        Err(_) => Err(Failure::new(Exit::Other, "standard input cannot be read")),
    }
}
