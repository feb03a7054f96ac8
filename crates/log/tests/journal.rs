//! What was written last, on its way from the journal into the store: readers see it the whole way, and segments are used again.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and print its seed")]

use std::{fs, path::Path, sync::Arc};

use perennial_log::{
    After, DiskLog, DiskOptions, Entry, Kind, Log, Outcome, PendingBytes, ReadBytes, Reader, ReserveBytes,
    RingBytes, Seq, StreamId, Writer,
};
use tokio::task::JoinSet;

async fn open(directory: &Path, pending: PendingBytes) -> Arc<dyn Log> {
    // Hardly any ring, so that readers go to the log.
    let options = DiskOptions::new().ring(RingBytes::new(100)).pending(pending).reserve(ReserveBytes::new(0));
    Arc::new(DiskLog::open(directory, options).await.unwrap())
}

/// Record `seq` of a stream, of some length.
fn payload(seq: u64, longest: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seq);
    let mut payload = format!("{seq} ").into_bytes();
    payload.resize(payload.len() + random.usize(..longest), b'x');
    payload
}

fn segments(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory.join("log/journal")).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// Reads the stream from the beginning, again and again, in parts of all sizes, until it ends: nothing is missing, twice or wrong.
async fn reread(log: Arc<dyn Log>, stream: StreamId, longest: usize, seed: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    loop {
        let head = log.head(stream).await.unwrap();
        let mut next = Seq::new(random.u64(1..=head.last.get())).unwrap();
        while next <= head.last {
            let most = ReadBytes::new(1 << random.u32(0..20));
            let runs = log.read(stream, next, most).await.unwrap();
            assert!(!runs.is_empty(), "record {next} is missing");
            for record in runs.iter().flatten() {
                assert_eq!(record.seq, next);
                if record.kind == Kind::Event {
                    assert!(record.payload == payload(next.get(), longest), "record {next} is another");
                }
                next = next.plus(1);
            }
        }
        if head.outcome.is_some() {
            return head.last.get();
        }
    }
}

async fn write(log: Arc<dyn Log>, stream: StreamId, batches: u64, longest: usize) -> u64 {
    let mut writer = Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "")]).await.unwrap();
    for batch in 0..batches {
        let next = writer.fence().next.get();
        let entries: Vec<Entry> =
            (next..=next + batch % 3).map(|seq| Entry::event(payload(seq, longest))).collect();
        writer.append(&entries).await.unwrap();
        if batch % 500 == 499 {
            writer = Writer::takeover(&log, stream, writer.fence().epoch, b"").await.unwrap();
        }
    }
    writer.append(&[Entry::terminal(Outcome::Completed, "")]).await.unwrap().seq.get()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_moved_is_read_whole() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), PendingBytes::default()).await;
    let mut tasks = JoinSet::new();
    for number in 0..3 {
        let stream = StreamId::new();
        let writing = tokio::spawn(write(log.clone(), stream, 4000, 200));
        let tail = loop {
            // Not made yet, at first.
            match Reader::attach(&log, stream, After::Start).await {
                Ok(reader) => break reader,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let log = log.clone();
        tasks.spawn(async move {
            let reading = tokio::spawn(reread(log, stream, 200, seed.wrapping_add(number)));
            let mut tail = tail;
            let mut seen = 0;
            while let Some(run) = tail.next().await.unwrap() {
                assert_eq!(run[0].seq.get(), seen + 1);
                seen += run.len() as u64;
            }
            let written = writing.await.unwrap();
            assert_eq!((seen, reading.await.unwrap()), (written, written));
        });
    }
    tasks.join_all().await;
    log.close().await.unwrap();
}

/// More than some segments hold, with less that may be pending than one batch: appends wait their turn, old segments are used again, and
/// there are never many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_are_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), PendingBytes::new(1 << 20)).await;
    let streams: Vec<StreamId> = (0..2).map(|_| StreamId::new()).collect();
    let mut tasks = JoinSet::new();
    for &stream in &streams {
        tasks.spawn(write(log.clone(), stream, 300, 150_000));
    }
    let mut most = 0;
    while tasks.join_next().await.transpose().unwrap().is_some() {
        most = most.max(segments(directory.path()).len());
    }
    let highest = segments(directory.path()).iter().filter_map(|name| name.parse::<u64>().ok()).max();
    assert!(highest.unwrap() >= 5, "{:?}", segments(directory.path()));
    assert!(most <= 5, "{most} segments");
    log.close().await.unwrap();
    drop(log);
    let log = open(directory.path(), PendingBytes::default()).await;
    assert_eq!(segments(directory.path()).len(), 1);
    for &stream in &streams {
        reread(log.clone(), stream, 150_000, 1).await;
    }
    // One batch that no segment has room for.
    let stream = StreamId::new();
    let mut writer = Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "")]).await.unwrap();
    let large = vec![0; 40 << 20];
    writer.append(&[Entry::event(large.clone()), Entry::event("small")]).await.unwrap();
    writer.append(&[Entry::terminal(Outcome::Completed, "")]).await.unwrap();
    for reopened in [false, true] {
        let log = if reopened {
            log.close().await.unwrap();
            open(directory.path(), PendingBytes::default()).await
        } else {
            log.clone()
        };
        let runs = log.read(stream, Seq::FIRST, ReadBytes::new(usize::MAX)).await.unwrap();
        let found: Vec<usize> = runs.iter().flatten().map(|record| record.payload.len()).collect();
        assert_eq!(found, [0, 40 << 20, 5, 0]);
        assert!(runs.iter().flatten().nth(1).unwrap().payload == large);
    }
}
