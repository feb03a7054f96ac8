//! Streams that break in every way, through the gateway and the client library: what must hold holds for each of them.
//!
//! The gateway's upstream is the simulator, which has every fault by name and sees, as the one who is paid, what is asked and when a client
//! leaves. Every stream follows from a seed and its number; a breach prints the line that repeats just that stream.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "its report is what it is for")]

mod closing;
mod drive;
mod face;
mod fault;
mod gate;
mod judge;
mod ledger;
mod memory;
mod plan;
mod reference;
mod shown;
mod sse;
mod subject;
mod tally;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use serde_json::json;

use crate::drive::Run;
use crate::fault::Promise;
use crate::plan::Plan;
use crate::world::World;

/// Least share of what is retried before content, and of text that is gone on with, that has to be whole.
const LEAST_RETRIED: f64 = 0.999;
const LEAST_RECOVERED: f64 = 0.99;

#[derive(Debug, Parser)]
struct Args {
    /// How many streams.
    #[arg(long, default_value_t = 100_000)]
    streams: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the stream with this number, told in detail.
    #[arg(long)]
    only: Option<u64>,
    /// Streams at the same time.
    #[arg(long, default_value_t = 128)]
    at_once: usize,
    /// Clients that leave in each phase, by each way and on each form.
    #[arg(long, default_value_t = 100)]
    leavers: usize,
    /// The program to test, instead of the gateway as a library.
    #[arg(long)]
    perennial: Option<PathBuf>,
    /// Too short a run to say anything about memory.
    #[arg(long)]
    short: bool,
    /// Where all figures go, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let ran = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from);
    ran.and_then(|runtime| runtime.block_on(run(&args))).unwrap_or_else(|error| {
        println!("FAILED {error:#}");
        ExitCode::from(2)
    })
}

async fn run(args: &Args) -> Result<ExitCode> {
    let mut world = World::new(args.seed, args.perennial.as_deref()).await?;
    if let Some(number) = args.only {
        return only(&world, args.seed, number).await;
    }
    println!("seed {}, {} streams, {} at once", args.seed, args.streams, args.at_once);
    let mut memory = memory::Course::begin(&world, args.short).await?;
    let mut run = Run::default();
    let mut ledger = world.gate.ledger();
    // Each share ends with a wait for its slowest stream, which is worth it only for the look that follows.
    let shares = if args.short { 1 } else { memory::SHARES };
    for share in 0..shares {
        let numbers = args.streams * share / shares..args.streams * (share + 1) / shares;
        drive::many(&world, args.seed, numbers, args.at_once, &mut ledger, &mut run).await;
        if !args.short {
            memory.note_share(&world).await?;
        }
    }
    drive::settle(&world, args.seed, &mut ledger, &mut run).await;
    let closings =
        closing::measure(&world, args.leavers, if args.short { closing::LAX_LIMIT } else { closing::LIMIT })
            .await?;
    if !args.short {
        memory.rest(&world).await?;
    }

    let (retried, recovered) = (run.tally.kept(Promise::Retried), run.tally.kept(Promise::Recovered));
    println!(
        "retried before content: {} of {}; text gone on with: {} of {}",
        retried.0, retried.1, recovered.0, recovered.1
    );
    let late: usize = closings.iter().map(|closing| closing.breaches.len()).sum();
    let alive = world.gate.is_alive();
    run.books.close(&run.open);
    let books = &run.books;
    println!("ledger: {books:?}");
    let mut failures = Vec::new();
    let mut must = |holds: bool, words: String| {
        if !holds {
            failures.push(words);
        }
    };
    must(run.tally.breaches() == 0, format!("{} breaches of laws", run.tally.breaches()));
    must(run.leaks.is_empty(), format!("{} requests upstream left open", run.leaks.len()));
    must(late == 0, format!("{late} upstreams closed too late"));
    must(share(retried) >= LEAST_RETRIED, format!("{:.2} % retried", share(retried) * 100.0));
    must(share(recovered) >= LEAST_RECOVERED, format!("{:.2} % recovered", share(recovered) * 100.0));
    must(run.books.wrong() == 0, format!("{} requests differ in the ledger", run.books.wrong()));
    // In this process the load is part of what is held.
    if world.gate.is_program() && !args.short {
        memory.breaches().into_iter().for_each(|breach| must(false, breach));
    }
    must(alive, "the gateway has ended".to_owned());
    if let Some(path) = &args.json {
        let report = json!({
            "seed": args.seed,
            "at_once": args.at_once,
            "took_s": run.took.as_secs_f64(),
            "is_program": args.perennial.is_some(),
            "tally": run.tally.to_json(),
            "requests": run.requests,
            "books": run.books,
            "leaks": run.leaks,
            "closings": closings,
            "memory": memory,
            "failures": failures,
        });
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    for failure in &failures {
        println!("FAILED {failure}");
    }
    println!(
        "{} streams in {:.0} s: {}",
        run.tally.streams,
        run.took.as_secs_f64(),
        if failures.is_empty() { "all laws hold" } else { "not as it should be" }
    );
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn share((kept, of): (u64, u64)) -> f64 {
    if of == 0 { 1.0 } else { kept as f64 / of as f64 }
}

/// One stream, in words.
async fn only(world: &World, seed: u64, number: u64) -> Result<ExitCode> {
    let plan = Plan::new(seed, number, &world.subjects, &world.references);
    let subject = &world.subjects[plan.subject];
    println!("{}; {}; {}", plan.face.name(), subject.name, plan.orders(subject));
    println!(
        "promised: {:?}; leaves after {:?}; read again: {}",
        plan.fault.promise, plan.leaves, plan.rereads
    );
    let (seen, judged) = drive::one(world, &plan).await?;
    println!("{seen:#?}");
    for entry in world
        .sim
        .journal()
        .entries()
        .iter()
        .filter(|entry| entry.headers.iter().any(|(_, value)| *value == plan.key()))
    {
        println!(
            "upstream: {:?} in {:?} after {} events and {} bytes, faults `{}`",
            entry.outcome, entry.phase, entry.events, entry.bytes, entry.faults
        );
    }
    println!("{judged:#?}");
    Ok(if judged.breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
