//! Work that nobody waits for: a batch of requests at half the price, its results read as they arrive.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::time::Duration;

use futures_util::StreamExt as _;
use perennial::MessageRequest;
use perennial::request::models;
use perennial::resources::BatchOutcome;

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let batches = service.client.messages().batches();
    let ask = |question: &str| MessageRequest::new(models::CLAUDE_HAIKU_5_5, 256).user(question);

    let batch = batches.create([("greeting", ask("Say hello.")), ("sum", ask("What is 2 + 2?"))]).await?;
    println!("{} has {} requests", batch.id, batch.request_counts.total());
    // A batch of the real service takes minutes to hours: ask rarely, or come back later with the id.
    let batch = batches.wait(&batch.id, Duration::from_millis(200)).await?;

    // Results come in any order and may be gigabytes: they are decoded line by line.
    let mut results = batches.results(&batch).await?;
    while let Some(result) = results.next().await {
        let result = result?;
        match result.outcome {
            BatchOutcome::Succeeded(message) => println!("{}: {}", result.custom_id, message.text()),
            BatchOutcome::Errored(error) => println!("{}: {error}", result.custom_id),
            other => println!("{}: {other:?}", result.custom_id),
        }
    }
    Ok(())
}
