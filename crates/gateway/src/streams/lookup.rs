//! Looking a stream up: what was asked, how it ended, and whether the caller may know.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use perennial_log::{Error, Head, Kind, Outcome, ReadBytes, Seq, StreamId};
use perennial_protocol::ErrorKind;

use crate::access::{Owner, Scope};
use crate::generation::Running;
use crate::record::{Ending, Order};
use crate::refusal::Refusal;
use crate::service::Service;

/// The name in a path.
pub(crate) fn named(text: &str) -> Result<StreamId, Refusal> {
    text.parse().map_err(|error: perennial_log::InvalidStreamId| Refusal::invalid(error.to_string()))
}

/// What was asked; `None` where another version wrote it.
pub(crate) async fn order(service: &Service, stream: StreamId) -> Result<Option<Order>, Error> {
    let payload = record(service, stream, Seq::FIRST, |kind| kind == Kind::Request).await?;
    Ok(payload.and_then(|payload| Order::decode(&payload)))
}

/// How a stream ended, if it has.
pub(crate) async fn ending(service: &Service, head: &Head) -> Result<Option<(Outcome, Ending)>, Error> {
    let Some(outcome) = head.outcome else { return Ok(None) };
    let payload = record(service, head.stream, head.last, |kind| kind.outcome().is_some()).await?;
    Ok(Some((outcome, payload.map_or_else(Ending::default, |payload| Ending::decode(&payload)))))
}

async fn record(
    service: &Service,
    stream: StreamId,
    seq: Seq,
    is_it: impl Fn(Kind) -> bool,
) -> Result<Option<Bytes>, Error> {
    let runs = service.log.read(stream, seq, ReadBytes::new(1)).await?;
    let first = runs.first().and_then(|run| run.first());
    Ok(first.filter(|record| is_it(record.kind)).map(|record| record.payload.clone()))
}

/// Whether whoever sends these headers, or has this capability, may do this to the stream.
pub(crate) async fn allowed(
    service: &Service,
    headers: &HeaderMap,
    capability: Option<&str>,
    stream: StreamId,
    need: Scope,
) -> Result<(), Refusal> {
    if let Some(capability) = capability {
        if service.access.allows(stream, capability)? < need {
            let message = "this capability is for reading only";
            return Err(Refusal::new(403, ErrorKind::Permission, message));
        }
        return Ok(());
    }
    let caller = service.access.admit(headers)?;
    service.live.decided(stream).await;
    if caller.is_operator || caller.may_have(&owner(service, stream).await?) {
        Ok(())
    } else {
        Err(Refusal::not_found())
    }
}

async fn owner(service: &Service, stream: StreamId) -> Result<Owner, Refusal> {
    if let Some(running) = service.live.get(stream) {
        return Ok(running.owner.clone());
    }
    let order = order(service, stream).await.map_err(|error| Refusal::of_log(&error))?;
    order.map(|order| order.owner).ok_or_else(Refusal::not_found)
}

/// The stream where it runs here. One that an earlier process left is waited for until it is known whether it is begun anew.
pub(crate) async fn running(service: &Service, stream: StreamId) -> Result<Option<Arc<Running>>, Error> {
    let running = service.live.get(stream);
    if running.is_some()
        || service.settled.is_cancelled()
        || service.log.head(stream).await?.outcome.is_some()
    {
        return Ok(running);
    }
    service.settled.cancelled().await;
    Ok(service.live.get(stream))
}
