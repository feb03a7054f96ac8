//! Shows everything that happens in a stream, one line each.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use futures_util::StreamExt as _;
use perennial::request::{Display, Thinking, models};
use perennial::{MessageRequest, StreamEvent};

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let request = MessageRequest::new(models::CLAUDE_OPUS_5_5, 2048)
        .thinking(Thinking::adaptive().display(Display::Summarized))
        .user("Say hello.");

    let mut stream = service.client.messages().stream(request);
    while let Some(event) = stream.next().await {
        match event? {
            StreamEvent::MessageStarted => {
                println!("message started: {}", stream.transcript().envelope().model);
            }
            StreamEvent::BlockStarted { index, block } => println!("block {index} started: {}", block.kind()),
            StreamEvent::Text { index, delta } => println!("block {index} text: {delta:?}"),
            StreamEvent::Thinking { index, delta, .. } => println!("block {index} thinking: {delta:?}"),
            StreamEvent::Signature { index, .. } => println!("block {index} signature"),
            StreamEvent::BlockFinished { index, block } => {
                println!("block {index} finished: {}", block.kind());
            }
            StreamEvent::MessageUpdated(delta) => println!("message updated: {:?}", delta.delta.stop_reason),
            StreamEvent::MessageFinished(end) => println!("message finished: {end}"),
            // Signs of life: the connection is there although nothing comes.
            StreamEvent::Ping | StreamEvent::Alive => println!("ping"),
            StreamEvent::Retrying(retrying) => {
                println!("attempt {} in {:?}", retrying.attempt, retrying.delay);
            }
            // The service may add events at any time. Nothing is lost: what this version does not know is handed on raw.
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
