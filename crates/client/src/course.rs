//! The course of a stream: attempts, the waits between them, and the one end.
//!
//! An attempt may be followed by another only while nothing of its content was handed out. The start of the first block counts as nothing
//! while it is empty, and is held back until the block grows. The second attempt's `message_start` is not shown; the transcript is made
//! anew, so that id, model and usage are those of the attempt that counts.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::Method;
use perennial_protocol::{EventDecoder, Transcript};
use tokio::time::{Instant, Sleep, sleep};
use tracing::Instrument as _;

use crate::continuing::{Hop, Hops};
use crate::cursor::Cursor;
use crate::event::{Continuing, Retrying};
use crate::exchange::{Opened, exchange};
use crate::reading::{Reading, Step};
use crate::reconnect::{self, Reconnects};
use crate::resume::Resume;
use crate::told::{Queued, Told};
use crate::view::View;
use crate::{
    Client, Deadlines, Error, MaxEventBytes, Position, RequestBody, RequestOptions, ResponseInfo, RetryPolicy,
};

const TARGET: &str = "/v1/messages";

pub(crate) struct Course {
    client: Client,
    /// Sent as it is on every attempt.
    request: http::Request<Bytes>,
    deadlines: Deadlines,
    policy: RetryPolicy,
    limit: MaxEventBytes,
    state: State,
    attempts: u32,
    total_at: Option<Instant>,
    response: Option<Arc<ResponseInfo>>,
    told: Told,
    /// The name of an existing stream.
    stream_id: Option<Box<str>>,
    /// Where an existing stream is read: how it is come back to.
    reconnects: Option<Box<Reconnects>>,
    /// Where a stream is asked for: how it becomes an existing one.
    resume: Option<Box<Resume>>,
    /// Of the connection that was lost, with what it knows of characters cut between events.
    decoder: Option<EventDecoder>,
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

impl Course {
    pub(crate) fn new(client: Client, options: &RequestOptions, body: Result<RequestBody, Error>) -> Self {
        let mut model = None;
        let request = body.and_then(|body| {
            model = body.model().map(str::to_owned);
            let mut options = options.clone();
            options.betas.extend(body.betas().iter().cloned());
            let mut request = client.request(Method::POST, TARGET, Some(body.streaming()), &options)?;
            if let Some(grace) = options.grace {
                Resume::write(grace, request.headers_mut());
            }
            Ok(request)
        });
        let span = tracing::info_span!(
            "perennial.stream",
            model = model.as_deref(),
            attempt = tracing::field::Empty,
            request_id = tracing::field::Empty,
        );
        let resume = options.grace.map(|_| Box::new(Resume::new(client.clone(), options.clone())));
        let mut course = Self { resume, ..Self::with(client, options, request, span) };
        course.told.hops = options.hops.and_then(Hops::new);
        course
    }

    /// The reading of a stream that a gateway keeps, from its beginning. `request` is the one for its events.
    pub(crate) fn attached(
        client: Client,
        options: &RequestOptions,
        request: Result<http::Request<Bytes>, Error>,
        id: &str,
    ) -> Self {
        let span = tracing::info_span!(
            "perennial.attached",
            stream = id,
            attempt = tracing::field::Empty,
            request_id = tracing::field::Empty,
        );
        let policy = options.reconnects.unwrap_or_default();
        let mut course = Self::with(client, options, request, span);
        course.deadlines = policy.deadlines(&course.deadlines);
        course.stream_id = Some(id.into());
        course.reconnects = Some(Box::new(Reconnects::new(policy)));
        course.told.cursor = Some(Box::default());
        course
    }

    fn with(
        client: Client,
        options: &RequestOptions,
        request: Result<http::Request<Bytes>, Error>,
        span: tracing::Span,
    ) -> Self {
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
            state,
            attempts: 0,
            total_at: None,
            response: None,
            told: Told::default(),
            stream_id: None,
            reconnects: None,
            resume: None,
            decoder: None,
            span,
        }
    }

    pub(crate) fn follow_inputs(&mut self) {
        self.told.follow_inputs = true;
        self.told.transcript = self.told.new_transcript();
    }

    /// What is handed out is to begin after `position`.
    pub(crate) fn after(&mut self, position: Position) {
        match self.told.cursor.as_deref_mut() {
            Some(cursor) => cursor.after(position),
            None => {
                let error =
                    Error::request("only an attached stream has positions; this one is asked for anew");
                self.state = State::failed(error, Transcript::new());
            }
        }
    }

    /// What has been handed out; `None` where the stream is not attached to.
    pub(crate) fn position(&self) -> Option<Position> {
        Some(self.told.cursor.as_deref()?.shown(!self.told.queue.is_empty()))
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

    pub(crate) fn stream_id(&self) -> Option<&str> {
        self.stream_id.as_deref().or_else(|| self.response()?.stream_id())
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
                    if let State::Reading(reading) = &mut self.state {
                        reading.pause();
                    }
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
                        self.ended();
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
                    if let Some(reconnects) = &mut self.reconnects {
                        reconnects.reached();
                    } else if let Some(resume) = &mut self.resume
                        && resume.opened(&opened.info)
                    {
                        self.told.cursor = Some(Box::new(Cursor::drop_in()));
                    }
                    let decoder = self.decoder.take();
                    let reading = Reading::new(opened, self.deadlines, self.total_at, self.limit, decoder);
                    self.state = State::Reading(Box::new(reading.attempt(self.attempts)));
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
        let (client, mut request) = (self.client.clone(), self.request.clone());
        if let Some(cursor) = &self.told.cursor {
            cursor.write(request.headers_mut());
        }
        if let Some(body) = self.told.hops.as_mut().and_then(|hops| hops.body()) {
            *request.body_mut() = body;
        }
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
        let error = match self.reconnect(error) {
            Ok(()) => return,
            Err(error) => error,
        };
        if let Some(retrying) = self.retrying(&error) {
            tracing::debug!(
                parent: &self.span,
                %error,
                delay_ms = u64::try_from(retrying.delay.as_millis()).unwrap_or(u64::MAX),
                "the request is sent again"
            );
            self.state = State::Waiting(Box::pin(sleep(retrying.delay)));
            self.told.begin_again();
            self.told.queue.push_back(Queued::Retrying(retrying));
            return;
        }
        let error = match self.go_on(error) {
            Ok(()) => return,
            Err(error) => error,
        };
        tracing::debug!(parent: &self.span, %error, "the answer failed");
        if error.is_of_the_stream() {
            self.ended();
        }
        let partial = self.told.settle(&error);
        self.state = State::failed(error, partial);
    }

    /// It broke in the middle of the content: what follows, where something can.
    fn go_on(&mut self, error: Error) -> Result<(), Error> {
        let cause = error.clone();
        let delay =
            match self.told.hop(self.request.body(), error, &self.client, &self.policy, self.total_at)? {
                Hop::Ask(delay) => delay,
                Hop::Finish(frame) => {
                    self.told.finish(frame);
                    self.state = State::Finished;
                    self.ended();
                    return Ok(());
                }
            };
        tracing::debug!(parent: &self.span, error = %cause, "the rest of the answer is asked for");
        let attempt = self.attempts + 1;
        self.told.queue.push_back(Queued::Continuing(Continuing { attempt, delay, cause }));
        self.state = State::Waiting(Box::pin(sleep(delay)));
        Ok(())
    }

    /// Nothing is left to be stopped.
    fn ended(&mut self) {
        if let Some(resume) = &mut self.resume {
            resume.ended();
        }
    }

    /// The connection to a stream that goes on without us is lost: another one, where `error` is of the kind that passes.
    fn reconnect(&mut self, error: Error) -> Result<(), Error> {
        self.resume(&error)?;
        let (Some(reconnects), Some(cursor)) = (&mut self.reconnects, &mut self.told.cursor) else {
            return Err(error);
        };
        if cursor.take_fruitful() {
            reconnects.fruitful();
        }
        if cursor.is_whole() && reconnect::is_passing(&error) {
            tracing::debug!(parent: &self.span, %error, "the answer is complete all the same");
            self.told.complete::<()>()?;
            self.state = State::Finished;
            self.ended();
            return Ok(());
        }
        let position = cursor.latest();
        let delay = reconnects.delay(error.clone(), cursor.retry(), self.total_at)?;
        tracing::debug!(
            parent: &self.span,
            %error,
            %position,
            delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            "the connection is lost; the stream is attached to again"
        );
        let waiting = State::Waiting(Box::pin(sleep(delay)));
        if let State::Reading(reading) = std::mem::replace(&mut self.state, waiting) {
            self.decoder = Some(reading.into_decoder());
        }
        Ok(())
    }

    /// A stream that was asked for, and that a gateway keeps, becomes one that is attached to, where `error` is of the kind that passes.
    fn resume(&mut self, error: &Error) -> Result<(), Error> {
        let (None, Some(resume), Some(cursor)) = (&self.reconnects, &self.resume, &mut self.told.cursor)
        else {
            return Ok(());
        };
        // Without positions nobody can tell what was handed out.
        if cursor.latest().seq() == 0 && self.told.started {
            return Ok(());
        }
        let Some((request, reconnects)) = resume.after(error) else { return Ok(()) };
        cursor.attach();
        self.request = request?;
        self.deadlines = reconnects.deadlines(&self.deadlines);
        self.reconnects = Some(Box::new(reconnects));
        Ok(())
    }

    fn retrying(&self, error: &Error) -> Option<Retrying> {
        let retries = self.attempts.saturating_sub(1);
        if self.reconnects.is_some() || self.told.content || !error.is_retryable() {
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
