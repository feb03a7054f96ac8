//! How large a request is, before it is sent, and which models there are.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use futures_util::TryStreamExt as _;
use perennial::MessageRequest;
use perennial::request::models;

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let request = MessageRequest::new(models::CLAUDE_OPUS_5_5, 1024)
        .system("You are terse.")
        .user("Tell me about the history of timekeeping.");
    let count = service.client.messages().count_tokens(&request).await?;
    println!("{} input tokens", count.input_tokens);

    let mut models = std::pin::pin!(service.client.models().all());
    while let Some(model) = models.try_next().await? {
        println!("{} ({})", model.id, model.display_name);
    }
    Ok(())
}
