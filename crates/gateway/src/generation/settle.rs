//! Settling: what a process before this one left without an end gets one, or is begun anew.
//!
//! Every stream here is taken over, so a writer that is still about, wherever it hangs, appends nothing more. Where content has been received, it
//! is the truth about this answer and another attempt would tell another one: the stream ends as interrupted. Continuing it at a proven
//! seam belongs here, between the two.

use std::sync::Arc;

use http::HeaderMap;
use perennial_log::{After, Error, Head, Kind, Reader, StreamId, Writer};
use perennial_protocol::sse::Decoder;
use perennial_protocol::{Event, Received};

use super::live::{Live, Place};
use super::{Cut, Ending, Order, Running};
use crate::service::Service;

/// So many streams are looked at in one go.
const PAGE: usize = 64;

/// What is known of a stream that was left.
#[derive(Debug, Default)]
struct Left {
    order: Option<Order>,
    /// Readers may have its `message_start`.
    started: bool,
    /// Something of its content is there.
    has_content: bool,
}

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
    let left = look(service, head.stream).await?;
    let credential = service.access.own_credential();
    if let Some(order) = left.order
        && let Some(credential) = credential
        && !left.has_content
        && order.policy.outlives_readers()
    {
        return restart(service, head, order, credential, left.started).await;
    }
    interrupt(service, head).await
}

/// Ends it with what is there.
async fn interrupt(service: &Arc<Service>, head: &Head) -> Result<(), Error> {
    let mut writer = take_over(service, head).await?;
    let ending = Ending::failed(Cut::Crash.error(None));
    writer.append(&[ending.entry(Cut::Crash.outcome())]).await?;
    tracing::info!(stream = %head.stream, "a stream that an earlier process left is interrupted");
    Ok(())
}

/// Asks for it again: of its content nothing was there.
async fn restart(
    service: &Arc<Service>,
    head: &Head,
    order: Order,
    credential: HeaderMap,
    started: bool,
) -> Result<(), Error> {
    let running = Running::new(head.stream, order.owner.clone(), order.model.clone(), order.policy, true);
    let Ok(place) = Place::take(service, running) else { return interrupt(service, head).await };
    let writer = take_over(service, head).await?;
    tracing::info!(stream = %head.stream, "a stream that an earlier process left is begun anew");
    Live::begin_anew(place, writer, order, credential, started);
    Ok(())
}

async fn take_over(service: &Service, head: &Head) -> Result<Writer, Error> {
    Writer::takeover(&service.log, head.stream, head.epoch(), br#"{"reason":"restart"}"#).await
}

/// Reads it, but no further than needed.
async fn look(service: &Service, stream: StreamId) -> Result<Left, Error> {
    let mut left = Left::default();
    let mut reader = Reader::attach(&service.log, stream, After::Start).await?;
    let last = reader.head().map_or(0, |head| head.last.get());
    while reader.position().get() <= last && !left.has_content {
        let Some(run) = reader.next().await? else { break };
        for record in &run {
            match record.kind {
                Kind::Request => left.order = Order::decode(&record.payload),
                Kind::Event => left.note(&record.payload),
                Kind::Fragment => left.has_content = true,
                _ => {}
            }
        }
    }
    Ok(left)
}

impl Left {
    fn note(&mut self, payload: &[u8]) {
        let mut decoder = Decoder::new();
        let mut input = payload;
        while let Some(Ok(frame)) = decoder.next_frame(&mut input) {
            match Received::read(frame).map(|received| received.event) {
                Ok(None | Some(Event::Ping)) => {}
                Ok(Some(Event::MessageStart(message))) => {
                    self.started = true;
                    // Some answers begin with content.
                    self.has_content |= !message.content.is_empty();
                }
                Ok(Some(_)) | Err(_) => self.has_content = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_whatever_is_neither_a_start_nor_a_sign_of_life() {
        let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"role\":\"assistant\",\"content\":[]}}\n\n";
        let block = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
        for (payloads, started, has_content) in [
            (&[][..], false, false),
            (&["event: ping\ndata: {\"type\":\"ping\"}\n\n", ": hello\n\n"], false, false),
            (&[start, "event: ping\ndata: {}\n\n"], true, false),
            (&[start, block], true, true),
            (&["event: new_thing\ndata: {\"type\":\"new_thing\"}\n\n"], false, true),
            (
                &[
                    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"\"}}\n\n",
                ],
                false,
                true,
            ),
            (&["event: message_start\ndata: not json\n\n"], false, true),
        ] {
            let mut left = Left::default();
            for payload in payloads {
                left.note(payload.as_bytes());
            }
            assert_eq!((left.started, left.has_content), (started, has_content), "{payloads:?}");
        }
    }
}
