//! Why an answer ended. A stream that is whole can still bring an answer that is not.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use perennial::request::models;
use perennial::{MessageRequest, RequestOptions, StopReason};

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let ask = |max_tokens| MessageRequest::new(models::CLAUDE_SONNET_5_5, max_tokens).user("Count to 30.");
    let table = [
        (ask(512), ""),
        (ask(8), ""),
        (ask(512).stop_sequences(["7"]), ""),
        // The simulator refuses or pauses on demand; the real service does not know this header.
        (ask(512), "refuse"),
        (ask(512), "pause_turn"),
    ];
    for (request, orders) in table {
        let options = RequestOptions::new().header("perennial-sim", orders);
        let message = service.client.messages().with(&options).create(request).await?;
        let advice = match &message.stop_reason {
            Some(StopReason::EndTurn) => "whole".to_owned(),
            Some(reason) if reason.is_cut() => "cut: raise the limit, or let it go on".to_owned(),
            Some(StopReason::StopSequence) => format!("stopped at {:?}", message.stop_sequence),
            Some(StopReason::Refusal) => "declined: discard what came, and do not go on with it".to_owned(),
            Some(StopReason::PauseTurn) => "paused: send the answer back as it is to go on".to_owned(),
            Some(StopReason::ToolUse) => "run the tools and send their results".to_owned(),
            // New reasons may come at any time.
            other => format!("{other:?}"),
        };
        println!("{}: {advice}", message.stop_reason.as_ref().map_or("none", StopReason::as_str));
    }
    Ok(())
}
