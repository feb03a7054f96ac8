//! One exchange: a request sent once, up to the head of its response.
//!
//! A response that is not a success becomes an error here, with the body read as far as it says something.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream as _;
use perennial_protocol::{ApiError, Event, EventDecoder};
use perennial_recovery::is_retryable_answer;
use tokio::time::{Instant, timeout_at};

use crate::excerpt::excerpt;
use crate::transport::Body;
use crate::{Client, Clock, Deadlines, Error, Phase, ResponseInfo, encoding};

/// An error body larger than this is cut; the service's own have a few hundred bytes.
const MAX_ERROR_BODY: usize = 64 * 1024;
/// An error body that takes longer is taken as far as it came: the status alone says enough.
const ERROR_BODY_TIME: Duration = Duration::from_secs(10);

/// A response that is a success, its body unread.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) info: Arc<ResponseInfo>,
    pub(crate) body: Body,
    /// When its first byte is due.
    pub(crate) first_byte_at: Option<Instant>,
}

/// Sends `request` once. `total_at` is the end of the whole undertaking.
pub(crate) async fn exchange(
    client: &Client,
    request: http::Request<Bytes>,
    deadlines: &Deadlines,
    total_at: Option<Instant>,
) -> Result<Opened, Error> {
    let first_byte_at = Instant::now().checked_add(deadlines.first_byte);
    let sent = client.transport().send(request);
    let (due, clock) = match (first_byte_at, total_at) {
        (Some(first), Some(total)) if total < first => (Some(total), Clock::Total),
        (None, Some(total)) => (Some(total), Clock::Total),
        (first, _) => (first, Clock::FirstByte),
    };
    let response = match due {
        Some(due) => timeout_at(due, sent)
            .await
            .map_err(|_| Error::deadline(clock, deadlines.of(clock), Phase::FirstByte))?,
        None => sent.await,
    };
    let (head, body) = response.map_err(|error| Error::transport(error, Phase::FirstByte))?.into_parts();
    let body = encoding::decode(&head.headers, body);
    let info = Arc::new(ResponseInfo::new(head.status, head.headers));
    if head.status.is_success() {
        let body = body.map_err(|error| error.with_response(Some(Arc::clone(&info))))?;
        return Ok(Opened { info, body, first_byte_at });
    }
    // The status says enough where the body cannot be read.
    Err(refusal(info, body.unwrap_or_else(|_| Body::full("")), due).await)
}

/// The error that a response without success stands for.
async fn refusal(info: Arc<ResponseInfo>, body: Body, due: Option<Instant>) -> Error {
    let patience = Instant::now() + ERROR_BODY_TIME;
    let body = read_at_most(body, MAX_ERROR_BODY, due.map_or(patience, |due| due.min(patience))).await;
    let text = String::from_utf8_lossy(&body);
    let api = ApiError::from_body(&text).or_else(|| error_event(&body));
    let error =
        Error::error_status(info.status(), api, &excerpt(&text)).with_response(Some(Arc::clone(&info)));
    let retryable = is_retryable_answer(info.status(), info.headers(), error.api_error());
    error.retryable(retryable)
}

/// What of the body arrives in time, without what goes beyond the limit.
async fn read_at_most(mut body: Body, limit: usize, due: Instant) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < limit {
        let piece = timeout_at(due, poll_fn(|cx| Pin::new(&mut body).poll_next(cx))).await;
        let Ok(Some(Ok(piece))) = piece else { break };
        read.extend_from_slice(&piece[..piece.len().min(limit - read.len())]);
    }
    read
}

/// The `error` event of a body that is a stream in spite of its status (some gateways do that).
fn error_event(body: &[u8]) -> Option<ApiError> {
    let mut decoder = EventDecoder::new();
    let mut input = body;
    while let Some(received) = decoder.next_event(&mut input) {
        if let Ok(received) = received
            && let Some(Event::Error(error)) = received.event
        {
            return Some(*error);
        }
    }
    None
}
