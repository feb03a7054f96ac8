//! An agent: the model calls tools that run here, and everything streams throughout.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::io::Write as _;

use futures_util::StreamExt as _;
use perennial::request::models;
use perennial::{MessageRequest, Step, ToolSet};
use schemars::JsonSchema;
use serde::Deserialize;

mod support;

/// The weather at a place, now.
#[derive(Deserialize, JsonSchema)]
struct GetWeather {
    /// A city, such as `Oslo`.
    city: String,
}

/// The time at a place, now.
#[derive(Deserialize, JsonSchema)]
struct GetTime {
    /// A city, such as `Oslo`.
    city: String,
}

async fn get_weather(input: GetWeather) -> Result<String, String> {
    match input.city.as_str() {
        // What goes wrong here is told to the model, which can say so or try otherwise.
        "" => Err("no city given".to_owned()),
        city => Ok(format!("Sunny in {city}, 14 degrees.")),
    }
}

async fn get_time(input: GetTime) -> String {
    format!("It is 12:30 in {}.", input.city)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let tools = ToolSet::new().on(get_weather).on(get_time);
    let request = MessageRequest::new(models::CLAUDE_SONNET_5_5, 2048).user("What is the weather in Oslo?");

    let mut run = service.client.messages().run(request, &tools);
    while let Some(step) = run.next().await {
        match step? {
            Step::TurnStarted { turn } => println!("--- turn {turn}"),
            Step::Event(event) => print!("{}", event.text().unwrap_or_default()),
            // Tools start when the whole answer is here and never twice, whatever happens to the connection.
            Step::ToolStarted { call } => println!("\n[{} {}]", call.name, call.input.text()),
            Step::ToolFinished { call, output, .. } => println!("[{} gave {:?}]", call.name, output.content),
            Step::Finished(end) => println!("\n--- {end:?}"),
            _ => {}
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}
