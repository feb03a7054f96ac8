//! The course of a stream: attempts, the waits between them, and the one end.
//!
//! An attempt may be followed by another only while nothing of its content was handed out. The start of the first block counts as nothing
//! while it is empty, and is held back until the block grows. The second attempt's `message_start` is not shown; the transcript is made
//! anew, so that id, model and usage are those of the attempt that counts.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::Method;
use perennial_protocol::{Effect, Event, Transcript};
use tokio::time::{Instant, Sleep, sleep};
use tracing::Instrument as _;

use crate::event::Retrying;
use crate::exchange::{Opened, exchange};
use crate::reading::{Reading, Step};
use crate::view::{Moment, View};
use crate::{
    Client, Deadlines, Error, MaxEventBytes, RequestBody, RequestOptions, ResponseInfo, RetryPolicy,
};

const TARGET: &str = "/v1/messages";

pub(crate) struct Course {
    client: Client,
    /// Sent as it is on every attempt.
    request: http::Request<Bytes>,
    deadlines: Deadlines,
    policy: RetryPolicy,
    limit: MaxEventBytes,
    follow_inputs: bool,
    state: State,
    attempts: u32,
    total_at: Option<Instant>,
    response: Option<Arc<ResponseInfo>>,
    told: Told,
    span: tracing::Span,
}

enum State {
    Idle,
    Opening(BoxFuture<'static, Result<Opened, Error>>),
    Waiting(Pin<Box<Sleep>>),
    Reading(Box<Reading>),
    Finished,
    Failed { error: Error, partial: Arc<Transcript>, reported: bool },
}

/// What is known of the answer, and how much of it the reader knows.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) transcript: Transcript,
    /// What is to be shown before anything else is read.
    pub(crate) queue: VecDeque<Queued>,
    /// The first block's start while the block is empty, and what must not overtake it.
    pub(crate) held: Vec<Queued>,
    /// `message_start` was shown.
    pub(crate) started: bool,
    /// Content was shown, so that there is no going back.
    pub(crate) content: bool,
    /// Frames of this attempt.
    pub(crate) frames: u64,
}

/// A moment that waits to be shown.
pub(crate) enum Queued {
    Received { raw: Bytes, event: Event<'static>, effect: Effect },
    Alive(Bytes),
    Started(u64),
    Text(u64),
    Finished(u64),
    Retrying(Retrying),
}

impl Course {
    pub(crate) fn new(client: Client, options: &RequestOptions, body: Result<RequestBody, Error>) -> Self {
        let mut model = None;
        let request = body.and_then(|body| {
            model = body.model().map(str::to_owned);
            let mut options = options.clone();
            options.betas.extend(body.betas().iter().cloned());
            client.request(Method::POST, TARGET, Some(body.streaming()), &options)
        });
        let span = tracing::info_span!(
            "perennial.stream",
            model = model.as_deref(),
            attempt = tracing::field::Empty,
            request_id = tracing::field::Empty,
        );
        let (request, state) = match request {
            Ok(request) => (request, State::Idle),
            Err(error) => (http::Request::default(), State::failed(error, Transcript::new())),
        };
        Self {
            client,
            request,
            deadlines: options.deadlines.unwrap_or_default(),
            policy: options.retries.unwrap_or_default(),
            limit: options.max_event_bytes.unwrap_or_default(),
            follow_inputs: false,
            state,
            attempts: 0,
            total_at: None,
            response: None,
            told: Told::default(),
            span,
        }
    }

    pub(crate) fn follow_inputs(&mut self) {
        self.follow_inputs = true;
        self.told.transcript = Transcript::new().following_inputs();
    }

    pub(crate) fn transcript(&self) -> &Transcript {
        match &self.state {
            State::Failed { partial, .. } => partial,
            _ => &self.told.transcript,
        }
    }

    pub(crate) fn into_transcript(self) -> Transcript {
        match self.state {
            State::Failed { partial, error, .. } => {
                drop(error);
                Arc::unwrap_or_clone(partial)
            }
            _ => self.told.transcript,
        }
    }

    pub(crate) fn response(&self) -> Option<&ResponseInfo> {
        self.response.as_deref()
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn frames(&self) -> u64 {
        self.told.frames
    }

    /// The error that ended the stream.
    pub(crate) fn failure(&self) -> Option<Error> {
        match &self.state {
            State::Failed { error, .. } => Some(error.clone()),
            _ => None,
        }
    }

    /// Goes on until there is something that `view` wants to hand out.
    pub(crate) fn poll<V: View>(
        &mut self,
        cx: &mut Context<'_>,
        view: &mut V,
    ) -> Poll<Option<Result<V::Item, Error>>> {
        loop {
            while let Some(queued) = self.told.queue.pop_front() {
                if let Some(item) = queued.show(view, &self.told.transcript) {
                    return Poll::Ready(Some(Ok(item)));
                }
            }
            match &mut self.state {
                State::Reading(reading) => match ready!(reading.poll(cx, view, &mut self.told)) {
                    Step::Item(item) => {
                        reading.pause();
                        return Poll::Ready(Some(Ok(item)));
                    }
                    Step::Queued => {}
                    Step::Finished(item) => {
                        if let State::Reading(reading) = std::mem::replace(&mut self.state, State::Finished) {
                            reading.release(cx);
                        }
                        tracing::debug!(parent: &self.span, "the answer is complete");
                        if let Some(item) = item {
                            return Poll::Ready(Some(Ok(item)));
                        }
                    }
                    Step::Failed(error) => self.fail(error),
                },
                State::Finished => return Poll::Ready(None),
                State::Failed { error, reported, .. } => {
                    let first = !std::mem::replace(reported, true);
                    return Poll::Ready(first.then(|| Err(error.clone())));
                }
                State::Idle | State::Opening(_) | State::Waiting(_) => ready!(self.advance(cx)),
            }
        }
    }

    /// Goes on until a response is open.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match &mut self.state {
                State::Reading(_) | State::Finished => return Poll::Ready(Ok(())),
                State::Failed { error, reported, .. } => {
                    *reported = true;
                    return Poll::Ready(Err(error.clone()));
                }
                State::Idle | State::Opening(_) | State::Waiting(_) => ready!(self.advance(cx)),
            }
        }
    }

    /// One step on the way to an open response. Ready where the state has changed.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Idle => self.attempt(),
            State::Waiting(pause) => {
                ready!(pause.as_mut().poll(cx));
                self.attempt();
            }
            State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                Ok(opened) => {
                    self.span.record("request_id", opened.info.request_id());
                    tracing::debug!(parent: &self.span, status = opened.info.status(), "the answer begins");
                    self.response = Some(Arc::clone(&opened.info));
                    let reading = Reading::new(opened, self.deadlines, self.total_at, self.limit);
                    self.state = State::Reading(Box::new(reading));
                }
                Err(error) => self.fail(error),
            },
            State::Reading(_) | State::Finished | State::Failed { .. } => {}
        }
        Poll::Ready(())
    }

    fn attempt(&mut self) {
        self.attempts += 1;
        if self.attempts == 1 {
            self.client.retry_bucket().request();
            self.total_at = self.deadlines.total.and_then(|total| Instant::now().checked_add(total));
        }
        self.span.record("attempt", self.attempts);
        let (client, request) = (self.client.clone(), self.request.clone());
        let (deadlines, total_at) = (self.deadlines, self.total_at);
        let opening = async move { exchange(&client, request, &deadlines, total_at).await };
        self.state = State::Opening(Box::pin(opening.instrument(self.span.clone())));
    }

    /// The attempt failed: another one where that is allowed, else the end.
    fn fail(&mut self, error: Error) {
        if let Some(response) = error.response_arc() {
            self.response = Some(response);
        }
        let error = error.with_attempts(self.attempts);
        if let Some(retrying) = self.retrying(&error) {
            tracing::debug!(
                parent: &self.span,
                %error,
                delay_ms = u64::try_from(retrying.delay.as_millis()).unwrap_or(u64::MAX),
                "the request is sent again"
            );
            self.state = State::Waiting(Box::pin(sleep(retrying.delay)));
            let mut transcript = Transcript::new();
            if self.follow_inputs {
                transcript = transcript.following_inputs();
            }
            self.told = Told { transcript, started: self.told.started, ..Told::default() };
            self.told.queue.push_back(Queued::Retrying(retrying));
            return;
        }
        tracing::debug!(parent: &self.span, %error, "the answer failed");
        self.state = State::failed(error, std::mem::take(&mut self.told.transcript));
    }

    fn retrying(&self, error: &Error) -> Option<Retrying> {
        let retries = self.attempts.saturating_sub(1);
        if self.told.content || !error.is_retryable() {
            return None;
        }
        let delay = self.policy.delay(retries, error.retry_after())?;
        // A wait that ends after the last deadline is none.
        let in_time = self.total_at.is_none_or(|total| Instant::now() + delay < total);
        if !in_time || !self.client.retry_bucket().retry() {
            return None;
        }
        Some(Retrying { attempt: self.attempts + 1, delay, cause: error.clone() })
    }
}

impl State {
    fn failed(error: Error, transcript: Transcript) -> Self {
        let partial = Arc::new(transcript);
        Self::Failed { error: error.with_partial(Arc::clone(&partial)), partial, reported: false }
    }
}

impl Queued {
    pub(crate) fn show<V: View>(self, view: &mut V, transcript: &Transcript) -> Option<V::Item> {
        let moment = match self {
            Self::Received { ref raw, event, effect } => {
                return view.see(Moment::Received { raw, event, effect }, transcript);
            }
            Self::Alive(ref raw) => return view.see(Moment::Alive { raw }, transcript),
            Self::Started(index) => Moment::Started(index),
            Self::Text(index) => Moment::Text(index),
            Self::Finished(index) => Moment::Finished(index),
            Self::Retrying(retrying) => Moment::Retrying(retrying),
        };
        view.see(moment, transcript)
    }
}
