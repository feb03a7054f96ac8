//! The command `perennial`: argument parsing and wiring, nothing else. One module for each command.
//!
//! Two rules hold for all of them. Standard output carries the answer and nothing else, so that every command can be piped; what is said
//! about the answer goes to standard error. And each kind of end has its exit code ([`exit::Exit`]), so that a script need not read.
#![forbid(unsafe_code)]

mod args;
mod ask;
mod attach;
mod chat;
mod completions;
mod config;
mod decode;
mod doctor;
mod embedded;
mod event_line;
mod exit;
mod explain;
mod gateway;
mod history;
mod keys;
mod ledger;
mod listen;
mod logging;
mod logs;
mod man;
mod moment;
mod output;
mod place;
mod question;
mod reading;
mod record;
mod recording;
mod render;
mod replay;
mod serve;
mod service;
mod show;
mod sim;
mod store;
mod table;
mod tail;
mod terminal;
mod usage;
mod wishes;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use crate::args::{Args, Command};
use crate::exit::{Exit, Failure};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are answers too; a pipe that was closed on them is no error.
            drop(error.print());
            return Exit::from_clap(&error).into();
        }
    };
    let run = match args.command {
        Command::Ask(args) => ask::run(&args),
        Command::Attach(args) => attach::run(&args),
        Command::Chat(args) => chat::run(&args),
        Command::Completions(args) => completions::run(&args, Args::command()),
        Command::Config(args) => config::command::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Man(args) => man::run(&args, Args::command()),
        Command::Record(args) => recording::command::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Usage(args) => usage::run(&args),
    };
    match run {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

/// The system's allocator keeps an arena for each thread, and what hundreds of streams at once took there does not come back. mimalloc kept
/// most of it as well: twice what jemalloc has after a minute in which nothing happens, since jemalloc has a thread that gives back what
/// is free. It is built for one size of pages, which only this architecture has everywhere.
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a command comes to: an end with a code, or a failure with a line that says what to do.
type Run = Result<Exit, Failure>;

/// A duration in seconds, such as `15` or `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|span| !span.is_zero() && span.as_secs() <= 86_400)
        .ok_or_else(|| "must be above 0 and at most a day".to_owned())
}
