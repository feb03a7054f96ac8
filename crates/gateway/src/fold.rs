//! A message for a client that asked for no stream, folded from a stream.
//!
//! Long answers take minutes. A stream does not time out on the way, and while it is read, blanks keep the connection to the client alive: blanks
//! before a JSON value mean nothing. The status waits for the end as long as the client can be expected to.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use http::{HeaderMap, StatusCode};
use perennial_protocol::{ApiError, End, ErrorKind, EventDecoder, Received, Transcript};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::clock::Clock;
use crate::headers;
use crate::limits::Clocks;
use crate::refusal::{Refusal, RequestId};
use crate::upstream::UpstreamBody;
use crate::watch::Cut;

type Folding = Pin<Box<dyn Future<Output = Result<Bytes, Refusal>> + Send>>;

/// A blank: a sign of life that is no part of the JSON.
const BLANK: &[u8] = b" ";

/// Answers with the message that the stream brings.
pub(crate) async fn answer(
    upstream: UpstreamBody,
    headers: &HeaderMap,
    clocks: Clocks,
    ending: WaitForCancellationFutureOwned,
    id: RequestId,
) -> Result<Response, Refusal> {
    let mut folding: Folding = Box::pin(fold(upstream, clocks, ending));
    let (status, body) = match tokio::time::timeout(clocks.ping, &mut folding).await {
        Ok(folded) => (StatusCode::OK, Body::from(folded?)),
        Err(_) => (StatusCode::OK, Body::from_stream(alive(folding, clocks, id))),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers::down_folded(headers);
    Ok(response)
}

/// Reads the stream to its end.
async fn fold(
    mut upstream: UpstreamBody,
    clocks: Clocks,
    ending: WaitForCancellationFutureOwned,
) -> Result<Bytes, Refusal> {
    let mut decoder = EventDecoder::new();
    let mut transcript = Transcript::new();
    let mut silence = Clock::new(clocks.silence);
    let mut ending = std::pin::pin!(ending);
    // The message is whole at `message_stop`; some servers leave the connection open after it.
    while !transcript.is_finished() {
        let piece = poll_fn(|cx| {
            if let Poll::Ready(piece) = upstream.poll_data(cx) {
                return Poll::Ready(Ok(piece));
            }
            if ending.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Cut::Shutdown));
            }
            silence.poll(cx).map(|()| Err(Cut::Silence))
        });
        let bytes = match piece.await {
            Ok(Some(Ok(bytes))) => bytes,
            Ok(Some(Err(error))) => {
                tracing::info!(cause = %error.root(), "the upstream's stream broke");
                return Err(cut(Cut::Upstream));
            }
            Ok(None) => {
                if let Some(event) = decoder.finish() {
                    transcript.apply(&event);
                }
                break;
            }
            Err(reason) => return Err(cut(reason)),
        };
        silence.set_back();
        let mut input = &bytes[..];
        while let Some(received) = decoder.next_event(&mut input) {
            match received {
                Ok(Received { event: Some(event), .. }) => {
                    transcript.apply(&event);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the upstream sent an event that cannot be read");
                    let message =
                        "the upstream sent an event that cannot be read: the answer would be incomplete";
                    return Err(Refusal::new(502, ErrorKind::Api, message));
                }
            }
        }
    }
    upstream.finish();
    match transcript.end() {
        End::Complete { .. } | End::Refused => {
            let message = serde_json::to_vec(&transcript.into_message()).map_err(|error| {
                tracing::error!(%error, "a message cannot be written");
                Refusal::new(500, ErrorKind::Api, "the message could not be written")
            })?;
            Ok(message.into())
        }
        End::Failed(error) => Err(failed(&error)),
        _ => Err(cut(Cut::Upstream)),
    }
}

fn cut(cut: Cut) -> Refusal {
    let status = match cut {
        Cut::Upstream => 502,
        Cut::Silence => 504,
        Cut::Shutdown => 503,
    };
    Refusal::new(status, cut.kind(), cut.message())
}

/// The error event of a stream as the error that it would have been before the stream began.
fn failed(error: &ApiError) -> Refusal {
    let body = error.raw.as_ref().map(|raw| raw.get().to_owned());
    Refusal::new(error.status().unwrap_or(502), error.kind.clone(), error.message.clone()).with_body(body)
}

/// Blanks until the message is there. The status is out by then: where the message fails, the body is broken off, which no client takes
/// for an answer.
fn alive(
    folding: Folding,
    clocks: Clocks,
    id: RequestId,
) -> impl stream::Stream<Item = Result<Bytes, BrokenOff>> + Send {
    struct State {
        folding: Option<Folding>,
        ticks: Interval,
        id: RequestId,
    }
    let mut ticks = interval_at(Instant::now(), clocks.ping);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::try_unfold(State { folding: Some(folding), ticks, id }, |mut state| async move {
        let Some(folding) = state.folding.as_mut() else { return Ok(None) };
        tokio::select! {
            folded = folding.fuse() => match folded {
                Ok(message) => {
                    state.folding = None;
                    Ok(Some((message, state)))
                }
                Err(refusal) => {
                    tracing::warn!(request_id = %state.id, reason = refusal.message(), "a message is broken off");
                    Err(BrokenOff)
                }
            },
            _ = state.ticks.tick() => Ok(Some((Bytes::from_static(BLANK), state))),
        }
    })
}

/// The answer failed after its status had been sent.
#[derive(Debug, thiserror::Error)]
#[error("the answer failed after its status had been sent")]
struct BrokenOff;
