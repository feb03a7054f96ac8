//! What an answer costs: figures while it streams, and the figures that count.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use futures_util::StreamExt as _;
use perennial::request::models;
use perennial::{MessageRequest, StreamEvent};

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let request = MessageRequest::new(models::CLAUDE_HAIKU_5_5, 512).user("Write 60 words about rain.");

    let mut stream = service.client.messages().stream(request);
    while let Some(event) = stream.next().await {
        if let StreamEvent::MessageStarted | StreamEvent::MessageFinished(_) = event? {
            // At the start the output figure is a placeholder. Never bill by it, and never by the length of the text.
            let usage = stream.usage();
            println!(
                "{} input, {} output tokens{}",
                usage.tokens.total_input_tokens(),
                usage.tokens.output_tokens.unwrap_or(0),
                if usage.is_final { "" } else { " (not final)" }
            );
        }
    }
    // Cost = tokens of each kind times the price of that kind (input, cache write, cache read, output). Prices change and are
    // not in this library; an unknown price is unknown, not zero.
    println!("request {}", stream.request_id().unwrap_or("without an id"));
    let limits = stream.rate_limits();
    if let Some(remaining) = limits.requests.and_then(|limit| limit.remaining) {
        println!("{remaining} requests left in this period");
    }
    Ok(())
}
