//! `kill -9` at random moments: every record that was acknowledged or seen is there afterwards, whole, and nothing is torn.
//!
//! The test binary starts itself as the process to be killed. It writes several streams at once, reads them at the same time, and says
//! on its standard output what was acknowledged and what a reader saw; this process kills it after some number of lines, opens
//! the directory itself and holds it to what was said. Then the next process takes the streams over, in the same directory.
//!
//! `PERENNIAL_CRASH_ROUNDS` sets the number of kills, `PERENNIAL_CRASH_SEED` the seed; each run prints its own.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it does")]

use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use perennial_log::{
    After, DiskLog, DiskOptions, Entry, Kind, Log, Outcome, Reader, ReserveBytes, StreamId, Writer,
};

/// Where the process to be killed works; without it, it is not that process.
const DIRECTORY: &str = "PERENNIAL_CRASH_DIRECTORY";
const ALWAYS: &str = "PERENNIAL_CRASH_ALWAYS";
const ROUNDS: &str = "PERENNIAL_CRASH_ROUNDS";
const SEED: &str = "PERENNIAL_CRASH_SEED";

const STREAMS: usize = 6;

async fn open(directory: &Path, always: bool) -> Arc<dyn Log> {
    let options = DiskOptions::new().always_sync(always).reserve(ReserveBytes::new(0));
    Arc::new(DiskLog::open(directory, options).await.unwrap())
}

/// Batch `number` of a stream: some records of some sizes that tell which they are.
fn batch(stream: StreamId, number: u64) -> Vec<Entry> {
    let mut random = fastrand::Rng::with_seed(number ^ stream.time().as_micros());
    let len = random.usize(1..5);
    let entry = |index| {
        let filling = "x".repeat(random.usize(0..if number.is_multiple_of(17) { 20_000 } else { 300 }));
        Entry::event(format!("{number} {index} {len} {filling}"))
    };
    (0..len).map(entry).collect()
}

/// The number of the batch that a payload says it is of.
fn label(payload: &[u8]) -> u64 {
    let text = std::str::from_utf8(payload).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn say(line: &str) {
    // One write for each line: what the other process reads was said, whatever happens next.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

/// The process to be killed. Does nothing in an ordinary run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_killed_one() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let log = open(Path::new(&directory), env::var_os(ALWAYS).is_some()).await;
    let mut tasks = tokio::task::JoinSet::new();
    let left = log.unsettled(None, STREAMS).await.unwrap().heads;
    for head in &left {
        let writer = Writer::takeover(&log, head.stream, head.epoch(), b"").await.unwrap();
        let next = last_batch(&log, head.stream).await + 1;
        tasks.spawn(write(log.clone(), writer, next));
    }
    for _ in left.len()..STREAMS {
        let stream = StreamId::new();
        let writer = Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "")]).await.unwrap();
        tasks.spawn(write(log.clone(), writer, 1));
    }
    tasks.join_all().await;
}

/// Writes batches until it is killed, or the stream has become long enough to end and make room for another.
async fn write(log: Arc<dyn Log>, mut writer: Writer, first: u64) {
    let stream = writer.stream();
    say(&format!("ack {stream} {}", writer.fence().next.get() - 1));
    let reader = tokio::spawn({
        let log = log.clone();
        async move {
            let mut reader = Reader::attach(&log, stream, After::Start).await.unwrap();
            while let Some(run) = reader.next().await.unwrap() {
                say(&format!("saw {stream} {}", run.last().unwrap().position()));
            }
        }
    });
    for number in first..first + 200 {
        let position = writer.append(&batch(stream, number)).await.unwrap();
        say(&format!("ack {stream} {}", position.seq));
    }
    let position = writer.append(&[Entry::terminal(Outcome::Completed, "")]).await.unwrap();
    say(&format!("ack {stream} {}", position.seq));
    reader.await.unwrap();
}

async fn last_batch(log: &Arc<dyn Log>, stream: StreamId) -> u64 {
    let mut last = 0;
    check_stream(log, stream, |number| last = number).await;
    last
}

/// Reads all that is there of a stream and holds it to the rules; says each batch. The epochs at their records are given back.
async fn check_stream(log: &Arc<dyn Log>, stream: StreamId, mut seen: impl FnMut(u64)) -> Vec<String> {
    let head = log.head(stream).await.unwrap();
    let mut reader = Reader::attach(log, stream, After::Start).await.unwrap();
    let mut positions = Vec::new();
    let mut expected: Vec<Entry> = Vec::new();
    let mut number = 0;
    while reader.position() <= head.last
        && let Some(run) = reader.next().await.unwrap()
    {
        for record in &run {
            assert_eq!(record.seq.get(), positions.len() as u64 + 1, "{stream}");
            positions.push(record.position().to_string());
            match record.kind {
                Kind::Event => {
                    if expected.is_empty() {
                        let next = label(&record.payload);
                        assert_eq!(next, number + 1, "{stream}: a batch is missing or twice there");
                        number = next;
                        expected = batch(stream, number);
                        expected.reverse();
                    }
                    let wanted = expected.pop().unwrap();
                    assert!(
                        wanted.payload == record.payload,
                        "{stream}: batch {number} is not what was written"
                    );
                    if expected.is_empty() {
                        seen(number);
                    }
                }
                Kind::Request | Kind::Takeover | Kind::Terminal(_) => {}
                kind => panic!("{stream}: nobody wrote a {kind}"),
            }
            assert!(expected.is_empty() || record.kind == Kind::Event, "{stream}: batch {number} is torn");
        }
    }
    assert!(expected.is_empty(), "{stream}: batch {number} is torn at the end");
    assert_eq!(positions.last(), Some(&head.position().to_string()));
    positions
}

/// What was said of one stream: how far it was acknowledged, and which positions were seen.
#[derive(Default)]
struct Said {
    acknowledged: usize,
    seen: Vec<String>,
}

async fn rounds(always: bool) {
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = number(ROUNDS).unwrap_or(if always { 4 } else { 8 });
    let seed = number(SEED).unwrap_or_else(|| fastrand::u64(..));
    println!("{SEED}={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let directory = tempfile::tempdir().unwrap();
    let mut said: HashMap<StreamId, Said> = HashMap::new();
    let mut records = 0;
    for round in 0..rounds {
        // Some are killed while they start.
        let lines = if random.u8(..) < 40 { 0 } else { random.usize(1..3000) };
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["the_killed_one", "--exact", "--nocapture"]).env(DIRECTORY, directory.path());
        if always {
            command.env(ALWAYS, "1");
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut heard = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut hear = |line: &str| {
            let mut words = line.split(' ');
            let (Some(what), Some(stream), Some(position)) = (words.next(), words.next(), words.next())
            else {
                return;
            };
            let Ok(stream) = stream.parse::<StreamId>() else { return };
            let said = said.entry(stream).or_default();
            match what {
                "ack" => said.acknowledged = said.acknowledged.max(position.parse().unwrap()),
                "saw" => said.seen.push(position.to_owned()),
                _ => {}
            }
        };
        heard.by_ref().take(lines).for_each(|line| hear(&line));
        child.kill().unwrap();
        // What was in the pipe was said too.
        heard.for_each(|line| hear(&line));
        child.wait().unwrap();

        let log = open(directory.path(), always).await;
        for (&stream, said) in &said {
            let positions = check_stream(&log, stream, |_| {}).await;
            assert!(
                positions.len() >= said.acknowledged,
                "round {round}: {stream} has lost acknowledged records"
            );
            for seen in &said.seen {
                let seq: usize = seen.split('.').next().unwrap().parse().unwrap();
                assert_eq!(
                    positions.get(seq - 1),
                    Some(seen),
                    "round {round}: {stream}: a reader saw {seen}"
                );
            }
            records += positions.len();
        }
        let open = log.unsettled(None, 100).await.unwrap().heads;
        let listed = log.list(None, 10_000).await.unwrap().heads;
        assert_eq!(open.len(), listed.iter().filter(|head| head.outcome.is_none()).count());
        assert!(said.keys().all(|stream| listed.iter().any(|head| head.stream == *stream)));
        log.close().await.unwrap();
    }
    println!("{rounds} kills, {} streams, {records} records read", said.len());
    assert!(!said.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_torn_by_kill_9_with_process() {
    rounds(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_torn_by_kill_9_with_always() {
    rounds(true).await;
}
