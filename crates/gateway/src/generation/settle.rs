//! Settling: what a process before this one left without an end gets one, or is gone on with.
//!
//! Every stream here is taken over, so a writer that is still about, wherever it hangs, appends nothing more. Whether it can be gone on with is decided as for
//! an answer that broke a moment ago; it is not where nobody waits for it, or where only its client had a credential.

use std::sync::Arc;

use perennial_log::{After, Error, Head, Kind, Reader, StreamId, Writer};

use super::Running;
use super::bill::bill_left;
use super::live::{Live, Place};
use crate::record::{Cut, Ending, Order};
use crate::service::Service;

/// So many streams are looked at in one go.
const PAGE: usize = 64;

/// Settles all streams that were left.
pub(crate) async fn settle(service: &Arc<Service>) {
    let mut after = None;
    loop {
        let page = match service.log.unsettled(after, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "streams that an earlier process left cannot be found");
                return;
            }
        };
        for head in &page.heads {
            // Begun here while this looks around.
            if service.live.get(head.stream).is_some() {
                continue;
            }
            if let Err(error) = settle_one(service, head).await {
                tracing::error!(stream = %head.stream, %error, "a stream that an earlier process left cannot be settled");
            }
        }
        after = page.next;
        if after.is_none() {
            return;
        }
    }
}

async fn settle_one(service: &Arc<Service>, head: &Head) -> Result<(), Error> {
    let order = order(service, head.stream).await?;
    if let Some(order) = &order
        && order.policy.outlives_readers()
        && service.fleet.has_credential()
        && let Ok(place) = Place::take(
            service,
            Running::new(head.stream, order.owner.clone(), order.model.clone(), order.policy),
        )
    {
        let writer = take_over(service, head).await?;
        tracing::info!(stream = %head.stream, "a stream that an earlier process left is gone on with");
        Live::go_on(place, writer);
        return Ok(());
    }
    if let Some(order) = &order {
        bill_left(service, head.stream, &order.owner, order.model.as_deref()).await?;
    }
    interrupt(service, head).await
}

/// Ends it with what is there.
async fn interrupt(service: &Arc<Service>, head: &Head) -> Result<(), Error> {
    let mut writer = take_over(service, head).await?;
    let ending = Ending::failed(Cut::Crash.error(None));
    writer.append(&[ending.entry(Cut::Crash.outcome())]).await?;
    service.traces.ended(head.stream);
    tracing::info!(stream = %head.stream, "a stream that an earlier process left is interrupted");
    Ok(())
}

async fn take_over(service: &Service, head: &Head) -> Result<Writer, Error> {
    Writer::takeover(&service.log, head.stream, head.epoch(), br#"{"reason":"restart"}"#).await
}

/// What was asked: its first record.
async fn order(service: &Service, stream: StreamId) -> Result<Option<Order>, Error> {
    let mut reader = Reader::attach(&service.log, stream, After::Start).await?;
    if reader.head().is_none() {
        return Ok(None);
    }
    let run = reader.next().await?;
    let first = run.as_ref().and_then(|run| run.first()).filter(|record| record.kind == Kind::Request);
    Ok(first.and_then(|record| Order::decode(&record.payload)))
}
