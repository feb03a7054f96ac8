//! The usual stack: reqwest, eventsource-stream and serde_json, with types and a fold of one's own.
//!
//! Written as guides show it, with some care: errors of the service are told apart, and unknown events, blocks and deltas are
//! passed over. What hardly anybody writes is left out: a check that `message_stop` came, retries, a deadline for progress.

use std::process::ExitCode;
use std::time::Duration;

use bench_clients::{Answer, Ending, Reading, Rival, request, run};
use eventsource_stream::Eventsource;
use futures_util::{StreamExt, pin_mut};
use serde::Deserialize;

fn main() -> ExitCode {
    run::<Usual>()
}

struct Usual {
    http: reqwest::Client,
    url: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    ContentBlockStart {
        index: usize,
        content_block: Block,
    },
    ContentBlockDelta {
        index: usize,
        delta: Delta,
    },
    MessageDelta {
        delta: MessageDelta,
    },
    MessageStop,
    Error {
        error: ApiError,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    ToolUse {},
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Delta {
    TextDelta {
        text: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct MessageDelta {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

#[derive(Default)]
struct Folded {
    blocks: Vec<(String, String)>,
    answer: Answer,
}

impl Rival for Usual {
    fn new(base_url: &str, read_timeout: Option<Duration>) -> Self {
        let builder = reqwest::Client::builder();
        let builder = if let Some(timeout) = read_timeout { builder.read_timeout(timeout) } else { builder };
        Self {
            http: builder.build().expect("the client can be built"),
            url: format!("{base_url}/v1/messages"),
        }
    }

    async fn read(&self, model: &str) -> Reading {
        let asked = self
            .http
            .post(&self.url)
            .header("x-api-key", "test-key")
            .header("anthropic-version", "2023-06-01");
        let mut folded = Folded::default();
        let response =
            match asked.json(&request(model)).send().await.and_then(reqwest::Response::error_for_status) {
                Ok(response) => response,
                Err(error) => return folded.finish().failed(word(&error), &error),
            };
        let events = response.bytes_stream().eventsource();
        pin_mut!(events);
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => return folded.finish().failed("eventsource", &error),
            };
            folded.answer.events += 1;
            match serde_json::from_str(&event.data) {
                Ok(Event::MessageStop) => break,
                Ok(Event::Error { error }) => return folded.finish().failed(error.kind, &error.message),
                Ok(event) => folded.take(event),
                Err(error) => return folded.finish().failed("json", &error),
            }
        }
        folded.finish().ended(Ending::Message)
    }
}

impl Folded {
    fn take(&mut self, event: Event) {
        match event {
            Event::ContentBlockStart { index, content_block } => {
                self.blocks.resize_with(self.blocks.len().max(index + 1), Default::default);
                if let Block::Text { text } = content_block {
                    self.blocks[index].0 = text;
                }
            }
            Event::ContentBlockDelta { index, delta } => {
                let Some(block) = self.blocks.get_mut(index) else { return };
                match delta {
                    Delta::TextDelta { text } => block.0.push_str(&text),
                    Delta::InputJsonDelta { partial_json } => block.1.push_str(&partial_json),
                    Delta::Other => {}
                }
            }
            Event::MessageDelta { delta } => self.answer.stop_reason = delta.stop_reason,
            Event::MessageStop | Event::Error { .. } | Event::Other => {}
        }
    }

    fn finish(mut self) -> Answer {
        for (text, input) in self.blocks {
            self.answer.text.push_str(&text);
            self.answer.input.push_str(&input);
        }
        self.answer
    }
}

fn word(error: &reqwest::Error) -> &'static str {
    match () {
        () if error.is_status() => "status",
        () if error.is_timeout() => "timeout",
        () if error.is_connect() => "connect",
        () => "request",
    }
}
