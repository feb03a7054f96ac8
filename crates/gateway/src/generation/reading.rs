//! Reading an upstream's body: what has come goes into the intake, and the clocks say when to wait no longer.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use perennial_log::{StreamId, Time};

use super::absence::Absence;
use super::intake::{Intake, Unusable};
use super::pace::Floor;
use crate::clock::Clock;
use crate::limits::{Clocks, MinTokens};
use crate::record::Cut;
use crate::upstream::UpstreamBody;

/// The most that is gathered before it is appended: enough to make appends rare at full speed, too little to be felt as memory.
const GATHER_BYTES: usize = 32 * 1024;
/// The most of an upstream's error that is kept.
pub(super) const ERROR_BYTES: usize = 1024 * 1024;
/// The most of a message that comes in one piece: as much as of an event.
pub(super) const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Why reading stops.
#[derive(Clone, Debug)]
pub(super) enum Halt {
    /// The upstream has said all.
    Over,
    Cut(Cut),
    /// What it says cannot be joined to what readers have.
    NoProof(String),
}

/// The clocks of one upstream's body, each with its one meaning.
pub(super) struct ReadClocks {
    silence: Clock,
    progress: Clock,
    floor: Option<Floor>,
    /// Runs once the answer is over: some servers leave the connection open.
    linger: Option<Clock>,
    linger_span: Duration,
}

impl ReadClocks {
    pub(super) fn new(clocks: &Clocks, least: MinTokens) -> Self {
        Self {
            silence: Clock::new(clocks.silence),
            progress: Clock::new(clocks.progress),
            floor: clocks.floor.map(|span| Floor::new(span, least)),
            linger: None,
            linger_span: clocks.linger,
        }
    }

    /// Ready with `None` where there is something to append, else with why reading stops (and maybe something to append before).
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        absence: &mut Absence,
        body: &mut UpstreamBody,
        intake: &mut Intake,
    ) -> Poll<Option<Halt>> {
        // A wish to stop goes before everything: nobody wants what else there is.
        let stop = absence.poll(cx).map(Halt::Cut);
        if !intake.is_over()
            && let Poll::Ready(halt) = stop
        {
            return Poll::Ready(Some(halt));
        }
        // What has come goes into the log, before any clock is looked at.
        let (came, halt) = gather(cx, body, intake, absence.stream());
        if halt.is_some() {
            return Poll::Ready(halt);
        }
        if came {
            let now = self.silence.set_back();
            if intake.progress() {
                self.progress.set_back_to(now);
            }
            if !intake.is_empty() {
                return Poll::Ready(None);
            }
        }
        if intake.is_over() {
            let span = self.linger_span;
            let linger = self.linger.get_or_insert_with(|| Clock::new(span));
            return linger.poll(cx).map(|()| Some(Halt::Over));
        }
        if self.silence.poll(cx).is_ready() {
            return Poll::Ready(Some(Halt::Cut(Cut::Silence)));
        }
        if let (Some(floor), Some(pace)) = (&mut self.floor, intake.pace())
            && floor.poll(cx, pace).is_ready()
        {
            return Poll::Ready(Some(Halt::Cut(Cut::Slow)));
        }
        self.progress.poll(cx).map(|()| Some(Halt::Cut(Cut::Progress)))
    }
}

/// Takes everything that the upstream has ready, up to a measure: whether there was something, and whether that was the end.
fn gather(
    cx: &mut Context<'_>,
    body: &mut UpstreamBody,
    intake: &mut Intake,
    stream: StreamId,
) -> (bool, Option<Halt>) {
    let mut bytes = 0;
    let mut time = None;
    while bytes < GATHER_BYTES {
        match body.poll_data(cx) {
            Poll::Pending => break,
            Poll::Ready(Some(Ok(piece))) => {
                bytes += piece.len();
                // The one place where bytes of a stream are seen.
                match intake.take(&piece, *time.get_or_insert_with(Time::now)) {
                    Ok(()) => {}
                    Err(Unusable::TooLarge) => return (true, Some(Halt::Cut(Cut::EventTooLarge))),
                    Err(Unusable::Unreadable) => return (true, Some(Halt::Cut(Cut::Unreadable))),
                    Err(Unusable::Gap) => return (true, Some(Halt::Cut(Cut::Gap))),
                    Err(Unusable::Repeating) => return (true, Some(Halt::Cut(Cut::Repeating))),
                    Err(Unusable::NoProof(reason)) => return (true, Some(Halt::NoProof(reason))),
                }
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::info!(%stream, cause = %error.root(), "the upstream's stream broke");
                return (true, Some(ended(intake)));
            }
            Poll::Ready(None) => return (true, Some(ended(intake))),
        }
    }
    (bytes > 0, None)
}

/// What the end of the upstream's body means.
fn ended(intake: &Intake) -> Halt {
    if intake.is_over() { Halt::Over } else { Halt::Cut(Cut::Upstream) }
}

/// The whole body; `None` where it breaks or is larger than `most` bytes.
pub(super) async fn whole(mut body: UpstreamBody, most: usize) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = poll_fn(|cx| body.poll_data(cx)).await {
        bytes.extend_from_slice(&piece.ok()?);
        if bytes.len() > most {
            return None;
        }
    }
    Some(bytes.freeze())
}
