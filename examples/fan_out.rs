//! One stream, many readers: each gets every event, also those who come late.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::sync::Arc;

use futures_util::StreamExt as _;
use perennial::MessageRequest;
use perennial::request::models;
use tokio::sync::watch;

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let request = MessageRequest::new(models::CLAUDE_SONNET_5_5, 512).user("Write 40 words about choirs.");
    let mut stream = service.client.messages().stream(request).into_text_stream();

    // The pieces are written once into a log that only grows; a reader is a position in it. So a slow reader delays nobody and
    // loses nothing, where a channel would have to wait for it or drop pieces. Readers of other processes: see the gateway.
    let (log, reader) = watch::channel(Vec::<Arc<str>>::new());
    let readers: Vec<_> = (1..=3).map(|number| tokio::spawn(read(number, reader.clone()))).collect();
    while let Some(piece) = stream.next().await {
        let piece: Arc<str> = piece?.into();
        log.send_modify(|pieces| pieces.push(piece));
    }
    drop(log);

    for reader in readers {
        println!("{}", reader.await?);
    }
    Ok(())
}

/// Reads all pieces, from the first on, until the writer is gone.
async fn read(number: u32, mut log: watch::Receiver<Vec<Arc<str>>>) -> String {
    let mut text = String::new();
    let mut position = 0;
    loop {
        let news: Vec<Arc<str>> = log.borrow_and_update()[position..].to_vec();
        position += news.len();
        text.extend(news.iter().map(|piece| &**piece));
        if log.changed().await.is_err() {
            return format!("reader {number}: {text}");
        }
    }
}
