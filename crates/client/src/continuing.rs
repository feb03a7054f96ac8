//! Continuing: how a stream that is read directly from the service goes on after it broke in the middle of its content.
//!
//! The rest is asked for, and joined where an overlap proves the place; both are of `perennial-recovery`, as in the gateway. What is joined takes the same way as
//! any event, so that every view shows one answer.

use std::time::Duration;

use bytes::Bytes;
use perennial_protocol::sse::Frame;
use perennial_protocol::{Event, EventDecoder, Transcript, Usage};
use perennial_recovery::{MaxHops, Piece, Plan, RetryPolicy, Splice, plan};
use tokio::time::Instant;

use crate::event::Seam;
use crate::reading::Step;
use crate::told::{Queued, Told};
use crate::view::{Moment, View};
use crate::watch::Watch;
use crate::{Client, Clock, Error, ErrorKind};

/// How often one answer is gone on with, and the present attempt to.
#[derive(Debug)]
pub(crate) struct Hops {
    most: MaxHops,
    made: u32,
    /// What readers are told if nothing helps.
    broken: Option<Error>,
    /// What all attempts used that are over.
    used: Usage,
    /// The body of the request that is to be sent next.
    body: Option<Bytes>,
    splice: Option<Box<Splice>>,
    /// Of the frames that readers are shown.
    decoder: EventDecoder,
}

/// What follows a break.
#[derive(Debug)]
pub(crate) enum Hop {
    /// After this wait the rest is asked for.
    Ask(Duration),
    /// All is there but the end marker, which is this frame.
    Finish(Bytes),
}

impl Hops {
    /// `None` where nothing is to be gone on with.
    pub(crate) fn new(most: MaxHops) -> Option<Box<Self>> {
        (most.0 > 0).then(|| {
            Box::new(Self {
                most,
                made: 0,
                broken: None,
                used: Usage::default(),
                body: None,
                splice: None,
                decoder: EventDecoder::new(),
            })
        })
    }

    /// The body of the next request, where it is not the one that was given.
    pub(crate) fn body(&mut self) -> Option<Bytes> {
        self.body.take()
    }

    /// Whether what comes belongs to an attempt that goes on with another.
    pub(crate) fn is_joining(&self) -> bool {
        self.splice.is_some()
    }

    /// Whether nothing of the present attempt is shown yet.
    fn is_apart(&self) -> bool {
        self.splice.as_ref().is_some_and(|splice| !splice.is_joined())
    }
}

impl Told {
    /// What can be done about a break in the content, or the error that ends the stream.
    pub(crate) fn hop(
        &mut self,
        request: &[u8],
        error: Error,
        client: &Client,
        policy: &RetryPolicy,
        total_at: Option<Instant>,
    ) -> Result<Hop, Error> {
        // A gateway goes on by itself, and a stream that it keeps is come back to.
        let is_kept = error.response().is_some_and(|response| response.stream_id().is_some());
        let Some(hops) =
            self.hops.as_deref_mut().filter(|_| self.content && !is_kept && self.cursor.is_none())
        else {
            return Err(error);
        };
        if let Some(splice) = hops.splice.take() {
            hops.used.add(splice.usage());
            if splice.is_joined() {
                hops.broken = None;
            }
        } else {
            hops.used = self.transcript.envelope().usage.clone();
        }
        hops.decoder = EventDecoder::new();
        // Whatever goes wrong before the two are joined, it is the break that readers have to do with; but a deadline is theirs.
        let is_late = error.kind() == ErrorKind::Deadline(Clock::Total);
        let passes = error.is_retryable();
        let latest = error.to_string();
        let (first, error) = match hops.broken.take() {
            Some(broken) if !is_late => (false, broken.with_attempts(error.attempts())),
            _ => (true, error),
        };
        let refuse = |why: &str| {
            let why = if first { why.to_owned() } else { format!("{why}; the last attempt: {latest}") };
            Err(error.clone().not_continued(&why))
        };
        if is_late {
            return Err(error);
        }
        if !passes {
            return if first { Err(error) } else { refuse("the rest could not be had") };
        }
        if self.strayed {
            return refuse("its events are out of place");
        }
        let told = perennial_recovery::Told::of(self.transcript.clone(), hops.used.clone());
        let (body, splice) = match plan(request, &told) {
            Plan::Finish(frame) => return Ok(Hop::Finish(frame)),
            Plan::Refuse(reason) => return refuse(&reason.to_string()),
            Plan::Restart(splice) => (None, splice),
            Plan::Continue { body, splice, .. } => (Some(body), splice),
        };
        let policy = RetryPolicy { max_retries: hops.most.0, ..*policy };
        let Some(delay) = policy.delay(hops.made, error.retry_after()) else {
            return refuse(&format!("it was gone on with {} times already", hops.made));
        };
        // A wait that ends after the last deadline is none.
        let in_time = total_at.is_none_or(|total| Instant::now() + delay < total);
        if !in_time || !client.retry_bucket().retry() {
            return refuse("there is no time or no retry budget left");
        }
        hops.made += 1;
        hops.broken = Some(error);
        (hops.body, hops.splice) = (body, Some(Box::new(splice)));
        Ok(Hop::Ask(delay))
    }

    /// Whether frames are to be [joined](Self::joined).
    pub(crate) fn is_joining(&self) -> bool {
        self.hops.as_ref().is_some_and(|hops| hops.is_joining())
    }

    /// Whether what comes is not for readers yet.
    pub(crate) fn is_apart(&self) -> bool {
        self.hops.as_ref().is_some_and(|hops| hops.is_apart())
    }

    /// A frame of an attempt that goes on with another. What becomes of it is queued.
    pub(crate) fn joined<T>(
        &mut self,
        frame: Frame<'_>,
        event: &Event<'_>,
        attempt: u32,
        watch: &mut Watch,
    ) -> Result<Option<Step<T>>, Error> {
        let Some(mut hops) = self.hops.take() else { return Ok(None) };
        let joined = self.join(&mut hops, frame, event, attempt, watch);
        self.hops = Some(hops);
        Ok(match joined? {
            true => Some(Step::Finished(None)),
            false if self.queue.is_empty() => None,
            false => Some(Step::Queued),
        })
    }

    /// Whether the answer is complete now.
    fn join(
        &mut self,
        hops: &mut Hops,
        frame: Frame<'_>,
        event: &Event<'_>,
        attempt: u32,
        watch: &mut Watch,
    ) -> Result<bool, Error> {
        let Some(splice) = hops.splice.as_deref_mut() else { return Ok(false) };
        if !splice.is_joined() && *event != Event::Ping {
            // The service works on it, though nobody sees that yet.
            watch.content();
        }
        let mut pieces = Vec::new();
        let taken = splice.take(frame, &Bytes::copy_from_slice(frame.raw()), &mut pieces);
        let mut finished = false;
        for piece in pieces {
            match piece {
                Piece::Withhold(_) => {}
                Piece::Joined(joint) => self.queue.push_back(Queued::Seam(Seam::new(attempt, joint))),
                Piece::Show(bytes) => {
                    let mut input = &bytes[..];
                    while let Some(received) = hops.decoder.next_event(&mut input) {
                        let received = received.map_err(|error| Error::malformed(error, self.phase()))?;
                        if let Some(event) = received.event {
                            finished |= self.gather(received.frame.raw(), event, watch)?;
                        }
                    }
                }
            }
        }
        taken.map_err(|refused| Error::not_joined(&refused, self.phase()))?;
        Ok(finished)
    }

    /// Takes an event in, as any other, and queues it. Whether the answer is complete now.
    pub(crate) fn gather(&mut self, raw: &[u8], event: Event<'_>, watch: &mut Watch) -> Result<bool, Error> {
        let mut queue = std::mem::take(&mut self.queue);
        let step = self.event(raw, event, watch, &mut Gather);
        let finished = matches!(step, Ok(Some(Step::Finished(_))));
        let result = match step {
            Ok(Some(Step::Item(item) | Step::Finished(Some(item)))) => {
                queue.push_back(item);
                Ok(finished)
            }
            Ok(Some(Step::Failed(error))) | Err(error) => Err(error),
            Ok(_) => Ok(finished),
        };
        queue.append(&mut self.queue);
        self.queue = queue;
        result
    }

    /// All is there but the end marker.
    pub(crate) fn finish(&mut self, raw: Bytes) {
        let effect = self.transcript.apply(&Event::MessageStop);
        self.queue.push_back(Queued::Received { raw, event: Event::MessageStop, effect });
    }

    /// The stream has failed: what the service said of it is a part of what came.
    pub(crate) fn settle(&mut self, error: &Error) -> Transcript {
        let mut transcript = std::mem::take(&mut self.transcript);
        if error.kind() == ErrorKind::InStream
            && let Some(api) = error.api_error()
        {
            transcript.apply(&Event::Error(Box::new(api.clone())));
        }
        transcript
    }
}

/// Everything, to be shown later.
struct Gather;

impl View for Gather {
    type Item = Queued;

    fn see(&mut self, moment: Moment<'_>, _: &Transcript) -> Option<Queued> {
        Some(match moment {
            Moment::Received { raw, event, effect } => {
                Queued::Received { raw: Bytes::copy_from_slice(raw), event: event.into_owned(), effect }
            }
            Moment::Alive { raw } => Queued::Alive(Bytes::copy_from_slice(raw)),
            Moment::Started(index) => Queued::Started(index),
            Moment::Text(index) => Queued::Text(index),
            Moment::Finished(index) => Queued::Finished(index),
            Moment::Retrying(retrying) => Queued::Retrying(retrying),
            Moment::Continuing(continuing) => Queued::Continuing(continuing),
            Moment::Seam(seam) => Queued::Seam(seam),
        })
    }
}
