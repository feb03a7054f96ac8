//! `perennial ask`: one question, one answer as it comes.

mod args;
mod asked;
mod service;

use std::time::Duration;

use perennial::{MessageStream, Transcript};
use serde_json::Value;

use crate::Run;
use crate::exit::{Exit, Failure, say};
use crate::listen::Signals;
use crate::output::Answer;
use crate::show::verdict::{self, Verdict};
use crate::show::{self, Look, Show};

pub(crate) use args::AskArgs;

/// How long what came is still written after Ctrl-C: a terminal that is held up must not keep the command.
const LAST_WORDS: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &AskArgs) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("no runtime could be started: {error}")))?;
    if let Some(name) = &args.save {
        return asked::save(args, name);
    }
    // Before signals are caught: until something is asked, Ctrl-C just ends the command.
    let request = runtime.block_on(asked::request(args))?;
    if args.dry_run {
        let mut out = Answer::new();
        out.json(&request)?;
        out.flush()?;
        return Ok(Exit::Done);
    }
    let run = runtime.block_on(ask(args, request));
    // A write to an output that nobody reads must not keep the process.
    runtime.shutdown_background();
    run
}

async fn ask(args: &AskArgs, request: Value) -> Run {
    let mut signals = Signals::catch()?;
    let service = service::of(args).await?;
    let mut show = Show::new(Look::of(&args.wishes()), args.answer.delivery());
    let mut stream = service.client.messages().stream(request);
    let read = tokio::select! {
        read = read(&mut stream, &mut show, args) => read?,
        () = signals.next() => {
            // What came is kept, on the screen as well. A second signal does not wait for that.
            let last_words = tokio::time::timeout(LAST_WORDS, show.end(stream.transcript()));
            tokio::select! {
                _ = last_words => show.note(verdict::interrupted(stream.transcript())),
                () = signals.next() => {}
            }
            // Dropping the stream tells the service to stop.
            return Ok(Exit::Interrupted);
        }
    };
    print_rest(&mut show, stream.transcript(), args, read.is_err()).await?;
    let exit = match &read {
        Ok(()) => said(&mut show, verdict::ended(&stream), args),
        Err(error) => {
            let (words, exit) = verdict::failed(error);
            show.begin_note();
            say(words);
            exit
        }
    };
    if args.answer.usage {
        show.footer(&stream, service.paid, read.is_err());
    }
    Ok(exit)
}

/// Reads the stream to its end, or to what keeps it from its end.
async fn read(
    stream: &mut MessageStream,
    show: &mut Show,
    args: &AskArgs,
) -> Result<Result<(), perennial::Error>, Failure> {
    if args.answer.sse || args.answer.events {
        show::read_frames(stream, show, args.answer.events, |_| {}).await
    } else {
        show::read(stream, show, |_| {}).await
    }
}

async fn print_rest(
    show: &mut Show,
    transcript: &Transcript,
    args: &AskArgs,
    failed: bool,
) -> Result<(), Failure> {
    if args.answer.json && (!failed || transcript.indices().next().is_some()) {
        let mut line =
            serde_json::to_vec(&transcript.message()).map_err(|error| Failure::writing(&error.into()))?;
        line.push(b'\n');
        show.raw(&line).await?;
    }
    show.end(transcript).await
}

/// Says what an answer came to, and gives the code for it.
fn said(show: &mut Show, verdict: Verdict, args: &AskArgs) -> Exit {
    match verdict {
        Verdict::Whole => Exit::Done,
        Verdict::Note(words) => {
            show.note(&words);
            Exit::Done
        }
        Verdict::Cut(words) if !args.answer.fail_on_truncate => {
            show.note(&words);
            Exit::Done
        }
        Verdict::Cut(words) => {
            show.begin_note();
            say(words);
            Exit::Truncated
        }
        Verdict::Refused(words) => {
            show.begin_note();
            say(words);
            Exit::Refused
        }
    }
}
