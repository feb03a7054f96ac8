//! Asks two questions about one long text; the second time the service has the text in its cache.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use perennial::MessageRequest;
use perennial::request::{Block, Cache, models};

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    // Short prefixes are not cached, so this one is long.
    let handbook: String =
        (1..400).map(|n| format!("Rule {n}: whoever breaks rule {n} reads all rules again.\n")).collect();

    for question in ["What does rule 7 say?", "How many rules are there?"] {
        let request = MessageRequest::new(models::CLAUDE_SONNET_5_5, 256)
            // The breakpoint: everything up to here is kept, in the order tools, system, messages. What differs from call to
            // call belongs behind it.
            .system([
                Block::text("You know this handbook by heart."),
                Block::text(&handbook).cache(Cache::FiveMinutes),
            ])
            .user(question);
        let message = service.client.messages().create(request).await?;
        let usage = &message.usage;
        println!(
            "{question} written to the cache: {}, read from it: {}, neither: {}",
            usage.cache_creation_input_tokens.unwrap_or(0),
            usage.cache_read_input_tokens.unwrap_or(0),
            usage.input_tokens.unwrap_or(0),
        );
    }
    Ok(())
}
