//! `perennial replay`: a recording, at the pace at which it came.
//!
//! It goes through the client library like an answer that comes over the wire, so what is shown is what a reader was shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use futures_core::future::BoxFuture;
use futures_util::stream;
use perennial::transport::{Body, Transport, TransportError, TransportErrorKind};
use perennial::{Client, Deadlines, RetryPolicy};
use serde_json::json;
use tokio::time::Instant;

use crate::Run;
use crate::exit::{EXIT_CODES, Exit, Failure};
use crate::reading::{self, FormArgs};
use crate::recording::{Recorded, Recording};

/// Longer than any recording.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ReplayArgs {
    /// A recording (`record`, `ask --tee-sse`), or any captured stream
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// So many times as fast; `inf` waits for nothing
    #[arg(long, value_name = "N", default_value = "1", value_parser = positive)]
    speed: f64,
    /// Tokens in a second, about, instead of the times that were recorded [default: 60 where there are none]
    #[arg(long, value_name = "N", value_parser = positive)]
    tps: Option<f64>,
    #[command(flatten, next_help_heading = "The answer")]
    form: FormArgs,
}

pub(crate) fn run(args: &ReplayArgs) -> Run {
    check(&args.file)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("no runtime could be started: {error}")))?;
    let run = runtime.block_on(async {
        let player = Player { file: args.file.clone(), speed: args.speed, tps: args.tps };
        let client = Client::builder()
            .base_url("http://recording.invalid")
            .transport(player)
            .retries(RetryPolicy { max_retries: 0, ..RetryPolicy::default() })
            .deadlines(Deadlines {
                connect: NEVER,
                first_byte: NEVER,
                silence: NEVER,
                progress: NEVER,
                total: None,
            })
            .build()
            .map_err(|error| Failure::new(Exit::Other, error))?;
        // Nobody is asked: the recording is the answer, whatever the question is.
        let request =
            json!({"model": "recording", "max_tokens": 1, "messages": [{"role": "user", "content": "?"}]});
        reading::read(client.messages().stream(request), &args.form).await
    });
    runtime.shutdown_background();
    run
}

/// Reads until the first event, so that what is no stream is said to be none.
fn check(file: &Path) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| {
        Failure::new(Exit::Usage, format!("{} cannot be read: {error}", file.display()))
    };
    let mut recording = Recording::open(file).map_err(wrong)?;
    while let Some(recorded) = recording.next().map_err(wrong)? {
        if recorded.has_data {
            return Ok(());
        }
    }
    Err(Failure::new(Exit::Usage, format!("{} is no event stream", file.display())))
}

/// Answers with a recording.
struct Player {
    file: PathBuf,
    speed: f64,
    tps: Option<f64>,
}

/// When the next event is due.
struct Clock {
    began: Instant,
    speed: f64,
    tps: Option<f64>,
    /// What is due so far where tokens are the clock.
    told: Duration,
}

impl Transport for Player {
    fn send(
        &self,
        _request: http::Request<Bytes>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, TransportError>> {
        let opened = Recording::open(&self.file);
        let clock = Clock { began: Instant::now(), speed: self.speed, tps: self.tps, told: Duration::ZERO };
        Box::pin(async move {
            let recording = opened.map_err(lost)?;
            let pieces = stream::try_unfold((recording, clock), |(mut recording, mut clock)| async move {
                let Some(recorded) = recording.next().map_err(lost)? else { return Ok(None) };
                if let Some(due) = clock.due(&recorded) {
                    tokio::time::sleep_until(due).await;
                }
                Ok(Some((recorded.bytes, (recording, clock))))
            });
            http::Response::builder()
                .header("content-type", "text/event-stream")
                .body(Body::stream(pieces))
                .map_err(|error| TransportError::new(TransportErrorKind::Request, error))
        })
    }
}

fn lost(error: std::io::Error) -> TransportError {
    TransportError::new(TransportErrorKind::Lost, error)
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Clock {
    /// `None`: at once.
    fn due(&mut self, recorded: &Recorded) -> Option<Instant> {
        let time = match (recorded.time.filter(|_| self.tps.is_none()), self.tps) {
            (Some(time), _) => time,
            (None, tps) => {
                #[expect(clippy::cast_precision_loss, reason = "an event has few tokens")]
                let tokens = perennial_tokens::count(&recorded.text) as f64;
                let took = Duration::try_from_secs_f64(tokens / tps.unwrap_or(USUAL_TPS)).unwrap_or_default();
                self.told = self.told.saturating_add(took);
                self.told
            }
        };
        // A later event without a time of its own is paced from here on.
        self.told = time;
        let waited = Duration::try_from_secs_f64(time.as_secs_f64() / self.speed).ok()?;
        (!waited.is_zero()).then(|| self.began + waited)
    }
}

/// About what a model writes in a second.
const USUAL_TPS: f64 = 60.0;

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 => Ok(number),
        _ => Err("a number over 0, or inf".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(time: Option<f64>, text: &str) -> Recorded {
        Recorded {
            time: time.map(Duration::from_secs_f64),
            text: text.to_owned(),
            has_data: true,
            bytes: Bytes::new(),
        }
    }

    fn due(speed: f64, tps: Option<f64>, events: &[Recorded]) -> Vec<u128> {
        let began = Instant::now();
        let mut clock = Clock { began, speed, tps, told: Duration::ZERO };
        let due = events.iter().map(|event| clock.due(event).map_or(0, |due| (due - began).as_millis()));
        due.collect()
    }

    #[test]
    fn events_are_due_at_their_times_or_by_their_tokens() {
        let timed = [recorded(Some(0.5), "x"), recorded(Some(2.0), "y"), recorded(None, "")];
        assert_eq!(due(1.0, None, &timed), [500, 2000, 2000]);
        assert_eq!(due(4.0, None, &timed), [125, 500, 500]);
        assert_eq!(due(f64::INFINITY, None, &timed), [0, 0, 0]);
        let plain = [recorded(None, ""), recorded(None, "one"), recorded(None, "two")];
        assert_eq!(due(1.0, Some(2.0), &plain), [0, 500, 1000]);
        assert_eq!(due(2.0, Some(2.0), &timed), [250, 500, 500]);
    }
}
