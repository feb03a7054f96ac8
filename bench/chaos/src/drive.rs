//! The run: rounds of streams, many at once, and a look at the simulator's journal after each.

use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt as _;
use perennial_sim::{ATTEMPT_HEADER, Entry};
use tokio::time::{Instant, sleep};

use crate::face::{self, Seen};
use crate::judge::{self, Judgement, Law, Verdict};
use crate::ledger::{Books, LedgerFile, Row};
use crate::plan::Plan;
use crate::tally::Tally;
use crate::world::World;

/// Streams between two looks at the journal.
const ROUND: u64 = 10_000;
/// Rows that are kept until their requests are over.
const ROWS_KEPT: usize = 20_000;
/// What nobody reads any more must be closed by then.
const CLOSED_AFTER: Duration = Duration::from_secs(60);

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) tally: Tally,
    /// What the simulator would bill, and what the ledger says.
    pub(crate) books: Books,
    /// Requests that have no row yet, and rows that have no request yet.
    pub(crate) open: Vec<Entry>,
    rows: Vec<Row>,
    /// Requests that reached the simulator.
    pub(crate) requests: u64,
    /// Requests that were still open when their readers were gone.
    pub(crate) leaks: Vec<String>,
    pub(crate) took: Duration,
}

/// One stream, from its plan to its judgement.
pub(crate) async fn one(world: &World, plan: &Plan) -> Result<(Seen, Judgement)> {
    let whole = world.whole(plan).await?;
    let seen = face::read(world, plan).await?;
    let judged = judge::judge(plan, &seen, &whole.shown);
    Ok((seen, judged))
}

/// Streams `numbers`, `at_once` at a time.
pub(crate) async fn many(
    world: &World,
    seed: u64,
    numbers: std::ops::Range<u64>,
    at_once: usize,
    ledger: &mut LedgerFile,
    run: &mut Run,
) {
    let began = Instant::now();
    let mut from = numbers.start;
    while from < numbers.end {
        let to = numbers.end.min(from + ROUND);
        let streams = (from..to).map(|number| async move {
            let plan = Plan::new(seed, number, &world.subjects, &world.references);
            let done = one(world, &plan).await;
            (plan, done)
        });
        let mut streams = futures_util::stream::iter(streams).buffer_unordered(at_once);
        while let Some((plan, done)) = streams.next().await {
            let subject = &world.subjects[plan.subject];
            let (returns, judged) = match done {
                Ok((seen, judged)) => (seen.returns, judged),
                Err(error) => (
                    0,
                    Judgement {
                        verdict: Verdict::Wrong,
                        breaches: vec![(Law::OneEnd, format!("{error:#}"))],
                        error: None,
                    },
                ),
            };
            run.tally.add(&plan, subject, returns, &judged);
        }
        drop(streams);
        look(world, seed, ledger, run).await;
        from = to;
        println!(
            "{from} streams, {:.0} s, {} breaches, {} requests upstream, {} MiB",
            began.elapsed().as_secs_f64(),
            run.tally.breaches(),
            run.requests,
            world.gate.holdings().unwrap_or_default().resident >> 20
        );
    }
    run.took += began.elapsed();
}

/// Looks again until every request that can have a row has one, or has had its time.
pub(crate) async fn settle(world: &World, seed: u64, ledger: &mut LedgerFile, run: &mut Run) {
    let until = Instant::now() + CLOSED_AFTER;
    while !run.open.is_empty() && Instant::now() < until {
        look(world, seed, ledger, run).await;
    }
}

/// What the simulator saw of a round, once all of it is over there, and what the ledger says of it.
async fn look(world: &World, seed: u64, ledger: &mut LedgerFile, run: &mut Run) {
    let until = Instant::now() + CLOSED_AFTER;
    let mut entries = world.sim.journal().entries();
    while entries.iter().any(|entry| !entry.is_over()) && Instant::now() < until {
        sleep(Duration::from_millis(20)).await;
        entries = world.sim.journal().entries();
    }
    world.sim.journal().clear();
    let is_digit = |first: char| first.is_ascii_digit();
    let of_gateway = entries.iter().filter(|entry| key(entry).is_some_and(|key| key.starts_with(is_digit)));
    run.open.extend(of_gateway.cloned());
    run.requests += entries.iter().filter(|entry| key(entry).is_some()).count() as u64;
    for entry in entries.iter().filter(|entry| !entry.is_over()) {
        let Some(key) = key(entry) else { continue };
        let line =
            format!("{key}: open in {:?} after {} events, {}", entry.phase, entry.events, entry.faults);
        println!("BREACH upstream closed when nobody reads: {line}");
        run.leaks.push(line);
    }
    let rows = async {
        world.gate.flush_ledger().await?;
        ledger.news().await
    };
    match rows.await {
        Ok(rows) => {
            run.books.note(&rows);
            run.rows.extend(rows);
            let open = std::mem::take(&mut run.open);
            let is_honest = |entry: &Entry| {
                let number = key(entry).and_then(|key| key.rsplit('-').next()?.parse().ok());
                number.is_some_and(|number| {
                    Plan::new(seed, number, &world.subjects, &world.references).is_honest()
                })
            };
            run.open = run.books.compare(open, &run.rows, is_honest);
            // A row may be written a moment before its request is over, and the other way round.
            let kept = run.rows.len().saturating_sub(ROWS_KEPT);
            run.rows.drain(..kept);
        }
        Err(error) => {
            println!("BREACH ledger as journal: it cannot be read: {error:#}");
            run.books.missing += 1;
        }
    }
}

fn key(entry: &Entry) -> Option<&str> {
    entry.headers.iter().find(|(name, _)| name == ATTEMPT_HEADER).map(|(_, value)| value.as_str())
}
