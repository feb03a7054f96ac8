//! `perennial decode`: what a captured stream says.

mod capture;

use std::path::PathBuf;

use clap::Args;
use perennial_protocol::sse::{Decoder, Frame};
use perennial_protocol::{DecodeError, End, Event, EventDecoder, Lint, Message, Received, Transcript};

use crate::exit::{EXIT_CODES, Exit, Failure, say};
use crate::output::{Answer, TextCursor};
use crate::{Run, event_line};
use capture::Capture;

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct DecodeArgs {
    /// Print the folded message as one line of JSON (the default)
    #[arg(long, group = "what")]
    message: bool,
    /// Print one line of JSON for each event: its number, its name, its data
    #[arg(long, group = "what")]
    events: bool,
    /// Print the text as it comes
    #[arg(long, group = "what")]
    text: bool,
    /// Print each departure from the grammar of a stream; nothing, and exit 0, where there is none
    #[arg(long, group = "what")]
    lint: bool,
    /// The body of a streaming answer, as `curl -N` saved it; `-` or nothing is standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// The numbers of events as `--events` and `--lint` count them, and those that could not be read.
#[derive(Debug, Default)]
struct Tally {
    events: u64,
    unreadable: u64,
}

pub(crate) fn run(args: &DecodeArgs) -> Run {
    let mut capture = Capture::open(args.file.as_ref())?;
    let mut out = Answer::new();
    let exit = if args.lint {
        lint(&mut capture, &mut out)?
    } else if args.events {
        events(&mut capture, &mut out)?
    } else {
        fold(&mut capture, &mut out, args.text)?
    };
    out.flush()?;
    Ok(exit)
}

/// `--message` and `--text`.
fn fold(capture: &mut Capture, out: &mut Answer, text: bool) -> Run {
    let mut decoder = EventDecoder::new();
    let mut transcript = Transcript::new();
    let mut cursor = TextCursor::default();
    let mut tally = Tally::default();
    while let Some(mut input) = capture.next()? {
        while let Some(received) = decoder.next_event(&mut input) {
            match received {
                Ok(Received { event: Some(event), .. }) => {
                    tally.events += 1;
                    transcript.apply(&event);
                }
                Ok(_) => {}
                Err(error) => tally.unreadable(&error),
            }
        }
        if text {
            print_text(&mut cursor, &transcript, out)?;
            out.flush()?;
        }
    }
    if let Some(event) = decoder.finish() {
        tally.events += 1;
        transcript.apply(&event);
    }
    tally.judge(capture)?;
    let end = transcript.end();
    if text {
        print_text(&mut cursor, &transcript, out)?;
        out.write(b"\n")?;
    } else if has_message(&transcript) {
        out.json(&transcript.into_message())?;
    } else {
        // There is no message, not an empty one.
        out.write(b"null\n")?;
    }
    out.flush()?;
    Ok(judge(&end, &tally, capture))
}

fn print_text(cursor: &mut TextCursor, transcript: &Transcript, out: &mut Answer) -> Result<(), Failure> {
    let mut written = Ok(());
    cursor.advance(transcript, |text| {
        if written.is_ok() {
            written = out.write(text.as_bytes());
        }
    });
    written
}

/// Whether a message began; an error may come before it.
fn has_message(transcript: &Transcript) -> bool {
    transcript.envelope() != &Message::default() || transcript.indices().next().is_some()
}

/// `--events`.
fn events(capture: &mut Capture, out: &mut Answer) -> Run {
    let mut decoder = Decoder::new();
    let mut transcript = Transcript::new();
    let mut tally = Tally::default();
    while let Some(mut input) = capture.next()? {
        while let Some(frame) = decoder.next_frame(&mut input) {
            match frame {
                Ok(frame) => print_event(&frame, &mut transcript, &mut tally, out)?,
                Err(error) => tally.unreadable(&error.into()),
            }
        }
        out.flush()?;
    }
    if let Some(frame) = decoder.finish()
        && matches!(Received::read(frame), Ok(Received { event: Some(Event::MessageStop), .. }))
    {
        print_event(&frame, &mut transcript, &mut tally, out)?;
    }
    tally.judge(capture)?;
    out.flush()?;
    Ok(judge(&transcript.end(), &tally, capture))
}

fn print_event(
    frame: &Frame<'_>,
    transcript: &mut Transcript,
    tally: &mut Tally,
    out: &mut Answer,
) -> Result<(), Failure> {
    let received = Received::read(*frame);
    match &received {
        Ok(Received { event: Some(event), .. }) => {
            tally.events += 1;
            transcript.apply(event);
        }
        Ok(_) => return Ok(()),
        Err(error) => tally.unreadable(error),
    }
    match event_line::written(frame, &received, tally.events) {
        Some(line) => out.write(&line),
        None => Ok(()),
    }
}

/// `--lint`.
fn lint(capture: &mut Capture, out: &mut Answer) -> Run {
    let mut decoder = Decoder::new();
    let mut lint = Lint::new();
    let mut tally = Tally::default();
    while let Some(mut input) = capture.next()? {
        while let Some(frame) = decoder.next_frame(&mut input) {
            match frame {
                Ok(frame) => {
                    tally.events += u64::from(frame.data().is_some());
                    lint.observe(&frame);
                }
                Err(error) => {
                    tally.events += 1;
                    lint.unreadable(&error.into());
                }
            }
        }
    }
    tally.judge(capture)?;
    let findings = lint.finish(decoder.finish().as_ref());
    for finding in &findings {
        out.write(format!("{finding}\n").as_bytes())?;
    }
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Other })
}

/// The exit code of a stream that ended so, with the reason on standard error.
fn judge(end: &End, tally: &Tally, capture: &Capture) -> Exit {
    match end {
        End::Failed(error) => {
            let id = error.request_id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default();
            say(format_args!("{}: the stream ended with an error event: {error}{id}", capture.name()));
            Exit::Other
        }
        End::Truncated(_) => {
            say(format_args!("{}: {end}", capture.name()));
            Exit::Truncated
        }
        _ if tally.unreadable > 0 => {
            say(format_args!(
                "{}: the message misses what {} unreadable events would have brought",
                capture.name(),
                tally.unreadable
            ));
            Exit::Other
        }
        _ => Exit::Done,
    }
}

impl Tally {
    /// A capture without an event may be something else altogether.
    fn judge(&self, capture: &Capture) -> Result<(), Failure> {
        match capture.foreign().filter(|_| self.events == 0) {
            None => Ok(()),
            Some(foreign) => {
                let exit = if foreign.is_error() { Exit::Other } else { Exit::Usage };
                Err(Failure::new(exit, format!("{}: {foreign}", capture.name())))
            }
        }
    }

    fn unreadable(&mut self, error: &DecodeError) {
        self.events += 1;
        self.unreadable += 1;
        say(format_args!("event {} is unreadable: {error}", self.events));
    }
}
