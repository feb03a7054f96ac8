//! `perennial chat`: a conversation in a terminal, kept as it goes.
//!
//! Between two lines nothing runs but the editor of the line; while an answer comes, the terminal collects what is typed without showing it. So
//! what is shown is what `ask` shows, and the screen is never drawn by two.

mod answer;
mod begun;
mod beside;
mod book;
mod browser;
mod changes;
mod command;
mod lines;
mod session;
mod tools;
mod typed;
mod words;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
#[cfg(unix)]
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;

use self::command::{Command, Input};
use self::lines::{Line, Lines};
use self::session::Session;
use crate::exit::{EXIT_CODES, Exit, Failure, say};
use crate::listen::Signals;
use crate::service::ServiceArgs;
use crate::show::{Thinking, Wishes};
use crate::wishes::LookArgs;
use crate::{Run, listen};

/// How long a process that ends waits for what still writes.
const LAST_WORDS: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ChatArgs {
    /// The system prompt
    #[arg(short, long, value_name = "TEXT")]
    system: Option<String>,
    /// The model [default: claude-sonnet-5-5]
    #[arg(short, long, value_name = "MODEL", env = "PERENNIAL_MODEL")]
    model: Option<String>,
    /// Go on with the conversation that was changed last
    #[arg(short = 'c', long = "continue", conflicts_with = "cid")]
    goes_on: bool,
    /// Go on with this conversation, by the beginning of its id
    #[arg(long, value_name = "ID")]
    cid: Option<String>,
    /// The most tokens of an answer, thinking included [default: 16000]
    #[arg(long, value_name = "N")]
    max_tokens: Option<u64>,
    /// Ask for thinking, and show it: how long it took, or all of it
    #[arg(long, value_name = "HOW")]
    thinking: Option<Thinking>,
    /// Any field of the requests: JSON or else text; dots go into objects (`-o output_config.effort=high`)
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// Keep nothing of it
    #[arg(short = 'n', long)]
    no_log: bool,
    /// Say after each answer what it took
    #[arg(short, long)]
    usage: bool,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten, next_help_heading = "Where to ask")]
    service: ServiceArgs,
}

/// What comes after a line.
#[derive(Debug, PartialEq, Eq)]
enum Flow {
    On,
    /// An answer was stopped: Ctrl-C once more leaves.
    Stopped,
    Leave(Exit),
}

pub(crate) fn run(args: &ChatArgs) -> Run {
    let runtime = listen::runtime()?;
    let mut session = runtime.block_on(Session::open(args))?;
    let leaving = Arc::new(AtomicBool::new(false));
    runtime.spawn(leave(Arc::clone(&leaving)));
    let mut lines = Lines::new(session.history_of_lines(), leaving, session.look.notes.redraws)?;
    session.greet(lines.are_typed());
    let mut is_armed = false;
    // Caught from here on, and kept: one that comes between two lines is not lost.
    let mut signals = runtime.block_on(async { Signals::catch() })?;
    let mut flow = runtime.block_on(session.rejoin(&mut signals)).or_else(Failure::said)?;
    let exit = loop {
        match flow {
            Flow::On => {}
            Flow::Stopped => {
                is_armed = true;
                say("Ctrl-C once more leaves, and so does Ctrl-D");
            }
            Flow::Leave(exit) => break exit,
        }
        let line = match session.typed_before() {
            Some(line) => line,
            None => lines.next(&runtime, &mut signals)?,
        };
        if lines.are_edited() {
            // The editor of a line takes Ctrl-C as a key: what was caught before it belongs to an answer that is over.
            signals = runtime.block_on(async { Signals::catch() })?;
        }
        flow = match line {
            Line::Text(text) => {
                is_armed = false;
                let done = runtime.block_on(session.take(Input::read(&text), &mut signals));
                done.or_else(Failure::said)?
            }
            Line::Interrupted if is_armed => Flow::Leave(Exit::Interrupted),
            Line::Interrupted => Flow::Stopped,
            Line::Left => Flow::Leave(Exit::Interrupted),
            Line::End => Flow::Leave(Exit::Done),
        };
    };
    runtime.block_on(session.close());
    runtime.shutdown_timeout(LAST_WORDS);
    Ok(exit)
}

/// Once a signal of an answer was caught, no later one ends this process by itself: this tells the editor of a line.
async fn leave(leaving: Arc<AtomicBool>) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut told) = signal(SignalKind::terminate()) {
            told.recv().await;
            leaving.store(true, Ordering::Relaxed);
        }
    }
    #[cfg(not(unix))]
    drop(leaving);
}

impl ChatArgs {
    /// Whether the conversation can be one that a gateway keeps: there are none with other fields of the request, and none that nobody keeps.
    fn is_for_a_gateway(&self) -> bool {
        !self.no_log && self.options.is_empty() && !self.service.wants_the_service_itself()
    }

    fn wishes(&self) -> Wishes {
        Wishes { thinking: self.thinking, ..self.look.wishes() }
    }
}

impl Failure {
    /// What goes wrong with one line is said, and the next one can be another; that nobody reads the answers any more is the end.
    fn said(self) -> Result<Flow, Self> {
        if self.is_broken_pipe() {
            return Err(self);
        }
        let _ = self.report();
        Ok(Flow::On)
    }
}

impl Session {
    async fn take(&mut self, input: Input, signals: &mut Signals) -> Result<Flow, Failure> {
        match input {
            Input::Nothing => Ok(Flow::On),
            Input::Say(words) => self.ask(&words, signals).await,
            Input::Unknown(name) => {
                say(format_args!(
                    "there is no /{name}; /help lists what there is, and // begins a message with /"
                ));
                Ok(Flow::On)
            }
            Input::Command(Command::Quit) => Ok(Flow::Leave(Exit::Done)),
            Input::Command(Command::Retry) => self.retry(signals).await,
            Input::Command(Command::Edit) => self.edit(signals).await,
            Input::Command(command) => self.set(command).await.map(|()| Flow::On),
        }
    }
}
