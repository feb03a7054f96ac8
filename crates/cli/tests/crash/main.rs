//! `kill -9` of `perennial serve` at random moments, with readers attached that come back: nothing that was seen is lost or changed, and every
//! stream ends exactly once.
//!
//! The real binary serves a folder at one address; the simulator answers in this process. Streams are made in all ways and with all policies, each is read on
//! several faces, and the gateway is killed and started again meanwhile. At the end every reader is held to the whole stream as it is
//! read after the last start, and every stream to what the simulator sent.
//!
//! An ordinary run is small. All of it, 200 streams, with the seed of a run that is to be repeated:
//!
//! ```sh
//! PERENNIAL_CRASH_STREAMS=200 PERENNIAL_CRASH_SEED=1 cargo test --release -p perennial-cli --test crash killed -- --nocapture
//! ```
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it does")]

mod frames;
mod law;
mod maker;
mod plan;
mod process;
mod reader;
mod stop;
mod world;

use std::env;
use std::sync::Arc;

use fastrand::Rng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::plan::Plan;
use self::reader::Sight;
use self::world::World;

const STREAMS: &str = "PERENNIAL_CRASH_STREAMS";
const SEED: &str = "PERENNIAL_CRASH_SEED";

/// So many streams for each kill.
const STREAMS_PER_KILL: usize = 7;
/// The most streams that are made and read at once; a third of a small run, so that there are beginnings until late.
const AT_ONCE: usize = 20;
/// From so many streams on, chance leaves no kind of end out.
const MANY: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment() {
    let streams = env::var(STREAMS).map_or(MANY, |streams| streams.parse().unwrap());
    run("process", streams).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_where_every_record_is_synced() {
    run("always", 30).await;
}

async fn run(durability: &'static str, streams: usize) {
    let seed = env::var(SEED).map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("{streams} streams, durability {durability}: {SEED}={seed}");
    let mut random = Rng::with_seed(seed);
    let plans: Vec<Arc<Plan>> = (0..streams).map(|number| Arc::new(Plan::new(number, &mut random))).collect();
    let world = Arc::new(World::new(durability).await);

    // The streams, and beside them the kills. Each kill lets further streams begin, so that there are enough of both, however fast the machine is.
    let first = AT_ONCE.min(streams / 3);
    let (at_once, begun) = (Arc::new(Semaphore::new(first)), Arc::new(Semaphore::new(first)));
    let mut sessions = JoinSet::new();
    for plan in &plans {
        let (world, plan) = (Arc::clone(&world), Arc::clone(plan));
        let (at_once, begun) = (Arc::clone(&at_once), Arc::clone(&begun));
        sessions.spawn(async move {
            begun.acquire().await.unwrap().forget();
            let _permit = at_once.acquire().await.unwrap();
            session(&world, &plan).await
        });
    }
    let wanted = streams.div_ceil(STREAMS_PER_KILL);
    let mut sights = Vec::new();
    let (mut kills, mut over) = (0, 0);
    while kills < wanted && over < streams {
        tokio::select! {
            biased;
            () = world.moment(&mut random) => {}
            joined = sessions.join_next() => match joined {
                Some(seen) => {
                    sights.extend(seen.unwrap());
                    over += 1;
                    // Once all that have begun are over, there is nothing else to wait for.
                    if over < first + kills * STREAMS_PER_KILL {
                        continue;
                    }
                }
                None => break,
            },
        }
        world.gateway.kill().await;
        world.gateway.start().await;
        kills += 1;
        begun.add_permits(STREAMS_PER_KILL);
    }
    begun.add_permits(streams);
    while let Some(seen) = sessions.join_next().await {
        sights.extend(seen.unwrap());
    }
    // Once more when all is said, and then the truth.
    world.gateway.kill().await;
    world.gateway.start().await;
    let tally = law::check(&world, &plans, &sights).await;
    println!("{} kills, {} readers; {tally:?}", kills + 1, sights.len());
    assert!(
        streams < MANY || (tally.completed > 0 && tally.interrupted > 0 && tally.continued > 0),
        "{tally:?}"
    );
}

/// One stream, its maker and its readers.
async fn session(world: &Arc<World>, plan: &Arc<Plan>) -> Vec<Sight> {
    let mut sights = JoinSet::new();
    let (told, name) = tokio::sync::oneshot::channel();
    sights.spawn(maker::make(Arc::clone(world), Arc::clone(plan), told));
    // Nobody heard of the stream where its gateway was killed before it said the name.
    if let Ok(stream) = name.await {
        let others = world.known.lock().clone();
        world.known.lock().push(stream.clone());
        for order in plan.readers(&stream, &others) {
            sights.spawn(reader::read(Arc::clone(world), order));
        }
    }
    let mut all = Vec::new();
    while let Some(seen) = sights.join_next().await {
        all.extend(seen.unwrap());
    }
    all
}
