//! The client library, read as its users read it.

use anyhow::Result;
use perennial::{Client, Message, RequestOptions};
use serde_json::Value;

use super::Seen;
use crate::plan::Plan;
use crate::shown::{Block, End, Shown};
use crate::world::World;

pub(super) async fn read(client: &Client, world: &World, plan: &Plan, seen: &mut Seen) -> Result<()> {
    let subject = &world.subjects[plan.subject];
    let options = RequestOptions::new()
        .header(perennial_sim::HEADER, &plan.orders(subject))
        .header(perennial_sim::ATTEMPT_HEADER, &plan.key());
    let request: Value = serde_json::from_str(&subject.plain)?;
    let stream = client.messages().with(&options).stream(request);
    match stream.final_message().await {
        Ok(message) => {
            seen.status = 200;
            seen.shown = Shown::of_message(&json(&message)?);
        }
        Err(error) => {
            seen.status = error.status().unwrap_or(200);
            seen.error = Some(format!("{:?}", error.kind()));
            seen.search(format!("{error} {error:?}").as_bytes());
            if let Some(partial) = error.partial() {
                seen.shown = Shown::of_message(&json(&partial.message())?);
                seen.shown.blocks.iter_mut().for_each(reopen);
            }
            seen.shown.ends = vec![End::Error(seen.error.clone().unwrap_or_default())];
        }
    }
    Ok(())
}

/// A block of a partial message, which may be cut; the input of a tool is then kept as the text that came.
fn reopen(block: &mut Block) {
    block.is_closed = false;
    let Ok(input) = serde_json::from_str::<Value>(&block.content) else { return };
    if let Some(text) = input["INVALID_JSON"].as_str() {
        block.content = text.to_owned();
    } else if block.kind.starts_with("tool_use") && input == serde_json::json!({}) {
        block.content.clear();
    }
}

fn json(message: &Message) -> Result<Value> {
    Ok(serde_json::to_value(message)?)
}
