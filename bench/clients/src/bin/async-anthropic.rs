//! async-anthropic 0.6.0: a stream of typed events; the fold is the user's own, since the crate has none.

use std::process::ExitCode;
use std::time::Duration;

use async_anthropic::Client;
use async_anthropic::errors::AnthropicError;
use async_anthropic::types::{
    ContentBlockDelta, CreateMessagesRequest, CreateMessagesRequestBuilder, MessageBuilder, MessageContent,
    MessageRole, MessagesStreamEvent,
};
use bench_clients::{Answer, Ending, Reading, Rival, run};
use futures_util::StreamExt;

fn main() -> ExitCode {
    run::<AsyncAnthropic>()
}

struct AsyncAnthropic {
    client: Client,
}

impl Rival for AsyncAnthropic {
    fn new(base_url: &str, read_timeout: Option<Duration>) -> Self {
        let builder = reqwest_0_12::Client::builder();
        let builder = if let Some(timeout) = read_timeout { builder.read_timeout(timeout) } else { builder };
        let http = builder.build().expect("the client can be built");
        let client = Client::builder()
            .http_client(http)
            .base_url(base_url)
            .api_key(secrecy::SecretString::from("test-key"))
            .version("2023-06-01")
            .build()
            .expect("every setting is there");
        Self { client }
    }

    async fn read(&self, model: &str) -> Reading {
        let mut answer = Answer::default();
        let mut blocks: Vec<(String, String)> = Vec::new();
        let mut events = self.client.messages().create_stream(asked(model)).await;
        let mut error = None;
        while let Some(event) = events.next().await {
            answer.events += 1;
            match event {
                Ok(MessagesStreamEvent::ContentBlockStart { index, content_block }) => {
                    blocks.resize_with(blocks.len().max(index + 1), Default::default);
                    if let MessageContent::Text(text) = content_block {
                        blocks[index].0 = text.text;
                    }
                }
                Ok(MessagesStreamEvent::ContentBlockDelta { index, delta }) => {
                    let Some(block) = blocks.get_mut(index) else { continue };
                    match delta {
                        ContentBlockDelta::TextDelta { text } => block.0.push_str(&text),
                        ContentBlockDelta::InputJsonDelta { partial_json } => block.1.push_str(&partial_json),
                    }
                }
                Ok(MessagesStreamEvent::MessageDelta { delta, .. }) => answer.stop_reason = delta.stop_reason,
                Ok(MessagesStreamEvent::MessageStop) => break,
                Ok(_) => {}
                Err(raised) => {
                    error = Some(raised);
                    break;
                }
            }
        }
        for (text, input) in blocks {
            answer.text.push_str(&text);
            answer.input.push_str(&input);
        }
        match error {
            None => answer.ended(Ending::Message),
            Some(error) => answer.failed(word(&error), &error),
        }
    }
}

fn asked(model: &str) -> CreateMessagesRequest {
    let message = MessageBuilder::default()
        .role(MessageRole::User)
        .content("What is a river?")
        .build()
        .expect("the message is whole");
    CreateMessagesRequestBuilder::default()
        .model(model)
        .max_tokens(4096)
        .messages(vec![message])
        .build()
        .expect("the request is whole")
}

fn word(error: &AnthropicError) -> String {
    match error {
        AnthropicError::StreamError(error) => error.error_type.clone(),
        AnthropicError::DeserializationError(_) => "json".to_owned(),
        AnthropicError::NetworkError(_) => "network".to_owned(),
        _ => "api".to_owned(),
    }
}
