//! The client that makes a stream, and reads it where that is its way.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::frames::Splitter;
use crate::plan::{Plan, Way};
use crate::reader::{self, Face, Shape, Sight};
use crate::world::{PATIENCE, World};

/// Makes the stream and tells its name, if anybody can know it.
pub(crate) async fn make(world: Arc<World>, plan: Arc<Plan>, told: oneshot::Sender<String>) -> Vec<Sight> {
    match plan.way {
        Way::Created => {
            told.send(create(&world, &plan).await).unwrap();
            Vec::new()
        }
        Way::DropIn { leaves_after } => ask(&world, &plan, leaves_after, told).await,
    }
}

/// Asks until there is an answer: the key makes sure that there is one stream all the same.
async fn create(world: &World, plan: &Plan) -> String {
    loop {
        let start = world.gateway.up().await;
        let request = request(world, plan, "/v1/streams").header("idempotency-key", plan.number.to_string());
        world.asks();
        let failure = match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                match response.bytes().await {
                    Ok(body) => {
                        assert!(matches!(status, 200 | 201), "{status}: {}", String::from_utf8_lossy(&body));
                        let object: serde_json::Value = serde_json::from_slice(&body).unwrap();
                        return object["id"].as_str().unwrap().to_owned();
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        world.gateway.killed(start, &format!("stream {} is not made: {failure:?}", plan.number)).await;
    }
}

/// Asks as an SDK does, with ids, and goes on reading after a crash where the name is known.
async fn ask(
    world: &Arc<World>,
    plan: &Plan,
    leaves_after: Option<usize>,
    told: oneshot::Sender<String>,
) -> Vec<Sight> {
    let (start, mut response) = loop {
        let start = world.gateway.up().await;
        let request = request(world, plan, "/v1/messages").header("perennial-event-ids", "on");
        world.asks();
        match tokio::time::timeout(PATIENCE, request.send()).await.expect("an answer begins") {
            Ok(response) => break (start, response),
            Err(error) => {
                let unsent = error.is_connect();
                world
                    .gateway
                    .killed(start, &format!("stream {} is not answered: {error:?}", plan.number))
                    .await;
                // What was sent may have been kept, under a name that nobody knows: such a client gives up.
                if !unsent {
                    return Vec::new();
                }
            }
        }
    };
    assert_eq!(response.status().as_u16(), 200, "{}: {:?}", plan.number, response.text().await);
    let stream = response.headers()["perennial-stream"].to_str().unwrap().to_owned();
    told.send(stream.clone()).unwrap();
    let mut sight = Sight::new(&stream, Shape::DropIn, format!("maker of {}", plan.number));
    let mut splitter = Splitter::events();
    loop {
        if leaves_after.is_some_and(|most| sight.records.len() >= most) {
            return vec![sight];
        }
        match tokio::time::timeout(PATIENCE, response.chunk()).await.expect("something comes") {
            Ok(Some(piece)) => {
                for frame in splitter.take(&piece) {
                    sight.add(world, crate::frames::event(&frame));
                }
            }
            Ok(None) => {
                assert!(sight.ended && splitter.is_empty(), "{}: an end that is none", sight.who);
                return vec![sight];
            }
            Err(_) if sight.ended => return vec![sight],
            Err(error) => {
                world.gateway.killed(start, &format!("{}: {error:?}", sight.who)).await;
                break;
            }
        }
    }
    // From here on as one of those who come back.
    let mut rest = reader::follow(world, &stream, Face::Sse, sight.last()).await;
    rest.who = format!("{}, come back", sight.who);
    vec![sight, rest]
}

fn request(world: &World, plan: &Plan, path: &str) -> reqwest::RequestBuilder {
    world
        .http
        .post(world.gateway.url(path))
        .header("x-api-key", "any")
        .header("anthropic-version", "2026-10-21")
        .header("content-type", "application/json")
        .header("perennial-on-disconnect", plan.policy)
        .header("perennial-sim", format!("{},{}", plan.manners, plan.pace))
        .body(plan.body.clone())
}

/// What the simulator sends for this plan, asked directly: its events without pings.
pub(crate) async fn truth(world: &World, plan: &Plan) -> Vec<Vec<u8>> {
    let request = world
        .http
        .post(format!("{}/v1/messages", world.sim.url()))
        .header("x-api-key", "any")
        .header("anthropic-version", "2026-10-21")
        .header("perennial-sim", format!("{},pace=instant", plan.manners))
        .body(plan.body.clone());
    let body = request.send().await.unwrap().bytes().await.unwrap();
    let mut splitter = Splitter::events();
    let frames = splitter.take(&body);
    assert!(splitter.is_empty() && frames.len() > 10);
    frames.into_iter().filter(|frame| crate::frames::name(frame) != "ping").collect()
}
