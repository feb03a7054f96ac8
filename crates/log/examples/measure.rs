//! Measures a log: appends for each durability, and one stream with a thousand readers.
//!
//! ```sh
//! cargo run --release -p perennial-log --example measure [DIRECTORY]
//! ```
//!
//! The directory is where the data goes while it runs; without it, the system's for temporary files. What is printed holds for this machine
//! at this moment: compare within one run only.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example that prints, and stops at what it does not expect"
)]

use std::{env, fs, sync::Arc, time::Duration};

use perennial_log::{
    After, DiskLog, DiskOptions, Entry, Kind, Log, MemoryBytes, MemoryLog, MemoryOptions, Outcome, Reader,
    StreamId, Writer,
};
use tokio::{task::JoinSet, time::Instant};

/// As large as most deltas are.
const RECORD: usize = 200;
const READERS: usize = 1000;

#[tokio::main]
async fn main() {
    let at = env::args_os().nth(1).map_or_else(env::temp_dir, Into::into);
    println!(
        "one stream, {READERS} readers, an append every 5 ms: from the append until the last reader has it"
    );
    println!("{:<10} {:>9} {:>9} {:>9} {:>16}", "log", "p50", "p99", "most", "bytes a reader");
    for name in ["memory", "process", "always"] {
        let directory = tempfile::tempdir_in(&at).unwrap();
        let log = open(name, directory.path()).await;
        println!("{name:<10} {}", fan_out(&log).await);
        log.close().await.unwrap();
    }
    println!(
        "\nappends of {RECORD} bytes a record; each stream waits for one, and for the pause, before the next"
    );
    println!(
        "{:<10} {:>8} {:>8} {:>8} {:>12} {:>12} {:>9} {:>9} {:>14}",
        "log", "streams", "records", "pause", "records/s", "appends/s", "p50", "p99", "CPU an append"
    );
    let paced = Duration::from_millis(20);
    for (streams, records, pause) in [
        (100, 1, paced),
        (1000, 1, paced),
        (1, 1, Duration::ZERO),
        (200, 1, Duration::ZERO),
        (200, 4, Duration::ZERO),
        (2000, 1, Duration::ZERO),
    ] {
        for name in ["process", "always", "memory"] {
            let directory = tempfile::tempdir_in(&at).unwrap();
            let log = open(name, directory.path()).await;
            let report = appends(&log, streams, records, pause).await;
            println!("{name:<10} {streams:>8} {records:>8} {pause:>8.0?} {report}");
            log.close().await.unwrap();
        }
    }
}

async fn open(name: &str, directory: &std::path::Path) -> Arc<dyn Log> {
    match name {
        "memory" => {
            let capacity = MemoryBytes::new(4 << 30);
            Arc::new(MemoryLog::new(MemoryOptions { capacity, ..MemoryOptions::default() }))
        }
        name => Arc::new(
            DiskLog::open(directory, DiskOptions::new().always_sync(name == "always")).await.unwrap(),
        ),
    }
}

async fn appends(log: &Arc<dyn Log>, streams: usize, records: usize, pause: Duration) -> String {
    let until = Instant::now() + Duration::from_secs(2);
    let (begun, cpu) = (Instant::now(), cpu_ticks());
    let mut tasks = JoinSet::new();
    for _ in 0..streams {
        let log = Arc::clone(log);
        tasks.spawn(async move {
            let batch = vec![Entry::event(vec![b'x'; RECORD]); records];
            let request = [Entry::new(Kind::Request, "{}")];
            let mut writer = Writer::create(&log, StreamId::new(), None, &request).await.unwrap();
            let mut took = Vec::new();
            while Instant::now() < until {
                let start = Instant::now();
                writer.append(&batch).await.unwrap();
                took.push(start.elapsed());
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            took
        });
    }
    let mut took = tasks.join_all().await.concat();
    let seconds = begun.elapsed().as_secs_f64();
    let appends = took.len() as f64 / seconds;
    // Ticks are hundredths of a second.
    let cpu = (cpu_ticks() - cpu) as f64 * 10_000.0 / took.len() as f64;
    let (p50, p99) = (quantile(&mut took, 0.5), quantile(&mut took, 0.99));
    format!("{:>12.0} {appends:>12.0} {p50:>9.2?} {p99:>9.2?} {cpu:>11.1} µs", appends * records as f64)
}

async fn fan_out(log: &Arc<dyn Log>) -> String {
    const APPENDS: usize = 400;
    let stream = StreamId::new();
    let mut writer = Writer::create(log, stream, None, &[Entry::new(Kind::Request, "{}")]).await.unwrap();
    let before = resident();
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let log = Arc::clone(log);
        readers.spawn(async move {
            let mut reader = Reader::attach(&log, stream, After::Start).await.unwrap();
            let mut seen = Vec::new();
            while let Some(run) = reader.next().await.unwrap() {
                let now = Instant::now();
                seen.extend(run.iter().map(|_| now));
            }
            seen
        });
    }
    // All of them wait at the end of the stream.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let memory = resident().saturating_sub(before) / READERS;
    let mut started = Vec::new();
    for _ in 0..APPENDS {
        tokio::time::sleep(Duration::from_millis(5)).await;
        started.push(Instant::now());
        writer.append(&[Entry::event(vec![b'x'; RECORD])]).await.unwrap();
    }
    writer.append(&[Entry::terminal(Outcome::Completed, "")]).await.unwrap();
    let seen = readers.join_all().await;
    let last = |index: usize| seen.iter().map(|seen| seen[index + 1]).max().unwrap();
    let mut took: Vec<Duration> =
        started.iter().enumerate().map(|(index, start)| last(index) - *start).collect();
    let most = took.iter().max().copied().unwrap();
    format!(
        "{:>9.2?} {:>9.2?} {most:>9.2?} {memory:>16}",
        quantile(&mut took, 0.5),
        quantile(&mut took, 0.99)
    )
}

fn quantile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into what is there"
    )]
    let index = (values.len() as f64 * share) as usize;
    values[index.min(values.len() - 1)]
}

/// This process's memory, where the system says.
fn resident() -> usize {
    let pages = |text: String| text.split(' ').nth(1)?.parse::<usize>().ok();
    fs::read_to_string("/proc/self/statm").ok().and_then(pages).map_or(0, |pages| pages * 4096)
}

/// The processor time of this process in ticks, where the system says.
fn cpu_ticks() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may have blanks, the 12th and 13th are user and system time.
    let after = text.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}
