//! The drop-in: what an SDK would see.

use anyhow::Result;

use super::{Close, Seen, kept};
use crate::plan::{Face, Plan};
use crate::shown::Shown;
use crate::sse::Events;
use crate::world::World;

pub(super) async fn stream(world: &World, plan: &Plan, seen: &mut Seen) -> Result<()> {
    let comes_back = plan.face == Face::DropInBack;
    let mut request = world.post("/v1/messages", plan).body(world.subjects[plan.subject].streamed.clone());
    if comes_back {
        request = request.header("perennial-event-ids", "on").header("perennial-on-disconnect", "grace=30");
    }
    let mut response = request.send().await?;
    seen.search_head(&response);
    if !is_stream(&response) {
        return other(response, seen).await;
    }
    let stream = kept::header(&response, "perennial-stream");
    let mut events = Events::default();
    let mut last = None;
    let mut count = 0;
    loop {
        let piece = match response.chunk().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(_) => {
                seen.close = Close::Broken;
                break;
            }
        };
        seen.search(&piece);
        for event in events.take(&piece) {
            count += 1;
            if comes_back && event.id.is_none() && event.name != "ping" {
                seen.wrong(format!("an event `{}` without an id", event.name));
            }
            last = event.id.or(last);
            seen.shown.take(&event.name, &event.data);
            if comes_back
                && plan.leaves.first().is_some_and(|leave| count >= *leave)
                && seen.shown.ends.is_empty()
            {
                drop(response);
                seen.returns += 1;
                return kept::read_on(world, plan, &stream, last, seen).await;
            }
        }
    }
    if events.is_in_event() && seen.close == Close::Clean && !seen.shown.ends.is_empty() {
        seen.wrong("half an event behind the end");
    }
    Ok(())
}

pub(super) async fn message(world: &World, plan: &Plan, seen: &mut Seen) -> Result<()> {
    let body = world.subjects[plan.subject].plain.clone();
    let response = world.post("/v1/messages", plan).body(body).send().await?;
    seen.search_head(&response);
    other(response, seen).await
}

/// A body of JSON: a message, or an error.
async fn other(response: reqwest::Response, seen: &mut Seen) -> Result<()> {
    if !response.status().is_success() {
        seen.refused(response).await;
        return Ok(());
    }
    match response.bytes().await {
        Ok(body) => {
            seen.search(&body);
            match serde_json::from_slice(&body) {
                Ok(message) => seen.shown = Shown::of_message(&message),
                Err(_) => seen.wrong("200 with a body that is no message"),
            }
        }
        Err(_) => seen.close = Close::Broken,
    }
    Ok(())
}

fn is_stream(response: &reqwest::Response) -> bool {
    response.status().is_success() && kept::header(response, "content-type").starts_with("text/event-stream")
}
