//! The other ends of a process: asked to, asked twice; one folder for one gateway; and what a start after it still knows.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;

use perennial_sim::Phase;
use serde_json::Value;

use crate::frames;
use crate::reader::{self, Face};
use crate::world::{PATIENCE, World};

fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

async fn wait(mut child: Child) -> Option<i32> {
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    tokio::time::timeout(PATIENCE, ended).await.expect("it ends").unwrap().code()
}

/// Makes a stream; gives its name.
async fn create(world: &World, orders: &str) -> String {
    let body = r#"{"model":"claude-opus-4-8","max_tokens":300,"messages":[{"role":"user","content":"Write about the sea."}]}"#;
    let request = world
        .http
        .post(world.gateway.url("/v1/streams"))
        .header("perennial-sim", orders)
        .header("perennial-sim-key", "one");
    let response = request.header("anthropic-version", "2026-10-21").body(body).send().await.unwrap();
    let object: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    object["id"].as_str().unwrap().to_owned()
}

/// Waits until the upstream has sent content; what came before it is in the log when a reader has content.
async fn has_content(world: &World, stream: &str) {
    let url = world.gateway.url(&format!("/v1/streams/{stream}/events"));
    let mut response = world.http.get(url).send().await.unwrap();
    let mut came = Vec::new();
    while !String::from_utf8_lossy(&came).contains("content_block_delta") {
        came.extend_from_slice(&response.chunk().await.unwrap().unwrap());
    }
}

async fn outcome(world: &World, stream: &str) -> (String, Vec<String>) {
    let sight = reader::follow(world, stream, Face::Ndjson, "0").await;
    let names = sight.records.iter().map(|seen| frames::name(&seen.bytes)).collect();
    let last: Value = serde_json::from_slice(&sight.records.last().unwrap().bytes).unwrap();
    (last["data"]["outcome"].as_str().unwrap().to_owned(), names)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_stop_it_lets_streams_end() {
    let world = World::new("process").await;
    // Nobody reads it.
    let stream = create(&world, "pace=instant,tps=150,tokens=100").await;
    drop(world.sim.journal().wait_for(|entry| entry.phase == Phase::Content).await);
    let child = world.gateway.take();
    signal(&child, "TERM");
    assert_eq!(wait(child).await, Some(0));
    world.gateway.start_after_end().await;
    let (outcome, names) = outcome(&world, &stream).await;
    assert_eq!(outcome, "completed", "{names:?}");
    assert!(!names.iter().any(|name| name == "perennial.takeover"), "nothing was left to be settled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_twice_it_does_not_wait_and_the_next_start_settles() {
    let world = World::new("process").await;
    let stream = create(&world, "pace=instant,stall@event=9,times=1").await;
    has_content(&world, &stream).await;
    let child = world.gateway.take();
    signal(&child, "TERM");
    world.gateway.has_said("stopping").await;
    signal(&child, "TERM");
    assert_eq!(wait(child).await, Some(130));
    world.gateway.start_after_end().await;
    let (outcome, names) = outcome(&world, &stream).await;
    assert_eq!(outcome, "completed", "{names:?}");
    assert!(names.contains(&"perennial.seam".to_owned()), "{names:?}");
    assert!(names.iter().filter(|name| *name == "content_block_delta").count() > 1, "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_for_one_gateway() {
    let world = World::new("process").await;
    // At another address, so that the folder is all that they share.
    let mut second = world.gateway.command("127.0.0.1:0".parse().unwrap());
    let mut second = second.spawn().unwrap();
    let (mut out, mut said) = (String::new(), String::new());
    second.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    BufReader::new(second.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!((wait(second).await, &*out), (Some(3), ""), "{said}");
    assert!(said.contains("--data"), "{said}");
    // The first is none the worse.
    let stream = create(&world, "pace=instant").await;
    assert_eq!(outcome(&world, &stream).await.0, "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capability_outlives_the_process() {
    let world = World::new("process").await;
    let stream = create(&world, "pace=instant").await;
    let links = world.gateway.url(&format!("/v1/streams/{stream}/links"));
    let link = world.http.post(links).body(r#"{"scope":"read"}"#).send().await.unwrap();
    let link: Value = serde_json::from_slice(&link.bytes().await.unwrap()).unwrap();
    let read = async || {
        // As a web page elsewhere has it: without a key, and from an origin that nobody knows.
        let url = world.gateway.url(link["url"].as_str().unwrap());
        let response =
            world.http.get(url).header("origin", "https://elsewhere.example").send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let before = read().await;
    assert!(before.0 == 200 && before.1.contains("perennial.terminal"), "{before:?}");
    world.gateway.kill().await;
    world.gateway.start().await;
    assert_eq!(read().await, before);
}
