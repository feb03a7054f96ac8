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
        let Some(next) = meanwhile(stream.next(), show, &mut pauses).await? else {
            kept(stream.transcript());
            continue;
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
        let Some(next) = meanwhile(stream.frames().next(), show, &mut pauses).await? else {
            kept(stream.transcript());
            continue;
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

/// What comes next; `None` where it is time for something else first, which is done then: to draw, or to pause.
async fn meanwhile<T>(
    next: impl Future<Output = T>,
    show: &mut Show,
    pauses: &mut Pauses,
) -> Result<Option<T>, Failure> {
    let due = show.due();
    tokio::select! {
        biased;
        next = next => return Ok(Some(next)),
        () = pauses.next() => show.pause(),
        words = show.aside() => show.note(&words),
        () = tokio::time::sleep_until(due) => show.tick().await?,
    }
    Ok(None)
}
