//! Stops an answer: the service stops at once, and what came is kept.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use futures_util::StreamExt as _;
use perennial::MessageRequest;
use perennial::request::models;

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let request =
        MessageRequest::new(models::CLAUDE_SONNET_5_5, 8192).user("Write 2000 words about patience.");

    let mut stream = service.client.messages().stream(request);
    let mut text = stream.text_stream();
    let mut received = 0;
    while let Some(piece) = text.next().await {
        received += piece?.len();
        if received > 200 {
            break;
        }
    }
    // Closing the connection is how the service is told to stop. Dropping the stream does the same and keeps nothing.
    let transcript = stream.cancel();
    println!("{}...", transcript.text());
    println!("[{}]", transcript.end());
    Ok(())
}
