//! How long to wait for what: five clocks, each with an error of its own.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::time::Duration;

use perennial::request::models;
use perennial::{Deadlines, ErrorKind, MessageRequest, RequestOptions, RetryPolicy};

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let short = Duration::from_millis(400);
    // The simulator stalls as the header says: silent for ever, or with nothing but pings.
    let table = [
        ("stall@headers", Deadlines { first_byte: short, ..Deadlines::default() }),
        ("stall@event=6", Deadlines { silence: short, ..Deadlines::default() }),
        // Pings keep the connection alive, so only the clock for content sees that nothing happens.
        ("ping=100ms; ping-stall@event=6", Deadlines { progress: short, ..Deadlines::default() }),
        ("tps=2", Deadlines { total: Some(short * 4), ..Deadlines::default() }),
    ];
    for (fault, deadlines) in table {
        let options = RequestOptions::new()
            .deadlines(deadlines)
            .retries(RetryPolicy::none())
            .header("perennial-sim", fault);
        let request =
            MessageRequest::new(models::CLAUDE_HAIKU_5_5, 512).user("Write 100 words about clocks.");
        match service.client.messages().with(&options).create(request).await {
            Ok(message) => println!("{fault}: answered in time ({:?})", message.stop_reason),
            Err(error) => match error.kind() {
                ErrorKind::Deadline(clock) => println!("{fault}: the {clock} deadline passed"),
                _ => return Err(error.into()),
            },
        }
    }
    Ok(())
}
