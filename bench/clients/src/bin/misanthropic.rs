//! misanthropic 1.0.0-alpha.25: events, with the message assembled by the crate (`with_message`).

use std::process::ExitCode;
use std::time::Duration;

use bench_clients::{Answer, Ending, Reading, Rival, request, run};
use futures_util::{StreamExt, pin_mut};
use misanthropic::Client;
use misanthropic::stream::{Delta, Error, Event, FilterExt};

fn main() -> ExitCode {
    run::<Misanthropic>()
}

struct Misanthropic {
    client: Client,
}

impl Rival for Misanthropic {
    /// The crate has no setting for a timeout.
    fn new(base_url: &str, _: Option<Duration>) -> Self {
        let client = Client::new("x".repeat(108)).expect("a key of 108 characters is one");
        Self { client: client.base_url(base_url).expect("the base URL is one") }
    }

    async fn read(&self, model: &str) -> Reading {
        let mut answer = Answer::default();
        let events = match self.client.stream(request(model)).await {
            Ok(events) => events.with_message(),
            Err(error) => return answer.failed("client", &error),
        };
        pin_mut!(events);
        let mut message = None;
        while let Some(event) = events.next().await {
            answer.events += 1;
            match event {
                Ok(Event::Message { message: whole }) => message = Some(whole),
                Ok(Event::ContentBlockDelta { delta: Delta::Text { text }, .. }) => {
                    answer.text.push_str(&text)
                }
                Ok(_) => {}
                Err(error) => return answer.failed(word(&error), &error),
            }
        }
        let Some(message) = message else { return answer.ended(Ending::Nothing) };
        let message = serde_json::to_value(&message).expect("a message is JSON");
        answer.stop_reason = message["stop_reason"].as_str().map(str::to_owned);
        let blocks = match &message["content"] {
            serde_json::Value::Array(blocks) => blocks.clone(),
            text => vec![serde_json::json!({"text": text})],
        };
        answer.text = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
        answer.input = blocks.iter().filter_map(|block| Some(block.get("input")?.to_string())).collect();
        answer.ended(Ending::Message)
    }
}

fn word(error: &Error) -> &'static str {
    match error {
        Error::Stream { .. } => "stream",
        Error::Parse { .. } => "parse",
        Error::Anthropic { .. } => "anthropic",
        _ => "assembly",
    }
}
