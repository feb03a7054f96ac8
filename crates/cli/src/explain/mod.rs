//! `perennial explain`: what happened to a stream, when.

mod account;

use clap::Args;
use serde_json::Value;

use crate::exit::{EXIT_CODES, Exit};
use crate::output::Answer;
use crate::place::{GatewayArgs, Place};
use crate::{Run, listen};

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ExplainArgs {
    /// The stream, as the header `perennial-stream` has it (strm_...), or a link to it, with the right that is in the link; or a conversation (conv_...) or the address of its page: the answer that comes in it, or its last
    #[arg(value_name = "ID")]
    stream: String,
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The timeline as the gateway gives it: JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ExplainArgs) -> Run {
    let timeline: Value = listen::runtime()?.block_on(async {
        let place = Place::find(&args.stream, &args.gateway).await?;
        args.gateway.asked(&place.gateway)?.get(&place.path("timeline")).await
    })?;
    let mut answer = Answer::new();
    if args.json {
        answer.json(&timeline)?;
    } else {
        answer.write(account::account(&timeline).as_bytes())?;
    }
    answer.flush()?;
    Ok(Exit::Done)
}
