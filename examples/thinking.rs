//! Shows the thinking beside the answer, and sends it back unchanged with the next question.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use futures_util::StreamExt as _;
use perennial::request::{Display, Thinking, models};
use perennial::{Conversation, MessageRequest, StreamEvent};

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    // Recent models show no thinking unless asked to: an answer would seem not to begin.
    let request = MessageRequest::new(models::CLAUDE_OPUS_5_5, 4096)
        .thinking(Thinking::adaptive().display(Display::Summarized));
    let mut conversation = Conversation::new(request);

    for question in ["How many weekdays are in 30 days?", "And in 31?"] {
        conversation.user(question);
        let mut stream = service.client.messages().stream(conversation.request());
        let (mut thought, mut said) = (String::new(), String::new());
        while let Some(event) = stream.next().await {
            match event? {
                StreamEvent::Thinking { delta, .. } => thought += &delta,
                StreamEvent::Text { delta, .. } => said += &delta,
                _ => {}
            }
        }
        println!("[thinking] {}\n[answer] {}\n", thought.trim(), said.trim());

        // The signature in each block of thinking proves to the service that it is its own. The newest models refuse a
        // history in which a byte of it differs; appending the message as it is keeps it.
        conversation.append(&stream.final_message().await?);
    }
    Ok(())
}
