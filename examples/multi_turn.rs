//! A conversation: each answer is appended unchanged, and the next question follows.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use perennial::request::models;
use perennial::{Conversation, MessageRequest, Next};

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let messages = service.client.messages();
    let settings = MessageRequest::new(models::CLAUDE_SONNET_5_5, 512).system("Be brief.");
    let mut conversation = Conversation::new(settings);

    for said in ["My name is Ada.", "What is my name?"] {
        println!("> {said}");
        conversation.user(said);
        let answer = messages.create(conversation.request()).await?;
        println!("{}", answer.text());
        match conversation.append(&answer) {
            Next::Answered => {}
            Next::Cut => println!("(cut at the limit)"),
            Next::Refused => println!("(declined; the turn was taken out of the conversation)"),
            other => println!("({other:?})"),
        }
    }
    println!("{} messages in the history", conversation.messages().len());
    Ok(())
}
