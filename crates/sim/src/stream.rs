//! The body of a streamed response: acts, played at their time.
//!
//! Polled by the connection itself, without a task of its own: when the client leaves, the body is dropped at once and the
//! journal knows. Nothing is generated ahead of what the socket takes, beyond one write.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame as HttpFrame};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::frame::Frame;
use crate::journal::{Outcome, Recording};
use crate::line::{Cut, Line};
use crate::pace::{Flush, Metronome, Pace};

/// Events that are due together share a write up to this size.
const SHARED_WRITE_BYTES: usize = 16 * 1024;
/// Where a stall has no end of its own: longer than any test or client waits.
const FOREVER: Duration = Duration::from_secs(86_400);

/// One thing that the body does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends an event, after the wait that the pace demands.
    Send(Frame),
    /// Sends nothing for a while, or `None` for ever; pings after so much silence, if at all.
    Stall(Option<Duration>, Option<Duration>),
    /// Breaks the connection.
    Cut(Cut),
    /// Ends the body as HTTP wants it, before the answer ended.
    End,
}

/// Acts in order, made when they are due.
pub(crate) type Acts = Box<dyn Iterator<Item = Act> + Send>;

/// What a stream is played from.
pub(crate) struct Score {
    pub(crate) acts: Acts,
    /// Acts that come when exactly so many bytes of the body were sent; ascending.
    pub(crate) at_bytes: VecDeque<(u64, Act)>,
    pub(crate) pace: Pace,
    pub(crate) metronome: Metronome,
    pub(crate) recording: Recording,
    pub(crate) line: Arc<Line>,
}

/// A streamed body. See the [module](self).
pub(crate) struct Playing {
    score: Score,
    /// Acts that come before those of the score.
    next: VecDeque<Act>,
    /// When the event last sent was due. Waits add up from here, not from when it was really sent.
    due: Instant,
    wait: Option<Wait>,
    sleep: Option<Pin<Box<Sleep>>>,
    buffer: BytesMut,
    bytes: u64,
    last_write: Instant,
    /// The connection is to flush before anything else is handed to it.
    flushing: bool,
    state: State,
}

struct Wait {
    until: Instant,
    pings: Option<Duration>,
    /// What is sent, already billed, when the wait is over.
    then: Option<Frame>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Playing,
    /// The connection was told to break; it does so when everything is flushed.
    Broken,
    Ended,
}

impl Playing {
    pub(crate) fn new(score: Score) -> Self {
        let now = Instant::now();
        Self {
            score,
            next: VecDeque::new(),
            due: now,
            wait: None,
            sleep: None,
            buffer: BytesMut::new(),
            bytes: 0,
            last_write: now,
            flushing: false,
            state: State::Playing,
        }
    }

    /// Plays acts until there are bytes to write (`Some`), or the body is over (`None`).
    fn play(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if std::mem::take(&mut self.flushing) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.state == State::Broken {
                return Poll::Pending;
            }
            let full = match self.score.pace.flush {
                Flush::Event => !self.buffer.is_empty(),
                Flush::Shared => self.buffer.len() >= SHARED_WRITE_BYTES,
            };
            let pausing = self.wait.is_some() || self.state == State::Ended;
            if full || (pausing && !self.buffer.is_empty()) {
                self.flushing = self.score.pace.flush == Flush::Event;
                self.last_write = Instant::now();
                return Poll::Ready(Some(self.buffer.split().freeze()));
            }
            if self.state == State::Ended {
                return Poll::Ready(None);
            }
            if self.wait.is_some() {
                ready!(self.wait(cx));
                continue;
            }
            let act = self.due_at_byte().or_else(|| self.next.pop_front()).or_else(|| self.score.acts.next());
            match act {
                Some(act) => self.act(act),
                None => self.end(Outcome::Completed),
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Send(frame) => {
                let wait = self.score.metronome.before(frame.tokens);
                if wait.is_zero() {
                    self.score.recording.generated(&frame);
                    self.send(frame);
                } else {
                    self.due += wait;
                    self.wait =
                        Some(Wait { until: self.due, pings: self.score.pace.ping, then: Some(frame) });
                }
            }
            Act::Stall(span, pings) => {
                let until = Instant::now() + span.unwrap_or(FOREVER);
                self.due = until;
                self.wait = Some(Wait { until, pings, then: None });
            }
            Act::Cut(_) if !self.buffer.is_empty() => {
                // What was sent so far leaves first: an empty wait makes the buffer go out.
                self.next.push_front(act);
                self.wait = Some(Wait { until: Instant::now(), pings: None, then: None });
            }
            Act::Cut(cut) => {
                self.score.line.cut(cut);
                self.score.recording.ended(Outcome::Faulted);
                self.state = State::Broken;
            }
            Act::End => self.end(Outcome::Faulted),
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.score.recording.ended(outcome);
        self.state = State::Ended;
    }

    /// Hands an event over, or as much of it as comes before an act that is bound to a byte.
    fn send(&mut self, mut frame: Frame) {
        let end = self.bytes + frame.bytes.len() as u64;
        if let Some(&(at, _)) = self.score.at_bytes.front()
            && at < end
        {
            // The act itself is taken up by `due_at_byte`. An event counts as sent with its last byte.
            let kept = usize::try_from(at - self.bytes).unwrap_or(0);
            let head = Frame::raw(frame.bytes.split_to(kept));
            self.next.push_front(Act::Send(Frame { tokens: 0, ..frame }));
            frame = head;
        }
        self.score.recording.sent(&frame);
        self.bytes += frame.bytes.len() as u64;
        self.buffer.extend_from_slice(&frame.bytes);
    }

    /// The act that is bound to the number of bytes sent by now.
    fn due_at_byte(&mut self) -> Option<Act> {
        let &(at, _) = self.score.at_bytes.front()?;
        if at > self.bytes {
            return None;
        }
        self.score.at_bytes.pop_front().map(|(_, act)| act)
    }

    /// Waits for what is due next: the end of the wait, or a ping within it.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wait) = &self.wait else { return Poll::Ready(()) };
        let now = Instant::now();
        let ping = wait.pings.map(|span| self.last_write + span).filter(|ping| *ping < wait.until);
        let next = ping.unwrap_or(wait.until);
        if next > now {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(next)));
            if sleep.deadline() != next {
                sleep.as_mut().reset(next);
            }
            ready!(sleep.as_mut().poll(cx));
        }
        if ping.is_some() {
            let ping = Frame::ping();
            self.score.recording.note(|entry| entry.silent_pings += 1);
            self.score.recording.sent(&ping);
            self.bytes += ping.bytes.len() as u64;
            self.buffer.extend_from_slice(&ping.bytes);
            return Poll::Ready(());
        }
        if let Some(frame) = self.wait.take().and_then(|wait| wait.then) {
            self.score.recording.generated(&frame);
            self.send(frame);
        }
        Poll::Ready(())
    }
}

impl Body for Playing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<HttpFrame<Bytes>, Infallible>>> {
        self.get_mut().play(cx).map(|bytes| bytes.map(|bytes| Ok(HttpFrame::data(bytes))))
    }
}
