//! Where files and fragments come from: a path, an address, or `-`, which is standard input.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::time::Duration;

use futures_util::StreamExt as _;

use super::stdin::{self, MAX_BYTES};
use crate::exit::{Exit, Failure};

/// An address has to answer in this time, all of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Gets what is named. Standard input can be had once.
#[derive(Debug, Default)]
pub(crate) struct Fetcher {
    stdin_taken: bool,
}

impl Fetcher {
    /// The bytes of what is named by `flag`.
    pub(super) async fn bytes(&mut self, flag: &str, name: &str) -> Result<Vec<u8>, Failure> {
        let wrong = |why: String| Failure::new(Exit::Usage, format!("{flag} {name}: {why}"));
        if name == "-" {
            if std::mem::replace(&mut self.stdin_taken, true) {
                return Err(wrong("standard input is named twice".to_owned()));
            }
            if io::stdin().is_terminal() {
                return Err(wrong("standard input is a terminal; pipe something into it".to_owned()));
            }
            return stdin::bytes(false);
        }
        if is_address(name) {
            return fetched(name).await.map_err(wrong);
        }
        let mut bytes = Vec::new();
        let read = File::open(name).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
        read.map_err(|error| wrong(error.to_string()))?;
        fits(bytes).map_err(wrong)
    }

    /// The same as text.
    pub(super) async fn text(&mut self, flag: &str, name: &str) -> Result<String, Failure> {
        let bytes = self.bytes(flag, name).await?;
        String::from_utf8(bytes).map_err(|_| {
            let hint = if flag == "-f" { "; -a sends images and PDFs" } else { "" };
            Failure::new(Exit::Usage, format!("{flag} {name}: it is not UTF-8 text{hint}"))
        })
    }
}

pub(super) fn is_address(name: &str) -> bool {
    name.starts_with("http://") || name.starts_with("https://")
}

async fn fetched(address: &str) -> Result<Vec<u8>, String> {
    // The cause behind an error of the client says more than the error.
    let said = |error: reqwest::Error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("it cannot be fetched{cause}")
    };
    let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(said)?;
    let response = client.get(address).send().await.map_err(said)?;
    if !response.status().is_success() {
        return Err(format!("it cannot be fetched: status {}", response.status()));
    }
    let mut bytes = Vec::new();
    let mut body = response.bytes_stream();
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.map_err(said)?);
        bytes = fits(bytes)?;
    }
    Ok(bytes)
}

fn fits(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err("it is larger than 32 MB, the most that the service takes".to_owned());
    }
    Ok(bytes)
}
