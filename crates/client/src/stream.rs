//! The message stream: one answer while it arrives, through all attempts that it takes.
//!
//! This is the outside: what a reader asks of a stream. The course of the attempts is in `course.rs`, the reading of one body in
//! `reading.rs`.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use perennial_protocol::{Message, Transcript, Usage};

use crate::course::Course;
use crate::event::StreamEvent;
use crate::view::{Events, Fold, FrameStream, RawEvents, TextStream, View};
use crate::{Client, Error, Position, RateLimits, RequestBody, RequestOptions, ResponseInfo};

/// An answer while it arrives: a [`Stream`] of [`StreamEvent`]s, and of other views of the same.
///
/// It ends after `message_stop`, or with an error: an answer that is cut short can never be taken for a whole one. Dropping it closes the
/// connection, which is how the service is told to stop.
///
/// ```no_run
/// # async fn run(request: serde_json::Value) -> Result<(), perennial::Error> {
/// use futures_util::StreamExt as _;
/// use perennial::StreamEvent;
///
/// let client = perennial::Client::from_env()?;
/// let mut stream = client.messages().stream(request);
/// while let Some(event) = stream.next().await {
///     match event? {
///         StreamEvent::Text { delta, .. } => print!("{delta}"),
///         StreamEvent::BlockFinished { block, .. } => eprintln!("[{} is finished]", block.kind()),
///         StreamEvent::Retrying(retrying) => eprintln!("[again in {:?}]", retrying.delay),
///         _ => {}
///     }
/// }
/// println!("{:?}", stream.usage());
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct MessageStream {
    course: Box<Course>,
}

/// What an answer has cost so far, in tokens.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StreamUsage<'a> {
    /// The figures.
    pub tokens: &'a Usage,
    /// Whether they are the service's last word. Before that, output is a placeholder that says nothing about the bill.
    pub is_final: bool,
}

impl MessageStream {
    pub(crate) fn new(client: Client, options: &RequestOptions, body: Result<RequestBody, Error>) -> Self {
        Self { course: Box::new(Course::new(client, options, body)) }
    }

    /// Also reads each tool's input while it arrives, so that the transcript has
    /// [`partial_input`](Transcript::partial_input). To be said before the stream is read.
    pub fn following_inputs(mut self) -> Self {
        self.course.follow_inputs();
        self
    }

    /// Hands out only what follows `position`, in an [attached](crate::resources::Streams::attach) stream: to go on where another process
    /// has stopped. To be said before the stream is read.
    ///
    /// What came before is read all the same, so that transcript and final message are whole. On a stream that is not attached to, this is an
    /// error, its first and only item.
    pub fn after(mut self, position: Position) -> Self {
        self.course.after(position);
        self
    }

    /// Waits for the response's headers, through retries.
    ///
    /// # Errors
    /// Where no attempt gets that far.
    pub async fn open(&mut self) -> Result<&ResponseInfo, Error> {
        poll_fn(|cx| self.course.poll_open(cx)).await?;
        Ok(self.course.response().expect("an opened stream has a response"))
    }

    /// Only the text for the reader, piece by piece. Read the stream on in another way at any time.
    pub fn text_stream(&mut self) -> TextStream<&mut Self> {
        TextStream::new(self)
    }

    /// [`text_stream`](Self::text_stream) as a stream that owns all it needs.
    pub fn into_text_stream(self) -> TextStream<Self> {
        TextStream::new(self)
    }

    /// The events as they came.
    pub fn raw_events(&mut self) -> RawEvents<&mut Self> {
        RawEvents::new(self)
    }

    /// The exact bytes of each frame, for a relay. A second attempt's `message_start` is left out. What follows the start of the first block
    /// comes with the block's first delta.
    pub fn frames(&mut self) -> FrameStream<&mut Self> {
        FrameStream::new(self)
    }

    /// Reads to the end and keeps what came in the [`transcript`](Self::transcript). The cheapest way to read.
    ///
    /// # Errors
    /// Whatever keeps the answer from being complete; the same again where the stream has failed before.
    pub async fn finish(&mut self) -> Result<(), Error> {
        match poll_fn(|cx| self.poll_view(cx, &mut Fold)).await {
            Some(Ok(nothing)) => match nothing {},
            Some(Err(error)) => Err(error),
            None => self.course.failure().map_or(Ok(()), Err),
        }
    }

    /// The whole message.
    ///
    /// # Errors
    /// Whatever keeps the answer from being complete, with what came of it. A refusal or a cut by `max_tokens` is no error:
    /// look at the stop reason.
    pub async fn final_message(mut self) -> Result<Message, Error> {
        self.finish().await?;
        Ok(self.course.into_transcript().into_message())
    }

    /// The text of the whole message.
    ///
    /// # Errors
    /// As [`final_message`](Self::final_message).
    pub async fn final_text(mut self) -> Result<String, Error> {
        self.finish().await?;
        Ok(self.transcript().text())
    }

    /// What came so far, folded. Reading it copies nothing.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        self.course.transcript()
    }

    /// What the answer cost so far.
    #[must_use]
    pub fn usage(&self) -> StreamUsage<'_> {
        let transcript = self.transcript();
        let envelope = transcript.envelope();
        StreamUsage { tokens: &envelope.usage, is_final: envelope.stop_reason.is_some() }
    }

    /// The response's head, once it is here; that of the last attempt.
    #[must_use]
    pub fn response(&self) -> Option<&ResponseInfo> {
        self.course.response()
    }

    /// The id of the request, to be quoted to support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.response()?.request_id()
    }

    /// What is left of the account's limits.
    #[must_use]
    pub fn rate_limits(&self) -> RateLimits {
        self.response().map(ResponseInfo::rate_limits).unwrap_or_default()
    }

    /// The name of the stream, where a gateway keeps it: it can be [attached](crate::resources::Streams::attach) to by that.
    #[must_use]
    pub fn stream_id(&self) -> Option<&str> {
        self.course.stream_id()
    }

    /// How far an attached stream has been handed out; `None` for one that is not attached to. Whoever has dealt with what was handed out
    /// last may keep it, to go on [`after`](Self::after) it.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.course.position()
    }

    /// How often the request was sent so far; for an attached stream, how often it was connected to.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.course.attempts()
    }

    /// How many frames came in the current attempt: events, pings included, and comments.
    #[must_use]
    pub fn frames_received(&self) -> u64 {
        self.course.frames()
    }

    /// Closes the connection and keeps what came.
    #[must_use = "drop the stream to cancel it without keeping anything"]
    pub fn cancel(self) -> Transcript {
        self.course.into_transcript()
    }

    pub(crate) fn of(course: Course) -> Self {
        Self { course: Box::new(course) }
    }

    pub(crate) fn poll_view<V: View>(
        &mut self,
        cx: &mut Context<'_>,
        view: &mut V,
    ) -> Poll<Option<Result<V::Item, Error>>> {
        self.course.poll(cx, view)
    }
}

impl Stream for MessageStream {
    type Item = Result<StreamEvent, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_view(cx, &mut Events)
    }
}

impl fmt::Debug for MessageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStream")
            .field("request_id", &self.request_id())
            .field("attempts", &self.attempts())
            .field("end", &self.transcript().end().to_string())
            .finish_non_exhaustive()
    }
}
