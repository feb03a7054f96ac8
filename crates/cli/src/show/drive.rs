//! Reading: a stream and the clock, whichever comes first.

use futures_util::StreamExt as _;
use perennial::protocol::sse::Decoder;
use perennial::{Error, MessageStream, Transcript};

use super::Show;
use crate::event_line;
use crate::exit::Failure;
use crate::listen::Pauses;

/// Reads the stream to its end, or to what keeps it from its end; `kept` is told what there is, after each event and while none comes.
///
/// # Errors
/// Where the answer cannot be written any more. That the stream failed is no failure of this.
pub(crate) async fn read(
    stream: &mut MessageStream,
    show: &mut Show,
    mut kept: impl FnMut(&Transcript),
) -> Result<Result<(), Error>, Failure> {
    let mut pauses = Pauses::catch();
    loop {
        let next = tokio::select! {
            biased;
            next = stream.next() => next,
            () = pauses.next() => {
                show.pause();
                continue;
            }
            () = tokio::time::sleep_until(show.due()) => {
                kept(stream.transcript());
                show.tick().await?;
                continue;
            }
        };
        match next {
            Some(Ok(event)) => {
                kept(stream.transcript());
                show.event(&event, stream.transcript()).await?;
            }
            Some(Err(error)) => return Ok(Err(error)),
            None => return Ok(Ok(())),
        }
    }
}

/// The same for who wants the stream itself: its bytes, or a line of JSON for each event.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_frames(
    stream: &mut MessageStream,
    show: &mut Show,
    as_lines: bool,
    mut kept: impl FnMut(&Transcript),
) -> Result<Result<(), Error>, Failure> {
    let mut decoder = Decoder::new();
    let mut events = 0;
    let mut attempts = 0;
    let mut pauses = Pauses::catch();
    loop {
        let mut frames = stream.frames();
        let next = tokio::select! {
            biased;
            next = frames.next() => next,
            () = pauses.next() => {
                show.pause();
                continue;
            }
            () = tokio::time::sleep_until(show.due()) => {
                kept(stream.transcript());
                show.tick().await?;
                continue;
            }
        };
        if stream.attempts() > attempts.max(1) {
            show.note(&format!("attempt {}: the one before failed", stream.attempts()));
        }
        attempts = stream.attempts();
        let frame = match next {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Ok(Err(error)),
            None => return Ok(Ok(())),
        };
        kept(stream.transcript());
        if !as_lines {
            show.raw(&frame).await?;
            continue;
        }
        let mut lines = Vec::new();
        let mut input = &frame[..];
        while let Some(frame) = decoder.next_frame(&mut input) {
            let Ok(frame) = frame else { continue };
            if let Some(line) = event_line::line(&frame, events + 1) {
                events += 1;
                lines.extend_from_slice(&line);
            }
        }
        show.raw(&lines).await?;
    }
}
