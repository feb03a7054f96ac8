//! A connection breaks in the middle of an answer: what came is kept, and the conversation goes on from it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use perennial::request::models;
use perennial::{Conversation, MessageRequest, Next, RequestOptions};

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let mut conversation = Conversation::new(MessageRequest::new(models::CLAUDE_SONNET_5_5, 1024));
    conversation.user("Count to 20.");

    // The simulator cuts the connection after a few events. The real service does not know this header.
    let options = RequestOptions::new().header("perennial-sim", "fin@event=9");
    let messages = service.client.messages();
    let mut stream = messages.clone().with(&options).stream(conversation.request());
    match stream.finish().await {
        Ok(()) => drop(conversation.append(&stream.final_message().await?)),
        Err(error) => {
            println!("{error}");
            let Some(partial) = error.partial() else { return Err(error.into()) };
            println!("kept: {:?}", partial.text());
            // Two ways to go on. `drop_turn` forgets the turn; asking again then costs it again. `keep_partial` keeps what the service
            // accepts in a history, and the model goes on from there.
            assert_eq!(conversation.keep_partial(partial), Next::Cut);
            conversation
                .user("You were interrupted. Go on from where you stopped, without repeating anything.");
            let message = messages.create(conversation.request()).await?;
            println!("went on: {:?}", message.text());
        }
    }
    Ok(())
}
