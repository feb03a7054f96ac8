//! An answer that somebody else asked for, shown as `ask` shows its own: of a gateway's stream, of a recording.

use std::time::Duration;

use clap::Args;
use perennial::{ErrorKind, MessageStream};

use crate::Run;
use crate::exit::{Exit, Failure, say};
use crate::listen::Signals;
use crate::show::verdict::{self, Verdict};
use crate::show::{self, Delivery, Look, Show, Thinking, Wishes};
use crate::wishes::LookArgs;

/// How long what came is still written after Ctrl-C: a terminal that is held up must not keep the command.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// In which form it is printed.
#[derive(Debug, Args)]
pub(crate) struct FormArgs {
    /// Print each event as one line of JSON, as it comes
    #[arg(long, group = "form")]
    events: bool,
    /// Print the stream as it comes, byte for byte
    #[arg(long, group = "form")]
    sse: bool,
    /// Print the whole message as one line of JSON, at the end
    #[arg(long, group = "form")]
    json: bool,
    #[command(flatten)]
    look: LookArgs,
    /// Show thinking on standard error: how long it took, or all of it
    #[arg(long, value_name = "HOW")]
    thinking: Option<Thinking>,
    /// Say nothing but errors on standard error
    #[arg(short, long)]
    quiet: bool,
}

/// Reads to the end, and says how it ended. Dropping the stream leaves what it comes from alone.
pub(crate) async fn read(mut stream: MessageStream, form: &FormArgs) -> Run {
    let mut signals = Signals::catch()?;
    let mut show = Show::new(Look::of(&form.wishes()), form.delivery());
    let read = tokio::select! {
        read = course(&mut stream, &mut show, form) => read?,
        () = signals.next() => {
            // A second signal does not wait for the last words.
            let last_words = tokio::time::timeout(LAST_WORDS, show.end(stream.transcript()));
            tokio::select! {
                _ = last_words => show.note("interrupted; it goes on without this reader"),
                () = signals.next() => {}
            }
            return Ok(Exit::Interrupted);
        }
    };
    if form.json && (read.is_ok() || stream.transcript().indices().next().is_some()) {
        let message = stream.transcript().message();
        let mut line = serde_json::to_vec(&message).map_err(|error| Failure::writing(&error.into()))?;
        line.push(b'\n');
        show.raw(&line).await?;
    }
    show.end(stream.transcript()).await?;
    if let Err(error) = &read {
        let (words, exit) = words(error);
        show.begin_note();
        say(words);
        return Ok(exit);
    }
    match verdict::ended(&stream) {
        Verdict::Whole => Ok(Exit::Done),
        Verdict::Note(words) | Verdict::Cut(words) => {
            show.note(&words);
            Ok(Exit::Done)
        }
        Verdict::Refused(words) => {
            show.begin_note();
            say(words);
            Ok(Exit::Refused)
        }
    }
}

/// What is said of a stream that failed and that somebody else makes, and the code.
pub(crate) fn words(error: &perennial::Error) -> (String, Exit) {
    let (words, exit) = verdict::failed(error);
    match error.kind() {
        // Nobody asked here, so nobody can ask again.
        ErrorKind::Cancelled | ErrorKind::Interrupted | ErrorKind::Lost | ErrorKind::Truncated => {
            (error.what().to_owned(), exit)
        }
        _ => (words, exit),
    }
}

async fn course(
    stream: &mut MessageStream,
    show: &mut Show,
    form: &FormArgs,
) -> Result<Result<(), perennial::Error>, Failure> {
    if form.sse || form.events {
        show::read_frames(stream, show, form.events, |_| {}).await
    } else {
        show::read(stream, show, |_| {}).await
    }
}

impl FormArgs {
    fn wishes(&self) -> Wishes {
        Wishes { quiet: self.quiet, thinking: self.thinking, ..self.look.wishes() }
    }

    fn delivery(&self) -> Delivery {
        if self.events || self.sse || self.json { Delivery::Nothing } else { Delivery::AsItComes }
    }
}
