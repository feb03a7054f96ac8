//! The law: what must be true of every stream and of every reader when all is over.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::frames::{self, Seen};
use crate::maker;
use crate::plan::{Plan, Way};
use crate::reader::{self, Face, Shape, Sight};
use crate::world::World;

/// How the streams ended.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) completed: usize,
    pub(crate) interrupted: usize,
    pub(crate) cancelled: usize,
    /// Asked for again after a crash.
    pub(crate) restarted: usize,
    /// Gone on with in the middle of a text, to its end.
    pub(crate) continued: usize,
    /// Of those, behind a `message_start` that readers had.
    pub(crate) seams: usize,
    /// Their names reached nobody.
    pub(crate) nameless: usize,
}

/// A stream as it is read after the last start.
struct Whole {
    events: Vec<Seen>,
    lines: Vec<Seen>,
}

pub(crate) async fn check(world: &World, plans: &[Arc<Plan>], sights: &[Sight]) -> Tally {
    let mut truths = Vec::new();
    for plan in plans {
        truths.push(maker::truth(world, plan).await);
    }
    let by_message: HashMap<String, usize> =
        truths.iter().enumerate().map(|(index, truth)| (message_id(&truth[0]), index)).collect();

    let listed = get(world, "/v1/streams?limit=1000").await;
    let listed = listed["data"].as_array().unwrap();
    assert!(listed.len() <= plans.len(), "a stream was made twice");
    let created = plans.iter().filter(|plan| plan.way == Way::Created).count();
    assert!(listed.len() >= created);

    let known = world.known.lock().clone();
    let mut wholes = HashMap::new();
    let mut tally = Tally::default();
    for object in listed {
        let stream = object["id"].as_str().unwrap();
        let whole = whole(world, stream).await;
        let started = whole.events.iter().find(|seen| frames::name(&seen.bytes) == "message_start");
        let plan = started.map(|seen| by_message[&message_id(&seen.bytes)]);
        let outcome = ends_once(world, stream, &whole).await;
        tells_the_truth(
            stream,
            &whole,
            outcome,
            plan.map(|plan| (&*plans[plan], &*truths[plan])),
            &mut tally,
        );
        tally.nameless += usize::from(!known.iter().any(|known| known == stream));
        wholes.insert(stream.to_owned(), whole);
    }
    for stream in &known {
        assert!(wholes.contains_key(stream), "{stream} is not in the list");
    }
    for sight in sights {
        is_part_of(sight, &wholes[&sight.stream]);
    }
    tally
}

/// Reads a stream to its end, which comes: none is left as it was.
async fn whole(world: &World, stream: &str) -> Whole {
    let events = reader::follow(world, stream, Face::Sse, "0").await;
    let lines = reader::follow(world, stream, Face::Ndjson, "0").await;
    let ids = |sight: &Sight| sight.records.iter().map(|seen| seen.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&events), ids(&lines), "{stream}");
    Whole { events: events.records, lines: lines.records }
}

/// One last record, and its word is that of the stream object. Gives the word.
async fn ends_once(world: &World, stream: &str, whole: &Whole) -> &'static str {
    let terminals = whole.events.iter().filter(|seen| frames::name(&seen.bytes) == "perennial.terminal");
    assert_eq!(terminals.count(), 1, "{stream}");
    let last = whole.lines.last().unwrap();
    let data = &serde_json::from_slice::<Value>(&last.bytes).unwrap()["data"];
    let object = get(world, &format!("/v1/streams/{stream}")).await;
    assert_eq!(object["state"], data["outcome"], "{stream}");
    assert_eq!(object["position"], *last.id, "{stream}");
    assert_eq!(object["outcome"]["type"], data["outcome"], "{stream}");
    // What has ended stops those who come back.
    let after = format!("/v1/streams/{stream}/events?after={}", last.id);
    let again = world.http.get(world.gateway.url(&after)).send().await.unwrap();
    assert_eq!(again.status().as_u16(), 204, "{stream}");
    match data["outcome"].as_str() {
        Some("completed") => "completed",
        Some("interrupted") => "interrupted",
        Some("cancelled") => "cancelled",
        other => panic!("{stream}: {other:?}"),
    }
}

/// The events are a beginning of what was sent, and the whole of it where the stream is completed; what could be asked for again was.
fn tells_the_truth(
    stream: &str,
    whole: &Whole,
    outcome: &str,
    plan: Option<(&Plan, &[Vec<u8>])>,
    tally: &mut Tally,
) {
    let names: Vec<String> = whole.events.iter().map(|seen| frames::name(&seen.bytes)).collect();
    let count = |name: &str| names.iter().filter(|other| *other == name).count();
    assert!(count("message_start") <= 1 && count("message_stop") <= 1, "{stream}: {names:?}");
    let events: Vec<Vec<u8>> = whole
        .events
        .iter()
        .zip(&names)
        .filter(|(_, name)| !name.starts_with("perennial.") && *name != "ping")
        .map(|(seen, _)| seen.bytes.clone())
        .collect();
    match plan {
        Some((plan, truth)) => {
            let (said, sent) = (frames::said(&events), frames::said(truth));
            assert!(sent.starts_with(&said), "{stream}, plan {}: {said:?} is not of {sent:?}", plan.number);
            assert_eq!(
                outcome == "completed",
                said == sent && count("message_stop") == 1,
                "{stream}: {outcome}"
            );
            // Up to the first seam in the middle of a text it is so to the byte, and without one all of it.
            let joined = whole.events.iter().position(is_joint).unwrap_or(usize::MAX);
            let before = whole.events.iter().zip(&names).take(joined);
            let before = before.filter(|(_, name)| !name.starts_with("perennial.") && *name != "ping");
            for ((seen, name), sent) in before.zip(truth) {
                // Behind a seam, usage is that of all attempts.
                if name == "message_delta" && count("perennial.seam") > 0 {
                    continue;
                }
                assert_eq!(frames::text(&seen.bytes), frames::text(sent), "{stream}, plan {}", plan.number);
            }
            tally.continued += usize::from(joined != usize::MAX && outcome == "completed");
            if plan.outlives_readers() {
                assert_ne!(outcome, "cancelled", "{stream}, plan {}", plan.number);
                // Two times an answer is gone on with.
                let often = count("perennial.takeover") > 2;
                assert!(outcome == "completed" || often, "{stream}: {outcome}: {names:?}");
            }
        }
        // Nothing was asked for again: its client had gone, and its policy was to stop then.
        None => assert!(events.is_empty() && outcome != "completed", "{stream}: {outcome} {names:?}"),
    }
    let taken_over = count("perennial.takeover") > 0;
    tally.restarted += usize::from(taken_over && outcome == "completed");
    tally.seams += usize::from(count("perennial.seam") > 0);
    match outcome {
        "completed" => tally.completed += 1,
        "interrupted" => tally.interrupted += 1,
        _ => tally.cancelled += 1,
    }
}

/// Whether two attempts are joined there in the middle of a text.
fn is_joint(seen: &Seen) -> bool {
    let text = frames::text(&seen.bytes);
    text.starts_with("event: perennial.seam") && text.contains("\"mode\":\"quote\"")
}

/// What a reader saw is what everybody sees, from where it began.
fn is_part_of(sight: &Sight, whole: &Whole) {
    let who = &sight.who;
    let all: Vec<&Seen> = match sight.shape {
        Shape::Events => whole.events.iter().collect(),
        Shape::Lines => whole.lines.iter().collect(),
        Shape::DropIn => {
            let shown = |seen: &&Seen| !frames::name(&seen.bytes).starts_with("perennial.");
            whole.events.iter().filter(shown).collect()
        }
    };
    let begin = match &*sight.after {
        "0" => 0,
        after => {
            1 + all
                .iter()
                .position(|seen| seen.id == after)
                .unwrap_or_else(|| panic!("{who}: {after} is gone"))
        }
    };
    let rest = &all[begin..];
    assert!(sight.records.len() <= rest.len(), "{who} saw more than there is");
    for (seen, there) in sight.records.iter().zip(rest) {
        let (seen, there) = ((&seen.id, frames::text(&seen.bytes)), (&there.id, frames::text(&there.bytes)));
        assert_eq!(seen, there, "{who}");
    }
    if sight.ended {
        assert_eq!(sight.records.len(), rest.len(), "{who} took something else for the end");
    }
}

fn message_id(frame: &[u8]) -> String {
    let text = frames::text(frame);
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let value: Value = serde_json::from_str(data).unwrap();
    value["message"]["id"].as_str().unwrap().to_owned()
}

async fn get(world: &World, path: &str) -> Value {
    let response = world.http.get(world.gateway.url(path)).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200, "{path}");
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}
