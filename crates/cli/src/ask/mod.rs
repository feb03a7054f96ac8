//! `perennial ask`: one question, one answer as it comes.

mod args;
mod asked;

use std::time::Duration;

use perennial::{MessageStream, Transcript};

use self::asked::Asked;
use crate::Run;
use crate::exit::{Exit, Failure, say};
use crate::listen::Signals;
use crate::output::Answer;
use crate::record::{Ending, Recorder};
use crate::service::Service;
use crate::show::verdict::{self, Verdict};
use crate::show::{self, Look, Show};

pub(crate) use args::AskArgs;

/// How long what came is still written after Ctrl-C: a terminal that is held up must not keep the command.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long the history may take for the end of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &AskArgs) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("no runtime could be started: {error}")))?;
    if let Some(name) = &args.save {
        return asked::save(args, name);
    }
    // Before signals are caught: until something is asked, Ctrl-C just ends the command.
    let asked = runtime.block_on(asked::asked(args))?;
    if args.dry_run {
        let mut out = Answer::new();
        out.json(&asked.request)?;
        out.flush()?;
        return Ok(Exit::Done);
    }
    let run = runtime.block_on(ask(args, asked));
    // A write to an output that nobody reads must not keep the process.
    runtime.shutdown_background();
    run
}

async fn ask(args: &AskArgs, asked: Asked) -> Run {
    let mut signals = Signals::catch()?;
    let service = args.service.open().await?;
    let mut show = Show::new(Look::of(&args.wishes()), args.answer.delivery());
    if let Some(words) = service.notice {
        show.note(words);
    }
    let body = asked.request.body().map_err(|error| Failure::new(Exit::Usage, error))?;
    let mut stream = service.client.messages().stream(body);
    let mut recorder = asked.kept.map(Recorder::begin);
    let read = tokio::select! {
        read = read(&mut stream, &mut show, &mut recorder, args) => read,
        () = signals.next() => {
            // What came is kept, on the screen and in the history. A second signal does not wait for that.
            let last_words = async {
                if tokio::time::timeout(LAST_WORDS, show.end(stream.transcript())).await.is_ok() {
                    show.note(verdict::interrupted(stream.transcript()));
                }
                if let Some(words) = keep(recorder, &stream, Ending::Interrupted, &service).await {
                    show.note(&words);
                }
            };
            tokio::select! {
                () = last_words => {}
                () = signals.next() => {}
            }
            // Dropping the stream tells the service to stop.
            return Ok(Exit::Interrupted);
        }
    };
    let (ending, printed) = match &read {
        Ok(Ok(())) => (Ending::Whole, print_rest(&mut show, stream.transcript(), args, false).await),
        Ok(Err(error)) => {
            (Ending::Failed(error), print_rest(&mut show, stream.transcript(), args, true).await)
        }
        // Who read the answer has left.
        Err(_) => (Ending::Interrupted, Ok(())),
    };
    let lost = tokio::select! {
        lost = keep(recorder, &stream, ending, &service) => lost,
        () = signals.next() => return Ok(Exit::Interrupted),
    };
    let read = read?;
    printed?;
    let exit = match &read {
        Ok(()) => said(&mut show, verdict::ended(&stream), args),
        Err(error) => {
            let (words, exit) = verdict::failed(error);
            show.begin_note();
            say(words);
            exit
        }
    };
    if let Some(words) = lost.or(asked.unkept) {
        show.note(&words);
    }
    if args.answer.usage {
        show.footer(&stream, service.paid, read.is_err());
    }
    Ok(exit)
}

/// Waits until the history has everything. That it cannot be written is said, and no failure of the answer.
async fn keep(
    recorder: Option<Recorder>,
    stream: &MessageStream,
    ending: Ending<'_>,
    service: &Service,
) -> Option<String> {
    let cost = service.paid.cost(stream);
    let kept = tokio::time::timeout(PATIENCE, recorder?.end(stream, ending, cost)).await;
    match kept {
        Ok(Ok(_)) => None,
        Ok(Err(why)) => Some(asked::not_kept(&why)),
        Err(_) => Some(asked::not_kept("the history does not answer")),
    }
}

/// Reads the stream to its end, or to what keeps it from its end.
async fn read(
    stream: &mut MessageStream,
    show: &mut Show,
    recorder: &mut Option<Recorder>,
    args: &AskArgs,
) -> Result<Result<(), perennial::Error>, Failure> {
    let hears = |transcript: &Transcript| {
        if let Some(recorder) = recorder {
            recorder.hear(transcript);
        }
    };
    if args.answer.sse || args.answer.events {
        show::read_frames(stream, show, args.answer.events, hears).await
    } else {
        show::read(stream, show, hears).await
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
