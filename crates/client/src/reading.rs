//! The reading of one body: pieces to events, events to the transcript and the reader.
//!
//! This is the hot loop. It takes every piece that is ready before it waits, and nothing in it allocates for a delta unless the view
//! hands something out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream as _;
use perennial_protocol::{
    ApiError, ContentBlock, Effect, End, Event, EventDecoder, Ignored, Message, ToolInput, Transcript,
};
use tokio::time::Instant;

use crate::error::phase_of;
use crate::excerpt::excerpt;
use crate::exchange::Opened;
use crate::told::{Queued, Told};
use crate::transport::Body;
use crate::view::{Moment, View};
use crate::watch::Watch;
use crate::{Deadlines, Error, MaxEventBytes, ResponseInfo, linger};

/// After so many pieces without a wait, other tasks get a turn.
const PIECES_PER_TURN: usize = 512;

pub(crate) struct Reading {
    info: Arc<ResponseInfo>,
    /// The number of the attempt.
    attempt: u32,
    deadlines: Deadlines,
    limit: MaxEventBytes,
    watch: Watch,
    body: Body,
    /// The body came to its end.
    ended: bool,
    form: Form,
    decoder: EventDecoder,
    /// The piece being decoded, and how far.
    piece: Bytes,
    at: usize,
}

/// What the body is. Only its first bytes tell; what proxies write into `content-type` does not.
enum Form {
    Unknown,
    /// A stream of events.
    Events,
    /// A whole message, though a stream was asked for (some proxies do that).
    Json(Vec<u8>),
    /// Something for people.
    Page(Vec<u8>),
}

pub(crate) enum Step<T> {
    Item(T),
    /// There is something in the queue.
    Queued,
    /// The answer is complete.
    Finished(Option<T>),
    Failed(Error),
}

impl Reading {
    pub(crate) fn new(
        opened: Opened,
        deadlines: Deadlines,
        total_at: Option<Instant>,
        limit: MaxEventBytes,
        decoder: Option<EventDecoder>,
    ) -> Self {
        Self {
            info: opened.info,
            attempt: 1,
            deadlines,
            limit,
            watch: Watch::new(deadlines, opened.first_byte_at, total_at),
            body: opened.body,
            ended: false,
            form: Form::Unknown,
            decoder: decoder.unwrap_or_else(|| EventDecoder::with_limit(limit)),
            piece: Bytes::new(),
            at: 0,
        }
    }

    /// The same, of this attempt.
    pub(crate) fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// The reader goes away with something.
    pub(crate) fn pause(&mut self) {
        self.watch.pause();
    }

    /// The connection is lost: gives the decoder to the next one, without the frame that was cut.
    pub(crate) fn into_decoder(mut self) -> EventDecoder {
        self.decoder.finish();
        self.decoder
    }

    /// The answer is complete: gives the connection back.
    pub(crate) fn release(self, cx: &mut Context<'_>) {
        if !self.ended {
            linger::release(self.body, cx);
        }
    }

    pub(crate) fn poll<V: View>(
        &mut self,
        cx: &mut Context<'_>,
        view: &mut V,
        told: &mut Told,
    ) -> Poll<Step<V::Item>> {
        match ready!(self.turn(cx, view, told)) {
            Ok(step) => Poll::Ready(step),
            Err(error) => Poll::Ready(Step::Failed(error.with_response(Some(Arc::clone(&self.info))))),
        }
    }

    fn turn<V: View>(
        &mut self,
        cx: &mut Context<'_>,
        view: &mut V,
        told: &mut Told,
    ) -> Poll<Result<Step<V::Item>, Error>> {
        for _ in 0..PIECES_PER_TURN {
            if let Some(step) = self.decode(view, told)? {
                return Poll::Ready(Ok(step));
            }
            match Pin::new(&mut self.body).poll_next(cx) {
                Poll::Ready(Some(Ok(piece))) => {
                    if !piece.is_empty() {
                        self.watch.byte();
                        self.take(piece)?;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(Error::transport(error, told.phase())));
                }
                Poll::Ready(None) => return Poll::Ready(self.end(told)),
                Poll::Pending => {
                    let clock = ready!(self.watch.poll_wait(cx));
                    let limit = self.deadlines.of(clock);
                    return Poll::Ready(Err(Error::deadline(clock, limit, told.phase())));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes a piece of the body.
    fn take(&mut self, piece: Bytes) -> Result<(), Error> {
        if matches!(self.form, Form::Unknown) {
            let text = piece.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&piece);
            match text.trim_ascii_start().first() {
                Some(b'{') => self.form = Form::Json(Vec::new()),
                Some(b'<') => self.form = Form::Page(Vec::new()),
                Some(_) if self.is_plain_text() && !begins_a_field(text) => {
                    self.form = Form::Page(Vec::new());
                }
                Some(_) => self.form = Form::Events,
                // Blank lines in front say nothing and mean nothing.
                None => return Ok(()),
            }
        }
        match &mut self.form {
            Form::Json(body) if body.len() + piece.len() > self.limit.get() => {
                return Err(Error::too_large(self.limit));
            }
            Form::Json(body) => body.extend_from_slice(&piece),
            Form::Page(body) if body.len() > 4096 => {}
            Form::Page(body) => body.extend_from_slice(&piece),
            Form::Unknown | Form::Events => {
                self.piece = piece;
                self.at = 0;
            }
        }
        Ok(())
    }

    /// Whether the headers say that this is text of some kind, but not events.
    fn is_plain_text(&self) -> bool {
        let kind = self.info.header("content-type").unwrap_or_default();
        kind.starts_with("text/") && !kind.starts_with("text/event-stream")
    }

    /// Decodes the piece up to something that is to be handed out.
    fn decode<V: View>(&mut self, view: &mut V, told: &mut Told) -> Result<Option<Step<V::Item>>, Error> {
        let mut input = &self.piece[self.at..];
        while let Some(received) = self.decoder.next_event(&mut input) {
            self.at = self.piece.len() - input.len();
            let received = received.map_err(|error| Error::malformed(error, told.phase()))?;
            told.frames += 1;
            let (frame, raw) = (received.frame, received.frame.raw());
            let step = match received.event {
                event if told.cursor.is_some() => told.recorded(frame, event, &mut self.watch, view)?,
                Some(event) if told.is_joining() && !is_of_the_connection(&event) => {
                    told.joined(frame, &event, self.attempt, &mut self.watch)?
                }
                Some(event) => told.event(raw, event, &mut self.watch, view)?,
                None => told.alive(raw, view),
            };
            if step.is_some() {
                return Ok(step);
            }
        }
        self.at = self.piece.len();
        Ok(None)
    }

    /// The body has ended.
    fn end<T>(&mut self, told: &mut Told) -> Result<Step<T>, Error> {
        self.ended = true;
        match std::mem::replace(&mut self.form, Form::Unknown) {
            // Nothing is left, though the terminal record never came.
            _ if told.cursor.is_some() && self.info.status() == 204 => {
                Err(Error::incomplete(&told.transcript.end(), told.phase()))
            }
            Form::Unknown | Form::Events if told.cursor.is_some() => {
                Err(Error::truncated(&told.transcript.end(), told.phase()))
            }
            Form::Json(body) if told.cursor.is_none() && !told.is_joining() => told.whole(&body),
            Form::Page(body) | Form::Json(body) => {
                let text = String::from_utf8_lossy(&body);
                Err(Error::unexpected_body(format!("the answer is a page, not a stream: {}", excerpt(&text))))
            }
            Form::Unknown | Form::Events => {
                // What lacks only its blank line counts where it is the end itself.
                if let Some(event) = self.decoder.finish().filter(|_| !told.is_apart()) {
                    let effect = told.transcript.apply(&event);
                    told.queue.push_back(Queued::Received { raw: Bytes::new(), event, effect });
                    if effect == Effect::Finished {
                        return Ok(Step::Finished(None));
                    }
                }
                Err(Error::truncated(&told.transcript.end(), told.phase()))
            }
        }
    }
}

impl Told {
    pub(crate) fn phase(&self) -> crate::Phase {
        phase_of(&self.transcript, self.content)
    }

    /// Takes an event in and shows it, or something that has to be shown before.
    #[inline]
    pub(crate) fn event<V: View>(
        &mut self,
        raw: &[u8],
        event: Event<'_>,
        watch: &mut Watch,
        view: &mut V,
    ) -> Result<Option<Step<V::Item>>, Error> {
        // Nine events of ten.
        if self.content && matches!(event, Event::ContentBlockDelta { .. }) {
            let effect = self.transcript.apply(&event);
            if matches!(effect, Effect::BlockGrew(_)) {
                watch.content();
            } else {
                self.strayed = true;
            }
            return Ok(view.see(Moment::Received { raw, event, effect }, &self.transcript).map(Step::Item));
        }
        self.rare_event(raw, event, watch, view)
    }

    /// A frame without an event.
    pub(crate) fn alive<V: View>(&mut self, raw: &[u8], view: &mut V) -> Option<Step<V::Item>> {
        if V::IN_ORDER && !self.held.is_empty() {
            self.held.push(Queued::Alive(Bytes::copy_from_slice(raw)));
            return None;
        }
        view.see(Moment::Alive { raw }, &self.transcript).map(Step::Item)
    }

    fn rare_event<V: View>(
        &mut self,
        raw: &[u8],
        event: Event<'_>,
        watch: &mut Watch,
        view: &mut V,
    ) -> Result<Option<Step<V::Item>>, Error> {
        let left_open: Vec<u64> = match event {
            Event::MessageDelta(_) | Event::MessageStop => self.transcript.open_blocks().collect(),
            _ => Vec::new(),
        };
        let phase = self.phase();
        // What failed may be gone on with, so it is not the end of the transcript yet.
        if let Event::Error(error) = &event
            && self.hops.is_some()
            && !self.transcript.is_finished()
        {
            return Err(Error::in_stream((**error).clone(), phase));
        }
        let effect = self.transcript.apply(&event);
        match effect {
            Effect::Failed => {
                let Event::Error(error) = event else { return Ok(None) };
                return Err(Error::in_stream(*error, phase));
            }
            Effect::Started => {
                watch.content();
                if std::mem::replace(&mut self.started, true) {
                    return Ok(None);
                }
                self.queue_blocks();
            }
            Effect::BlockStarted(index)
                // The attempts of a gateway are its own.
                if !self.content && self.cursor.is_none() && is_empty(&self.transcript, index) =>
            {
                watch.content();
                self.held.push(Queued::received(raw, event, effect));
                return Ok(None);
            }
            Effect::Nothing if V::IN_ORDER && !self.held.is_empty() => {
                self.held.push(Queued::received(raw, event, effect));
                return Ok(None);
            }
            Effect::Finished if self.transcript.envelope().stop_reason.is_none() => {
                return Err(Error::no_stop_reason(phase));
            }
            // Content that cannot be placed was sent, and paid for, all the same; and the reader is told of it.
            Effect::Ignored(why) => {
                self.content |= event.is_content();
                // A second stop changes nothing.
                self.strayed |= match event {
                    Event::ContentBlockStop { .. } => why == Ignored::OtherMessage,
                    _ => event.is_content() || why == Ignored::OtherMessage,
                };
            }
            Effect::Nothing => {}
            _ => {
                watch.content();
                self.content = true;
            }
        }
        if let Effect::BlockStarted(index) = effect
            && text_in(&self.transcript, index)
        {
            self.queue.push_back(Queued::Text(index));
        }
        let before = if self.content { std::mem::take(&mut self.held) } else { Vec::new() };
        if !before.is_empty() || !left_open.is_empty() {
            let after = std::mem::take(&mut self.queue);
            self.queue.extend(before);
            self.queue.extend(left_open.into_iter().map(Queued::Finished));
            self.queue.push_back(Queued::received(raw, event, effect));
            self.queue.extend(after);
            let finished = effect == Effect::Finished;
            return Ok(Some(if finished { Step::Finished(None) } else { Step::Queued }));
        }
        let item = view.see(Moment::Received { raw, event, effect }, &self.transcript);
        Ok(match item {
            item if effect == Effect::Finished => Some(Step::Finished(item)),
            Some(item) => Some(Step::Item(item)),
            None if self.queue.is_empty() => None,
            None => Some(Step::Queued),
        })
    }

    /// A body that is a message as a whole.
    fn whole<T>(&mut self, body: &[u8]) -> Result<Step<T>, Error> {
        let text = String::from_utf8_lossy(body);
        if let Some(error) = ApiError::from_body(&text) {
            return Err(Error::in_stream(error, self.phase()));
        }
        let message = match serde_json::from_slice::<Message>(body) {
            Ok(message) if message.role == "assistant" && message.stop_reason.is_some() => message,
            Err(error) if error.is_eof() => {
                return Err(Error::truncated(&self.transcript.end(), self.phase()).caused_by(error));
            }
            _ => {
                return Err(Error::unexpected_body(format!(
                    "the answer is JSON but no message: {}",
                    excerpt(&text)
                )));
            }
        };
        for event in [Event::MessageStart(Box::new(message)), Event::MessageStop] {
            let effect = self.transcript.apply(&event);
            let starts = effect == Effect::Started;
            if !(starts && std::mem::replace(&mut self.started, true)) {
                self.queue.push_back(Queued::Received { raw: Bytes::new(), event, effect });
            }
            if starts {
                self.queue_blocks();
            }
        }
        self.content = true;
        debug_assert!(matches!(self.transcript.end(), End::Complete { .. } | End::Refused));
        Ok(Step::Finished(None))
    }

    /// Queues what the message had in it when it started.
    fn queue_blocks(&mut self) {
        for index in self.transcript.indices() {
            self.content = true;
            self.queue.push_back(Queued::Started(index));
            if text_in(&self.transcript, index) {
                self.queue.push_back(Queued::Text(index));
            }
            self.queue.push_back(Queued::Finished(index));
        }
    }
}

impl Queued {
    fn received(raw: &[u8], event: Event<'_>, effect: Effect) -> Self {
        Self::Received { raw: Bytes::copy_from_slice(raw), event: event.into_owned(), effect }
    }
}

/// What is said of the connection, whatever it carries.
fn is_of_the_connection(event: &Event<'_>) -> bool {
    matches!(event, Event::Ping | Event::Error(_))
}

/// Whether a body can be a stream of events, by its first bytes, be they ever so few.
fn begins_a_field(text: &[u8]) -> bool {
    let fields: [&[u8]; 5] = [b"event", b"data", b"id", b"retry", b":"];
    let text = text.trim_ascii_start();
    fields.iter().any(|field| text.starts_with(field) || field.starts_with(text))
}

/// Whether nothing has been said in this block yet.
fn is_empty(transcript: &Transcript, index: u64) -> bool {
    match transcript.block(index) {
        Some(ContentBlock::Text(block)) => block.text.is_empty(),
        Some(ContentBlock::Thinking(block)) => block.thinking.is_empty() && block.signature.is_empty(),
        Some(ContentBlock::ToolUse(call) | ContentBlock::ServerToolUse(call)) => {
            call.input == ToolInput::default()
        }
        _ => false,
    }
}

fn text_in(transcript: &Transcript, index: u64) -> bool {
    matches!(transcript.block(index), Some(ContentBlock::Text(block)) if !block.text.is_empty())
}
