//! `perennial tail`: the streams of a gateway, as they begin and end.
//!
//! A list is asked for twice in a second: to look at streams so makes nobody their reader. With `--text` each is read, and a stream that
//! would be stopped for want of readers then goes on.

mod lines;
mod watch;

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use perennial::resources::{StreamInfo, Streams};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::lines::Lines;
use self::watch::Watch;
use crate::Run;
use crate::exit::{EXIT_CODES, Exit, Failure, say};
use crate::listen::{self, Signals};
use crate::place::GatewayArgs;
use crate::show::verdict;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(500);

/// Between two looks at a gateway that cannot be asked.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pieces of text that wait to be printed; more make their streams wait.
const PIECES: usize = 256;

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// Print what they say too, line by line, each with the end of its stream's name before it
    #[arg(long)]
    text: bool,
    /// JSON, one line for each thing
    #[arg(long)]
    json: bool,
}

/// What comes of a stream that is read.
enum Said {
    Piece(String, String),
    /// It is over, or cannot be read.
    Done(String),
}

/// Reads the texts of streams, all at once.
struct Readers {
    streams: Streams,
    tasks: JoinSet<()>,
    to: mpsc::Sender<Said>,
}

pub(crate) fn run(args: &TailArgs) -> Run {
    let runtime = listen::runtime()?;
    let run = runtime.block_on(tail(args));
    runtime.shutdown_background();
    run
}

async fn tail(args: &TailArgs) -> Run {
    let mut signals = Signals::catch()?;
    let streams = args.gateway.streams()?;
    let mut lines = Lines::new(args.json);
    let mut watch = Watch::new(streams.clone());
    let (to, mut said) = mpsc::channel(PIECES);
    let mut readers = args.text.then(|| Readers { streams: streams.clone(), tasks: JoinSet::new(), to });
    // Those that are read, and what of them is not a whole line yet.
    let mut read: HashMap<String, StreamInfo> = HashMap::new();
    let mut wait = Duration::ZERO;
    let mut is_lost = false;
    loop {
        tokio::select! {
            biased;
            () = signals.next() => return Ok(Exit::Interrupted),
            Some(said) = said.recv() => match said {
                Said::Piece(stream, text) => lines.text(&stream, &text)?,
                Said::Done(stream) => {
                    if read.remove(&stream).is_some() && let Some(ended) = watch.end_of(&stream).await {
                        lines.ended(&ended)?;
                    }
                }
            },
            () = tokio::time::sleep(wait) => {
                let look = tokio::select! {
                    look = watch.look() => look,
                    () = signals.next() => return Ok(Exit::Interrupted),
                };
                match look {
                    Ok(look) => {
                        (wait, is_lost) = (PERIOD, false);
                        for begun in look.begun {
                            lines.begun(&begun)?;
                            if let Some(readers) = &mut readers {
                                readers.read(&begun.id);
                                read.insert(begun.id.clone(), begun);
                            }
                        }
                        for ended in look.ended.iter().filter(|ended| !read.contains_key(&ended.id)) {
                            lines.ended(ended)?;
                        }
                    }
                    Err(error) if !watch.has_looked() || is_final(&error) => {
                        let (words, exit) = verdict::failed(&error);
                        return Err(Failure::new(exit, words));
                    }
                    Err(error) => {
                        wait = PATIENCE;
                        if !std::mem::replace(&mut is_lost, true) {
                            say(format_args!("{error}; it is asked again until it answers"));
                        }
                    }
                }
            }
        }
    }
}

/// Asking again would be answered in the same way.
fn is_final(error: &perennial::Error) -> bool {
    matches!(error.status(), Some(400..=499)) && !matches!(error.status(), Some(408 | 429))
}

impl Readers {
    fn read(&mut self, stream: &str) {
        // Those that are over.
        while self.tasks.try_join_next().is_some() {}
        let mut reading = self.streams.attach(stream);
        let (to, stream) = (self.to.clone(), stream.to_owned());
        self.tasks.spawn(async move {
            while let Some(Ok(text)) = reading.text_stream().next().await {
                if to.send(Said::Piece(stream.clone(), text)).await.is_err() {
                    return;
                }
            }
            drop(to.send(Said::Done(stream)).await);
        });
    }
}
