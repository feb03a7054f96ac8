//! `perennial attach`: a stream of a gateway, from its beginning, then as it comes.

use clap::Args;

use crate::Run;
use crate::exit::{EXIT_CODES, Exit, Failure};
use crate::place::{GatewayArgs, Place};
use crate::reading::{self, FormArgs};

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct AttachArgs {
    /// The stream, as the header `perennial-stream` has it (strm_...), or a link to it, with the right that is in the link; or a conversation (conv_...) or the address of its page: the answer that comes in it, or its last
    #[arg(value_name = "ID")]
    stream: String,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten, next_help_heading = "The answer")]
    form: FormArgs,
}

pub(crate) fn run(args: &AttachArgs) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("no runtime could be started: {error}")))?;
    let run = runtime.block_on(async {
        let place = Place::find(&args.stream, &args.gateway).await?;
        let mut streams = args.gateway.client(&place.gateway)?.streams();
        if let Some(capability) = &place.capability {
            streams = streams.capability(capability);
        }
        reading::read(streams.attach(&place.stream), &args.form).await
    });
    // A write to an output that nobody reads must not keep the process.
    runtime.shutdown_background();
    run
}
