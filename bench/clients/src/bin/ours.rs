//! Ours, with its default settings but for the deadlines that a probe asks for.

use std::process::ExitCode;
use std::time::Duration;

use bench_clients::{Answer, Ending, Reading, Rival, request, run};
use perennial::{Client, Deadlines, Error, Message};

fn main() -> ExitCode {
    run::<Perennial>()
}

struct Perennial {
    client: Client,
}

impl Rival for Perennial {
    fn new(base_url: &str, read_timeout: Option<Duration>) -> Self {
        let builder = Client::builder().base_url(base_url).api_key("test-key");
        let builder = match read_timeout {
            None => builder,
            Some(limit) => builder.deadlines(Deadlines {
                first_byte: limit,
                silence: limit,
                progress: limit,
                ..Deadlines::default()
            }),
        };
        Self { client: builder.build().expect("every setting is there") }
    }

    async fn read(&self, model: &str) -> Reading {
        match self.client.messages().create(&request(model)).await {
            Ok(message) => answer(&message).ended(Ending::Message),
            Err(error) => {
                let partial = error.partial().map(|partial| answer(&partial.message())).unwrap_or_default();
                partial.failed(format!("{:?}", error.kind()), &error as &Error)
            }
        }
    }
}

fn answer(message: &Message) -> Answer {
    let inputs = message.tool_calls().map(|call| call.input.text());
    let stop_reason = message.stop_reason.as_ref().map(|reason| reason.as_str().to_owned());
    Answer { text: message.text(), input: inputs.collect(), stop_reason, events: 0 }
}
