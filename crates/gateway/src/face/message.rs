//! A message for a client that asked for no stream, folded from the stream's records.
//!
//! Long answers take minutes. A stream does not time out on the way, and while it is made, blanks keep the connection to the client alive: blanks
//! before a JSON value mean nothing. The status waits for the end as long as the client can be expected to.

use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use http::{HeaderMap, StatusCode};
use perennial_log::{Error, Kind, Outcome, Reader, Record, StreamId};
use perennial_protocol::{ApiError, End, ErrorKind, EventDecoder, Received, Transcript};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::body::BrokenOff;
use crate::headers;
use crate::limits::Clocks;
use crate::presence::Presence;
use crate::record::Ending;
use crate::refusal::Refusal;
use crate::request_id::RequestId;

type Folding = Pin<Box<dyn Future<Output = Result<Bytes, Refusal>> + Send>>;

/// A blank: a sign of life that is no part of the JSON.
const BLANK: &[u8] = b" ";

/// Answers with the message that the stream comes to.
pub(crate) async fn folded(
    reader: Reader,
    presence: Option<Presence>,
    headers: &HeaderMap,
    clocks: Clocks,
    id: RequestId,
) -> Result<Response, Refusal> {
    let stream = reader.stream();
    let mut folding: Folding = Box::pin(fold(reader, presence));
    let body = match tokio::time::timeout(clocks.ping, &mut folding).await {
        Ok(folded) => Body::from(folded?),
        Err(_) => Body::from_stream(alive(folding, clocks, id, stream)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = headers::down_folded(headers);
    Ok(response)
}

/// The message as far as it is here, and how the stream ended if it has.
pub(crate) async fn message(reader: Reader) -> Result<(Bytes, Option<Outcome>), Refusal> {
    let mut fold = Fold::default();
    let mut outcome = None;
    let stream = reader.stream();
    let mut so_far = reader.so_far();
    while let Some(run) = so_far.next().await.map_err(|error: Error| Refusal::of_log(&error))? {
        for record in &run {
            fold.apply(stream, record)?;
            outcome = record.outcome();
        }
    }
    Ok((write(fold.transcript)?, outcome))
}

/// A stream's records on their way to a message.
#[derive(Default)]
struct Fold {
    decoder: EventDecoder,
    transcript: Transcript,
}

impl Fold {
    fn apply(&mut self, stream: StreamId, record: &Record) -> Result<(), Refusal> {
        if record.kind != Kind::Event {
            return Ok(());
        }
        let mut input = &record.payload[..];
        while let Some(received) = self.decoder.next_event(&mut input) {
            match received {
                Ok(Received { event: Some(event), .. }) => {
                    self.transcript.apply(&event);
                }
                Ok(_) => {}
                Err(error) => {
                    // Without the words of the error, which quote the event.
                    tracing::warn!(%stream, event = error.event(), "the upstream sent an event that cannot be read");
                    let message =
                        "the upstream sent an event that cannot be read: the answer would be incomplete";
                    return Err(Refusal::new(502, ErrorKind::Api, message));
                }
            }
        }
        Ok(())
    }
}

/// Reads the stream to its end. The reader is present as long as this runs.
async fn fold(mut reader: Reader, _presence: Option<Presence>) -> Result<Bytes, Refusal> {
    let mut fold = Fold::default();
    while let Some(run) = reader.next().await.map_err(|error| Refusal::of_log(&error))? {
        for record in &run {
            fold.apply(reader.stream(), record)?;
            if let Some(outcome) = record.outcome() {
                return finish(fold.transcript, outcome, &Ending::decode(&record.payload));
            }
            // The message is whole at `message_stop`; some servers leave the connection open after it.
            if matches!(fold.transcript.end(), End::Complete { stop_reason: Some(_) }) {
                return write(fold.transcript);
            }
        }
    }
    Err(Refusal::new(502, ErrorKind::Api, "the stream ended without a last record"))
}

fn finish(transcript: Transcript, outcome: Outcome, ending: &Ending) -> Result<Bytes, Refusal> {
    match transcript.end() {
        End::Complete { stop_reason: Some(_) } | End::Refused => write(transcript),
        // As in the client library: nobody can tell why such an answer ended.
        End::Complete { stop_reason: None } => {
            let message = "the answer ended without a stop reason: it may be incomplete";
            Err(Refusal::new(502, ErrorKind::Api, message))
        }
        End::Failed(error) => Err(failed(&error)),
        _ => Err(match &ending.error {
            Some(error) => Refusal::new(error.status, error.kind.clone(), error.message.clone()).quoting(),
            None => {
                let message = format!("the stream is {outcome}, and its answer is incomplete");
                Refusal::new(502, ErrorKind::Api, message)
            }
        }),
    }
}

fn write(transcript: Transcript) -> Result<Bytes, Refusal> {
    let message = serde_json::to_vec(&transcript.into_message()).map_err(|error| {
        tracing::error!(%error, "a message cannot be written");
        Refusal::new(500, ErrorKind::Api, "the message could not be written")
    })?;
    Ok(message.into())
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
    stream: StreamId,
) -> impl stream::Stream<Item = Result<Bytes, BrokenOff>> + Send {
    struct State {
        folding: Option<Folding>,
        ticks: Interval,
        id: RequestId,
        stream: StreamId,
    }
    let mut ticks = interval_at(Instant::now(), clocks.ping);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::try_unfold(State { folding: Some(folding), ticks, id, stream }, |mut state| async move {
        let Some(folding) = state.folding.as_mut() else { return Ok(None) };
        tokio::select! {
            folded = folding.fuse() => match folded {
                Ok(message) => {
                    state.folding = None;
                    Ok(Some((message, state)))
                }
                Err(refusal) => {
                    tracing::warn!(stream = %state.stream, request_id = %state.id, reason = refusal.reason(), "a message is broken off");
                    Err(BrokenOff)
                }
            },
            _ = state.ticks.tick() => Ok(Some((Bytes::from_static(BLANK), state))),
        }
    })
}
