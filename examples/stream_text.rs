//! Streams the text of an answer as it is written: the least one has to know.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::io::Write as _;

use futures_util::StreamExt as _;
use perennial::MessageRequest;
use perennial::request::models;

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let request = MessageRequest::new(models::CLAUDE_SONNET_5_5, 1024).user("Why is the sky blue?");

    let mut stream = service.client.messages().stream(request);
    let mut text = stream.text_stream();
    while let Some(piece) = text.next().await {
        // An answer that is cut short is an error here: what has been printed is never taken for the whole.
        print!("{}", piece?);
        std::io::stdout().flush()?;
    }

    // The stream is at its end, so the message is whole. Always look at why it ended.
    let message = stream.final_message().await?;
    println!();
    eprintln!("({:?}, {:?} output tokens)", message.stop_reason, message.usage.output_tokens);
    Ok(())
}
