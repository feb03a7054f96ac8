//! `perennial ask`: one question, one answer as it comes.

mod question;
mod show;
mod verdict;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use perennial::{Client, Deadlines, MessageStream, RetryPolicy, StreamEvent};
use tokio::time::Instant;

use crate::exit::{EXIT_CODES, Exit, Failure, say};
use crate::listen::Signals;
use crate::sim::SimulatorArgs;
use crate::{Run, embedded, seconds};
use show::Show;

/// The model that is asked where none is named.
const DEFAULT_MODEL: &str = "claude-sonnet-5-5";

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct AskArgs {
    /// The instruction. What comes by standard input is its context; without an instruction it is the question
    #[arg(value_name = "PROMPT", trailing_var_arg = false)]
    prompt: Vec<String>,
    /// The system prompt
    #[arg(short, long, value_name = "TEXT")]
    system: Option<String>,
    /// The model
    #[arg(short, long, value_name = "MODEL", default_value = DEFAULT_MODEL, env = "PERENNIAL_MODEL")]
    model: String,
    /// The most tokens that the answer may have, thinking included
    #[arg(long, value_name = "N", default_value_t = 16_000)]
    max_tokens: u64,
    /// Any field of the request: JSON or else text; dots go into objects (`-o output_config.effort=high`)
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// A header of the request
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Print the whole message as one line of JSON, at the end
    #[arg(long, group = "form")]
    json: bool,
    /// Print each event as one line of JSON, as it comes
    #[arg(long, group = "form")]
    events: bool,
    /// Print the stream as it comes, byte for byte
    #[arg(long, group = "form")]
    sse: bool,
    /// Print the text at the end, not as it comes
    #[arg(long, group = "form")]
    no_stream: bool,
    /// Say on standard error what the answer cost
    #[arg(short, long)]
    usage: bool,
    /// Ask for thinking and show it on standard error
    #[arg(long)]
    thinking: bool,
    /// Exit 7 where the answer was cut by a limit on its tokens
    #[arg(long)]
    fail_on_truncate: bool,
    /// Ask the embedded simulator, even if there is a key
    #[arg(long, conflicts_with = "base_url")]
    sim: bool,
    /// Where to ask, without /v1 [env: ANTHROPIC_BASE_URL]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Seconds after which to give up, whatever has come
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// How often to ask again where nothing of the answer had come
    #[arg(long, value_name = "N", default_value_t = RetryPolicy::default().max_retries)]
    retries: u32,
    /// Say nothing but errors on standard error
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten, next_help_heading = "Embedded simulator")]
    simulator: SimulatorArgs,
}

/// Times of one answer.
#[derive(Debug)]
struct Times {
    asked: Instant,
    first_text: Option<Duration>,
}

pub(crate) fn run(args: &AskArgs) -> Run {
    let context = question::context(!args.prompt.is_empty(), args.quiet)?;
    let request = question::compose(args, context)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("no runtime could be started: {error}")))?;
    let run = runtime.block_on(ask(args, request));
    // A write to an output that nobody reads must not keep the process.
    runtime.shutdown_background();
    run
}

async fn ask(args: &AskArgs, request: serde_json::Value) -> Run {
    let mut signals = Signals::catch()?;
    let (client, _simulator) = client(args).await?;
    let mut show = Show::new(args);
    let mut stream = client.messages().stream(request);
    let mut times = Times { asked: Instant::now(), first_text: None };
    let read = tokio::select! {
        read = read(&mut stream, &mut show, &mut times, args) => read,
        () = signals.next() => {
            // Dropping the reading keeps what it had printed; dropping the stream tells the service to stop.
            show.interrupted();
            if !args.quiet {
                verdict::interrupted(stream.transcript());
            }
            return Ok(Exit::Interrupted);
        }
    };
    let read = match read {
        Ok(read) => read,
        // The reader of the output has left: stop the answer at once.
        Err(failure) => return Err(failure),
    };
    show.end(stream.transcript(), read.is_err()).await?;
    if args.usage {
        verdict::usage(&stream, &times);
    }
    Ok(match read {
        Ok(()) => verdict::ended(&stream, args),
        Err(error) => verdict::failed(&error),
    })
}

/// Reads the stream to its end, or to what keeps it from its end.
async fn read(
    stream: &mut MessageStream,
    show: &mut Show,
    times: &mut Times,
    args: &AskArgs,
) -> Result<Result<(), perennial::Error>, Failure> {
    if args.sse || args.events {
        let mut frames = stream.frames();
        while let Some(frame) = frames.next().await {
            match frame {
                Ok(frame) => show.frame(&frame).await?,
                Err(error) => return Ok(Err(error)),
            }
        }
        return Ok(Ok(()));
    }
    while let Some(event) = stream.next().await {
        match event {
            Ok(StreamEvent::Retrying(again)) if !args.quiet => {
                say(format_args!(
                    "attempt {} in {:.1} s: {}",
                    again.attempt,
                    again.delay.as_secs_f64(),
                    again.cause
                ));
            }
            Ok(event) => {
                if matches!(event, StreamEvent::Text { .. }) {
                    times.first_text.get_or_insert_with(|| times.asked.elapsed());
                }
                show.event(&event, stream.transcript()).await?;
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

/// The client, and the simulator that it asks if it asks one.
async fn client(args: &AskArgs) -> Result<(Client, Option<perennial_sim::Handle>), Failure> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let keyed = set("ANTHROPIC_API_KEY") || set("ANTHROPIC_AUTH_TOKEN");
    let addressed = args.base_url.is_some() || set("ANTHROPIC_BASE_URL");
    let wrong = |error: perennial::Error| Failure::new(Exit::Configuration, error);
    let mut simulator = None;
    let mut builder = if args.sim || !(keyed || addressed) {
        let started = embedded::start(&args.simulator).await?;
        let builder = Client::builder().base_url(started.url()).api_key(embedded::KEY);
        simulator = Some(started);
        if !args.sim && !args.quiet {
            say(
                "no key and no base URL: the embedded simulator answers (set ANTHROPIC_API_KEY for the real thing)",
            );
        }
        builder
    } else if let Some(url) = &args.base_url {
        let builder = perennial::ClientBuilder::from_env();
        // Without a key the environment names no service; the flag does.
        let builder = if keyed { builder.map_err(wrong)? } else { Client::builder() };
        builder.base_url(url)
    } else {
        perennial::ClientBuilder::from_env().map_err(wrong)?
    };
    for header in &args.headers {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| Failure::new(Exit::Usage, format!("--header `{header}` is not `NAME: VALUE`")))?;
        builder = builder.header(name.trim(), value.trim());
    }
    let deadlines = Deadlines { total: args.timeout, ..Deadlines::default() };
    let retries = RetryPolicy { max_retries: args.retries, ..RetryPolicy::default() };
    let client = builder.deadlines(deadlines).retries(retries).build().map_err(wrong)?;
    Ok((client, simulator))
}

/// Whether thinking is shown: where it was asked for, or where a person watches.
fn shows_thinking(args: &AskArgs) -> bool {
    args.thinking || (!args.quiet && std::io::stdout().is_terminal() && std::io::stderr().is_terminal())
}
