//! A stream that the gateway keeps: made, read on one of its faces, left, read on, and read again.

use anyhow::Result;
use serde_json::Value;

use super::{Close, Seen};
use crate::plan::{Face, Plan};
use crate::shown::{Block, End, Shown};
use crate::sse::{Event, Events};
use crate::world::World;

/// A reader that has come back so often does not get on.
const MOST_CONNECTIONS: u32 = 200;

/// Something that has a position: an event, or a line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    id: String,
    name: String,
    data: Vec<u8>,
}

pub(super) async fn read(world: &World, plan: &Plan, seen: &mut Seen) -> Result<()> {
    let made = world.post("/v1/streams", plan).body(world.subjects[plan.subject].streamed.clone());
    let made = made.send().await?;
    seen.search_head(&made);
    if !made.status().is_success() {
        seen.refused(made).await;
        return Ok(());
    }
    let body = made.bytes().await?;
    seen.search(&body);
    let object: Value = serde_json::from_slice(&body)?;
    let stream = object["id"].as_str().unwrap_or_default().to_owned();
    if plan.face == Face::Text {
        return text(world, &stream, seen).await;
    }
    read_on(world, plan, &stream, None, seen).await
}

/// Reads from a position to the end, leaving where the plan says so.
pub(super) async fn read_on(
    world: &World,
    plan: &Plan,
    stream: &str,
    after: Option<String>,
    seen: &mut Seen,
) -> Result<()> {
    let mut leaves = plan.leaves.clone();
    leaves.truncate(if seen.returns > 0 { 2 } else { 4 });
    let mut items = follow(world, plan, stream, after.clone(), &leaves, seen).await?;
    for item in &items {
        take(item, seen);
    }
    if plan.rereads && seen.close == Close::Clean {
        let again = follow(world, plan, stream, after, &[], seen).await?;
        items.retain(|item| item.name != "ping");
        if again.iter().filter(|item| item.name != "ping").ne(items.iter()) {
            seen.wrong("read again from the beginning it is another stream");
        }
    }
    Ok(())
}

async fn follow(
    world: &World,
    plan: &Plan,
    stream: &str,
    mut after: Option<String>,
    leaves: &[usize],
    seen: &mut Seen,
) -> Result<Vec<Item>> {
    let mut items: Vec<Item> = Vec::new();
    let mut leaves = leaves.iter().copied().peekable();
    for connection in 0..MOST_CONNECTIONS {
        if connection > 0 && plan.face != Face::Poll {
            seen.returns += 1;
        }
        let mut response = ask(world, plan.face, stream, after.as_deref()).await?;
        seen.search_head(&response);
        match response.status().as_u16() {
            200 => {}
            // Nothing is left to read: so it was ended before.
            204 => {
                seen.status = 200;
                return Ok(items);
            }
            _ => {
                seen.refused(response).await;
                return Ok(items);
            }
        }
        let mut splitter = Splitter::new(plan.face);
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
            for item in splitter.take(&piece) {
                if !item.id.is_empty() {
                    if after.as_deref().is_some_and(|last| place(last) >= place(&item.id)) {
                        seen.wrong(format!(
                            "position {} comes after {}",
                            item.id,
                            after.clone().unwrap_or_default()
                        ));
                    }
                    after = Some(item.id.clone());
                } else if item.name != "ping" {
                    seen.wrong(format!("`{}` has no position", item.name));
                }
                items.push(item);
            }
            // A reader that leaves may have had more than it wanted; it has it, and goes on from there.
            if leaves.peek().is_some_and(|leave| items.len() >= *leave) && !is_over(&items) {
                leaves.next();
                break;
            }
        }
        if is_over(&items) {
            if items.iter().filter(|item| item.name == "perennial.terminal").count() != 1 {
                seen.wrong("more than one end");
            }
            seen.close = Close::Clean;
            return Ok(items);
        }
    }
    seen.wrong("it does not end, however often the reader comes back");
    Ok(items)
}

async fn ask(world: &World, face: Face, stream: &str, after: Option<&str>) -> Result<reqwest::Response> {
    let path = format!("/v1/streams/{stream}/events");
    let last = after.unwrap_or("0");
    let request = match face {
        Face::Poll => world.get(&format!("{path}?live=poll&wait=5&after={last}")),
        Face::Lines => world.get(&format!("{path}?after={last}")).header("accept", "application/x-ndjson"),
        // As a browser does, with what it was first given still in the query.
        _ => world.get(&format!("{path}?after=0")).header("last-event-id", last),
    };
    Ok(request.send().await?)
}

fn is_over(items: &[Item]) -> bool {
    items.last().is_some_and(|item| item.name == "perennial.terminal")
}

/// `42.1` as numbers.
fn place(id: &str) -> u64 {
    id.split('.').next().and_then(|seq| seq.parse().ok()).unwrap_or(0)
}

/// What an item says of the answer, and of its end.
fn take(item: &Item, seen: &mut Seen) {
    match item.name.as_str() {
        "perennial.terminal" => {
            let end: Value = serde_json::from_slice(&item.data).unwrap_or_default();
            seen.error = end["error"]["type"].as_str().map(str::to_owned);
            let is_whole = end["outcome"] == "completed";
            match (is_whole, seen.shown.ends.last()) {
                (true, Some(End::Stop)) | (false, Some(End::Error(_))) => {}
                (true, _) => seen.wrong("completed without `message_stop`"),
                (false, Some(End::Stop)) => {
                    seen.wrong(format!("{} after `message_stop`", end["outcome"]));
                }
                (false, None) => seen.shown.ends.push(End::Error(seen.error.clone().unwrap_or_default())),
            }
        }
        name if name.starts_with("perennial.") => {}
        name => seen.shown.take(name, &item.data),
    }
}

/// The text of it, in one go: only a clean end says that it is whole.
async fn text(world: &World, stream: &str, seen: &mut Seen) -> Result<()> {
    let request = world.get(&format!("/v1/streams/{stream}/events")).header("accept", "text/plain");
    let mut response = request.send().await?;
    seen.search_head(&response);
    if !response.status().is_success() {
        seen.refused(response).await;
        return Ok(());
    }
    let mut bytes = Vec::new();
    let clean = loop {
        match response.chunk().await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    seen.search(&bytes);
    let content = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            seen.wrong("text that is not UTF-8");
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }
    };
    let block = Block { kind: "text".to_owned(), content, is_closed: clean, ..Block::default() };
    seen.shown = Shown { blocks: vec![block], starts: 1, ..Shown::default() };
    if clean {
        seen.shown.ends.push(End::Stop);
    } else {
        seen.close = Close::Broken;
    }
    Ok(())
}

/// Pieces of a body in, items out.
enum Splitter {
    Events(Events),
    Lines(Vec<u8>),
}

impl Splitter {
    fn new(face: Face) -> Self {
        match face {
            Face::Lines | Face::Poll => Self::Lines(Vec::new()),
            _ => Self::Events(Events::default()),
        }
    }

    fn take(&mut self, piece: &[u8]) -> Vec<Item> {
        match self {
            Self::Events(events) => events.take(piece).into_iter().map(item_of_event).collect(),
            Self::Lines(open) => {
                let mut items = Vec::new();
                for part in piece.split_inclusive(|byte| *byte == b'\n') {
                    open.extend_from_slice(part);
                    if open.ends_with(b"\n") {
                        items.extend(item_of_line(&std::mem::take(open)));
                    }
                }
                items
            }
        }
    }
}

fn item_of_event(event: Event) -> Item {
    Item { id: event.id.unwrap_or_default(), name: event.name, data: event.data }
}

fn item_of_line(line: &[u8]) -> Option<Item> {
    if line == b"\n" {
        return None;
    }
    let value: Value = serde_json::from_slice(line).unwrap_or_default();
    let data = match &value["text"] {
        // What is not JSON is told as it came.
        Value::String(text) => text.clone().into_bytes(),
        _ => value["data"].to_string().into_bytes(),
    };
    let text = |member: &str| value[member].as_str().unwrap_or_default().to_owned();
    Some(Item { id: text("id"), name: text("event"), data })
}

pub(super) fn header(response: &reqwest::Response, name: &str) -> String {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
