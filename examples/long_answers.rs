//! The whole answer at once, however long it takes: `create` reads a stream inside, so that no timeout on the way kills it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use perennial::MessageRequest;
use perennial::request::models;

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let request =
        MessageRequest::new(models::CLAUDE_SONNET_5_5, 16_000).user("Write 400 words about the sea.");
    let message = service.client.messages().create(request).await?;
    let text = message.text();
    println!("{} words, {:?}", text.split_whitespace().count(), message.stop_reason);
    Ok(())
}
