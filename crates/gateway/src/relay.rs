//! The body of a stream on its way down: the upstream's bytes as they are, and signs of life in between.
//!
//! One read of the upstream becomes one write to the client: whatever the upstream has ready is gathered into one piece, and nothing waits for
//! more. The relay owns the upstream's connection, so that dropping the relay (the server does so the moment the client is gone) closes it.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::Frame;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::clock::Clock;
use crate::limits::Clocks;
use crate::refusal::RequestId;
use crate::upstream::UpstreamBody;
use crate::watch::{Cut, Watch};

const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";
/// The most that is gathered before it is passed on: enough to make writes rare at full speed, too little to be felt as memory.
const GATHER_BYTES: usize = 32 * 1024;

#[derive(Debug)]
pub(crate) struct Relay {
    upstream: Option<UpstreamBody>,
    watch: Watch,
    ping: Clock,
    silence: Clock,
    /// Runs once the answer is over.
    linger: Option<Clock>,
    clocks: Clocks,
    ending: Pin<Box<WaitForCancellationFutureOwned>>,
    id: RequestId,
}

impl Relay {
    pub(crate) fn new(
        upstream: UpstreamBody,
        clocks: Clocks,
        ending: WaitForCancellationFutureOwned,
        id: RequestId,
    ) -> Self {
        Self {
            upstream: Some(upstream),
            watch: Watch::default(),
            ping: Clock::new(clocks.ping),
            silence: Clock::new(clocks.silence),
            linger: None,
            clocks,
            ending: Box::pin(ending),
            id,
        }
    }

    /// Everything that the upstream has ready, and whether it has ended.
    fn gather(&mut self, cx: &mut Context<'_>) -> (Bytes, bool) {
        let Some(upstream) = &mut self.upstream else { return (Bytes::new(), true) };
        let mut first = Bytes::new();
        let mut more = BytesMut::new();
        let mut ended = false;
        while first.len() + more.len() < GATHER_BYTES {
            match upstream.poll_data(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(bytes))) => {
                    // The one place where bytes of the upstream are seen.
                    self.watch.observe(&bytes);
                    if first.is_empty() && more.is_empty() {
                        first = bytes;
                    } else {
                        more.put(std::mem::take(&mut first));
                        more.put(bytes);
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::info!(request_id = %self.id, cause = %error.root(), "the upstream's stream broke");
                    ended = true;
                    break;
                }
                Poll::Ready(None) => {
                    ended = true;
                    break;
                }
            }
        }
        (if more.is_empty() { first } else { more.freeze() }, ended)
    }

    /// The last piece: `bytes`, and the error event where the answer is not over.
    fn last(&mut self, bytes: Bytes, cut: Cut) -> Option<Bytes> {
        self.upstream = None;
        let closing = self.watch.close(cut, &self.id);
        if !closing.is_empty() {
            tracing::warn!(request_id = %self.id, ?cut, "the stream was cut; its client is told");
        }
        let last = if bytes.is_empty() {
            closing.into()
        } else if closing.is_empty() {
            bytes
        } else {
            [&bytes[..], &closing].concat().into()
        };
        Some(last).filter(|last| !last.is_empty())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // What has come goes out, before any clock is looked at.
        let (bytes, ended) = self.gather(cx);
        if ended {
            return Poll::Ready(if self.upstream.is_some() { self.last(bytes, Cut::Upstream) } else { None });
        }
        if !bytes.is_empty() {
            self.ping.set_back();
            self.silence.set_back();
            return Poll::Ready(Some(bytes));
        }
        if self.watch.is_over() {
            let linger = self.linger.get_or_insert_with(|| Clock::new(self.clocks.linger));
            return linger.poll(cx).map(|()| {
                self.upstream = None;
                None
            });
        }
        if self.ending.as_mut().poll(cx).is_ready() {
            return Poll::Ready(self.last(Bytes::new(), Cut::Shutdown));
        }
        if self.silence.poll(cx).is_ready() {
            return Poll::Ready(self.last(Bytes::new(), Cut::Silence));
        }
        if self.ping.poll(cx).is_ready() {
            self.ping.set_back();
            if self.watch.between_frames() {
                return Poll::Ready(Some(Bytes::from_static(PING)));
            }
            // Inside a frame nothing may be said; the clock is asked again, so that it wakes this task.
            return self.poll_next(cx);
        }
        Poll::Pending
    }
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.get_mut().poll_next(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
