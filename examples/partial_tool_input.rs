//! Reads a tool's input while the model writes it, field by field.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use futures_util::StreamExt as _;
use perennial::request::{Tool, models};
use perennial::{MessageRequest, StreamEvent};
use schemars::JsonSchema;
use serde::Deserialize;

mod support;

/// Draws up a weather report for a city.
#[derive(Deserialize, JsonSchema)]
struct WeatherReport {
    /// A city, such as `Oslo`.
    city: String,
    /// The report, in full sentences.
    summary: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let request = MessageRequest::new(models::CLAUDE_SONNET_5_5, 1024)
        // Without it, the service sends whole values only; with it, every piece as it is written, and unchecked.
        .tool(Tool::of::<WeatherReport>().eager_input_streaming())
        .user("Draw up a weather report for Oslo.");

    let mut stream = service.client.messages().stream(request).following_inputs();
    while let Some(event) = stream.next().await {
        match event? {
            StreamEvent::InputJson { index, .. } => {
                // What can be read so far: open strings and objects are as long as they are by now. Linear time in all.
                let input = stream.transcript().partial_input(index);
                if let Some(value) = input.and_then(|input| input.value()) {
                    println!("so far: {value}");
                }
            }
            StreamEvent::BlockFinished { block, .. } => {
                let Some(call) = block.as_tool_use() else { continue };
                // Only now it is known whether the input is whole. Never run a tool on less.
                match call.input.json() {
                    Some(json) => {
                        let WeatherReport { city, summary } = json.parse()?;
                        println!("whole: {city}: {summary}");
                    }
                    None => println!("not usable: {}", call.input.text()),
                }
            }
            _ => {}
        }
    }
    Ok(())
}
