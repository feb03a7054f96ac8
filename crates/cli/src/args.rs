//! The command line as types.

use clap::{Parser, Subcommand};

use crate::exit::EXIT_CODES;
use crate::{
    ask, attach, chat, completions, config, decode, doctor, explain, keys, logs, man, recording, render,
    replay, serve, sim, tail, usage,
};

/// Streams from Claude that do not break.
#[derive(Debug, Parser)]
#[command(name = "perennial", version, max_term_width = 100, after_help = EXIT_CODES)]
#[command(subcommand_required = true, arg_required_else_help = true, infer_subcommands = false)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask a question and read the answer as it comes
    Ask(Box<ask::AskArgs>),
    /// Read a stream of a gateway by its name: what came, then what comes
    Attach(attach::AttachArgs),
    /// Talk with the model: a conversation that is kept, with branches
    Chat(Box<chat::ChatArgs>),
    /// Print what completes this command in a shell
    Completions(completions::CompletionsArgs),
    /// See whether a file of settings is right, or print an example of one
    Config(config::command::ConfigArgs),
    /// Read a captured stream: its message, events, text, or departures from the grammar
    Decode(decode::DecodeArgs),
    /// See whether key, address, network and clock are in place, in words
    Doctor(doctor::DoctorArgs),
    /// Tell what happened to a stream: attempts, seams, waits, its end
    Explain(explain::ExplainArgs),
    /// Render markdown as if it came in pieces: for a terminal, as plain text, HTML or operations
    Render(render::RenderArgs),
    /// Make, list, rotate and revoke the keys that a gateway gives out
    Keys(keys::KeysArgs),
    /// List, show, search and export the conversations of this terminal
    Logs(logs::LogsArgs),
    /// Print the manual page, or write the pages of all commands into a folder
    Man(man::ManArgs),
    /// Record a stream with the time of each event
    Record(recording::command::RecordArgs),
    /// Show a recording at the pace at which it came
    Replay(replay::ReplayArgs),
    /// Run the gateway: what SDKs and applications talk to instead of the Claude API
    Serve(Box<serve::ServeArgs>),
    /// Run the simulator: a Claude to build and test against
    Sim(sim::SimArgs),
    /// Tell of the streams of a gateway as they begin and end
    Tail(tail::TailArgs),
    /// Sum up what was used and what it cost
    Usage(usage::UsageArgs),
}
