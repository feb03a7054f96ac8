//! One socket: what its client asks, in order, and what its streams have, in turn.
//!
//! Nothing is queued beyond what the socket takes: while it takes nothing no reader is asked and no frame is read, so a client that does not
//! read is a cursor that stands still, and in the end one whose connection is given up like any other's.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use http::HeaderMap;
use perennial_protocol::ErrorKind;
use serde_json::{Value, json};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::frame::{self, Echo, Op};
use super::operation::{Done, perform};
use super::subscription::{Next, Subscription};
use crate::clock::Clock;
use crate::limits::MAX_STREAMS_AT_ONCE;
use crate::refusal::Refusal;
use crate::seat::Seat;
use crate::service::Service;

/// What one stream may say before the next one is looked at.
const TURN_BYTES: usize = 8 * 1024;
/// For the other end to say goodbye as well. Without it what is on its way could be lost.
const FAREWELL: Duration = Duration::from_secs(5);
/// So many pings may go unanswered until the next one is due.
const UNANSWERED: u8 = 2;

/// One socket.
pub(super) struct Session {
    service: Arc<Service>,
    handshake: Arc<HeaderMap>,
    socket: WebSocket,
    subscriptions: Vec<Subscription>,
    /// Whose turn is first.
    first: usize,
    /// Room to write in.
    lines: BytesMut,
    /// What the last frame comes to. The next one is read when this is done.
    working: Option<Pin<Box<dyn Future<Output = Done> + Send>>>,
    life: Clock,
    /// Pings since the client was last heard.
    unanswered: u8,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    over: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The connection counts as long as this is here.
    _seat: Arc<Seat>,
}

/// Why a socket is closed.
#[derive(Debug)]
enum End {
    /// The other end is not there any more, or takes nothing.
    Gone,
    /// The other end has said goodbye.
    Closed,
    /// This end says goodbye.
    Close(u16, &'static str),
}

impl Session {
    pub(super) fn new(
        service: Arc<Service>,
        seat: Arc<Seat>,
        handshake: HeaderMap,
        socket: WebSocket,
    ) -> Self {
        Self {
            life: Clock::new(service.clocks.ping),
            draining: Box::pin(service.draining.clone().cancelled_owned()),
            over: Box::pin(seat.over.clone().cancelled_owned()),
            service,
            handshake: Arc::new(handshake),
            socket,
            subscriptions: Vec::new(),
            first: 0,
            lines: BytesMut::new(),
            working: None,
            unanswered: 0,
            _seat: seat,
        }
    }

    pub(super) async fn run(mut self) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        tracing::debug!(?end, "a WebSocket ends");
        // Nobody reads any more, while goodbyes are said.
        self.subscriptions.clear();
        self.working = None;
        let mut socket = self.socket;
        let goodbye = async {
            if let End::Close(code, reason) = end {
                socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
            }
            if !matches!(end, End::Gone) {
                while let Some(message) = socket.next().await {
                    message?;
                }
            }
            Ok::<(), axum::Error>(())
        };
        // Whoever does not answer is left all the same.
        drop(tokio::time::timeout(FAREWELL, goodbye).await);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        match self.poll_on(cx) {
            Poll::Ready(Err(end)) => Poll::Ready(end),
            Poll::Ready(Ok(never)) => match never {},
            Poll::Pending => Poll::Pending,
        }
    }

    /// Goes on until there is an end.
    fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<std::convert::Infallible, End>> {
        let shutdown = || Err(End::Close(close_code::AWAY, "the gateway is shutting down"));
        if self.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(shutdown());
        }
        loop {
            // 1. Room: without it nothing is read, of the client or of the log.
            ready!(self.socket.poll_ready_unpin(cx)).map_err(|error| gone(&error))?;

            // 2. What the client asks, then a turn for each stream, as long as there is anything.
            let mut said = self.poll_client(cx)?;
            said |= self.poll_streams(cx)?;
            if said {
                self.life.set_back();
                continue;
            }

            // 3. Out with it. What is ready together goes out together.
            ready!(self.socket.poll_flush_unpin(cx)).map_err(|error| gone(&error))?;

            // 4. A gateway that stops waits for streams, and not for clients.
            let is_idle = self.subscriptions.is_empty() && self.working.is_none();
            if is_idle && (self.service.draining.is_cancelled() || self.draining.as_mut().poll(cx).is_ready())
            {
                return Poll::Ready(shutdown());
            }

            // 5. Silence.
            ready!(self.life.poll(cx));
            if self.working.is_none() {
                // Frames are read, so a pong would have been heard.
                if self.unanswered >= UNANSWERED {
                    return Poll::Ready(Err(End::Gone));
                }
                self.unanswered += 1;
            }
            self.say(Message::Ping(Bytes::new()))?;
            self.life.set_back();
        }
    }

    /// Takes a step with what the client asks: whether there was one.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if let Some(working) = &mut self.working {
            let Poll::Ready(done) = working.as_mut().poll(cx) else { return Ok(false) };
            self.working = None;
            self.say_text(done.answer)?;
            self.subscriptions.extend(done.subscription.map(|subscription| *subscription));
            return Ok(true);
        }
        let Poll::Ready(heard) = self.socket.poll_next_unpin(cx) else { return Ok(false) };
        let message = match heard {
            None => return Err(End::Gone),
            Some(Err(error)) => {
                tracing::debug!(%error, "a client's frame cannot be taken");
                let reason = "a frame that is too large, is no UTF-8 or breaks the protocol";
                return Err(End::Close(close_code::POLICY, reason));
            }
            Some(Ok(message)) => message,
        };
        self.unanswered = 0;
        match message {
            Message::Text(text) => {
                let (echo, op) = frame::read(text);
                match op {
                    Ok(op) => self.take(echo, op)?,
                    Err(refusal) => self.say_text(echo.refused(&refusal, json!({})))?,
                }
            }
            Message::Binary(_) => {
                let refusal = Refusal::invalid("a frame is text: one object of JSON");
                self.say_text(Echo::default().refused(&refusal, json!({})))?;
            }
            Message::Close(_) => return Err(End::Closed),
            // Pings were answered underneath.
            Message::Ping(_) | Message::Pong(_) => {}
        }
        Ok(true)
    }

    fn take(&mut self, echo: Echo, op: Op) -> Result<(), End> {
        let mut before = None;
        match &op {
            Op::Subscribe { stream, .. } => {
                before = self.leave(*stream);
                if self.subscriptions.len() >= MAX_STREAMS_AT_ONCE {
                    let message = format!(
                        "a socket reads at most {MAX_STREAMS_AT_ONCE} streams at once: unsubscribe from one, or open another"
                    );
                    let refusal = Refusal::new(429, ErrorKind::RateLimit, message);
                    return self.say_text(echo.refused(&refusal, json!({})));
                }
            }
            Op::Unsubscribe { stream } => drop(self.leave(*stream)),
            Op::Create { .. } | Op::Cancel { .. } | Op::Ping => {}
        }
        // Not the one that the socket began with: its keys may have been taken back since.
        let (service, handshake) = (self.service.latest(), Arc::clone(&self.handshake));
        self.working = Some(Box::pin(perform(service, handshake, echo, op, before)));
        Ok(())
    }

    fn leave(&mut self, stream: perennial_log::StreamId) -> Option<Subscription> {
        let index = self.subscriptions.iter().position(|subscription| subscription.stream == stream)?;
        Some(self.subscriptions.remove(index))
    }

    /// A turn for each stream: whether any had something to say.
    fn poll_streams(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let mut said = false;
        let mut looked_at = 0;
        while looked_at < self.subscriptions.len() {
            let index = self.first % self.subscriptions.len();
            let mut bytes = 0;
            while bytes < TURN_BYTES {
                // Whose turn it was goes on when there is room again.
                match self.socket.poll_ready_unpin(cx) {
                    Poll::Ready(ready) => ready.map_err(|error| gone(&error))?,
                    Poll::Pending => return Ok(said),
                }
                let subscription = &mut self.subscriptions[index];
                let stream = subscription.stream;
                let Poll::Ready(next) = subscription.poll_next(cx, &mut self.lines) else { break };
                said = true;
                let last = match next {
                    Next::Line(line) => {
                        bytes += line.len();
                        self.say_text(line)?;
                        continue;
                    }
                    Next::End => Echo::about(stream).answer("ended", json!({})),
                    Next::Broken(error) => Echo::about(stream).refused(&Refusal::of_log(&error), Value::Null),
                };
                self.subscriptions.remove(index);
                self.say_text(last)?;
                break;
            }
            looked_at += 1;
            self.first = self.first.wrapping_add(1);
        }
        Ok(said)
    }

    fn say_text(&mut self, text: Utf8Bytes) -> Result<(), End> {
        self.say(Message::Text(text))
    }

    /// Goes out with the next flush, or before.
    fn say(&mut self, message: Message) -> Result<(), End> {
        self.socket.start_send_unpin(message).map_err(|error| gone(&error))
    }
}

/// Clients that leave, and those that take nothing, end here.
fn gone(error: &axum::Error) -> End {
    tracing::debug!(%error, "a WebSocket's client is gone");
    End::Gone
}
