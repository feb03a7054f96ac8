//! An answer outlives its reader: started at a gateway, left in the middle, and read on from where the reader stopped.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use futures_util::StreamExt as _;
use perennial::request::models;
use perennial::{MessageRequest, Position};

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect_to_gateway().await?;
    let streams = service.client.streams();
    let request = MessageRequest::new(models::CLAUDE_SONNET_5_5, 1024).user("Count to 20.");

    // The answer is made from here on, whether anybody reads it or not.
    let id = streams.create(request).await?.id;
    println!("started {id}");

    // A first reader goes away after some words, and keeps two things: the name of the stream and how far it was.
    let mut first = streams.attach(&id);
    let mut read = String::new();
    let mut text = first.text_stream();
    while read.len() < 10 {
        let Some(piece) = text.next().await else { break };
        read += &piece?;
    }
    let kept = first.position().map(|position| position.to_string()).unwrap_or_default();
    drop(first);
    println!("first reader: {read:?}, up to {kept}");

    // A second one goes on there; it may be another process, tomorrow. Connections that break in between are not seen.
    let mut second = streams.attach(&id).after(kept.parse::<Position>()?);
    let mut rest = String::new();
    let mut text = second.text_stream();
    while let Some(piece) = text.next().await {
        rest += &piece?;
    }
    println!("second reader: {rest:?}");

    // It has the whole answer all the same.
    let message = second.final_message().await?;
    assert_eq!(message.text(), read + &rest);
    println!("whole: {} bytes, {:?}", message.text().len(), message.stop_reason);
    println!("{}: {}", id, streams.get(&id).await?.state);
    Ok(())
}
