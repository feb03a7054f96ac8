//! Random operations on a log, held against a plain model: fences, takeovers, ends, deletions, expiry, reopening, readers.
//!
//! `PROPTEST_CASES` sets how many; a failure is shrunk and shows the operations that lead to it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod operation;
mod plain;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use operation::{Operation, operations};
use perennial_log::{
    After, Clock, DiskLog, DiskOptions, Entry, Epoch, Error, Fence, Log, MemoryLog, MemoryOptions, ReadBytes,
    Reader, Record, ReserveBytes, Retention, RingBytes, StreamId, Time,
};
use plain::{Plain, Refusal};
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

const KEPT: Duration = Duration::from_secs(3600);
const RING: RingBytes = RingBytes::new(600);

/// A log, the model of it, and the readers of both.
struct Run {
    directory: Option<TempDir>,
    log: Arc<dyn Log>,
    now: Arc<AtomicU64>,
    plain: Plain,
    names: Vec<StreamId>,
    readers: HashMap<usize, (Reader, Vec<Record>)>,
}

impl Run {
    async fn new(directory: Option<TempDir>) -> Self {
        let now = Arc::new(AtomicU64::new(1_760_000_000_000_000));
        let log = open(directory.as_ref(), &now).await;
        Self { directory, log, now, plain: Plain::default(), names: Vec::new(), readers: HashMap::new() }
    }

    fn time(&self) -> Time {
        Time::from_micros(self.now.load(Ordering::SeqCst))
    }

    fn name(&self, index: usize) -> Option<StreamId> {
        (!self.names.is_empty()).then(|| self.names[index % self.names.len()])
    }

    async fn does(&mut self, operation: Operation) {
        self.plain.now = self.plain.now.max(self.time());
        match operation {
            Operation::Create { entries } => {
                let name = StreamId::at(self.time());
                self.names.push(name);
                same(self.log.create(name, None, &entries).await, self.plain.create(name, KEPT, &entries));
            }
            Operation::CreateAgain { stream } => {
                let Some(name) = self.name(stream) else { return };
                let entries = [Entry::event("again").at(Time::default())];
                let error = self.log.create(name, None, &entries).await.unwrap_err();
                assert!(error.is_existing() || error.is_gone() || error.is_refused(), "{error}");
            }
            Operation::Append { stream, epoch, next, entries } => {
                let Some(name) = self.name(stream) else { return };
                let fence = self.fence(name, epoch, next);
                same(self.log.append(name, fence, &entries).await, self.plain.append(name, fence, &entries));
            }
            Operation::Takeover { stream, epoch } => {
                let Some(name) = self.name(stream) else { return };
                let from = self.fence(name, epoch, 0).epoch;
                let entry = Entry::event("mine").at(self.time());
                same(self.log.takeover(name, from, &entry).await, self.plain.takeover(name, from, &entry));
            }
            Operation::Delete { stream } => {
                let Some(name) = self.name(stream) else { return };
                assert_eq!(self.log.delete(name).await.is_ok(), self.plain.delete(name));
            }
            Operation::Read { stream, from, most } => {
                let Some(name) = self.name(stream) else { return };
                self.read(name, from, ReadBytes::new(most)).await;
            }
            Operation::Attach { reader, stream, after } => {
                let Some(name) = self.name(stream) else { return };
                self.attach(reader, name, after).await;
            }
            Operation::Pull { reader } => self.pull(reader).await,
            Operation::Advance { seconds } => {
                self.now.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
            }
            Operation::ClockBack { seconds } => self.clock_back(seconds).await,
            Operation::Reopen => self.reopen().await,
            Operation::List { most } => self.list(most).await,
        }
    }

    /// The stream's fence, off by so much.
    fn fence(&self, name: StreamId, epoch: i8, next: i8) -> Fence {
        let fence = self.plain.fence(name).unwrap_or(Fence::NEW);
        let off = |number: u64, by: i8| number.saturating_add_signed(i64::from(by)).max(1);
        Fence {
            epoch: Epoch::new(u32::try_from(off(u64::from(fence.epoch.get()), epoch)).unwrap()).unwrap(),
            next: perennial_log::Seq::new(off(fence.next.get(), next)).unwrap(),
        }
    }

    async fn read(&self, name: StreamId, from: u64, most: ReadBytes) {
        let from = perennial_log::Seq::new(from).unwrap();
        match (self.log.read(name, from, most).await, self.plain.records(name)) {
            (Ok(runs), Ok(records)) => {
                let expected = &records[records.len().min(usize::try_from(from.get()).unwrap() - 1)..];
                let read: Vec<Record> = runs.iter().flatten().cloned().collect();
                assert_eq!(read, expected[..read.len()]);
                assert_eq!(read.is_empty(), expected.is_empty());
            }
            (Err(error), Err(refusal)) => refusal.check(&error),
            (read, expected) => panic!("read {read:?} instead of {expected:?}"),
        }
    }

    async fn attach(&mut self, reader: usize, name: StreamId, after: u64) {
        let after = perennial_log::Seq::new(after).map_or(After::Start, After::Seq);
        match (Reader::attach(&self.log, name, after).await, self.plain.records(name)) {
            (Ok(attached), Ok(records)) => {
                let next = usize::try_from(after.next().get()).unwrap();
                assert!(next <= records.len() + 1);
                let seen = records[..next - 1].to_vec();
                self.readers.insert(reader, (attached.fetching(ReadBytes::new(200)), seen));
            }
            (Err(error), Ok(records)) => {
                assert!(error.is_diverged(), "{error}");
                assert!(after.next().get() > records.len() as u64 + 1);
                assert_eq!(error.last_common(), records.last().map(Record::position));
            }
            (Err(error), Err(refusal)) => refusal.check(&error),
            (Ok(reader), Err(refusal)) => panic!("{reader:?} instead of {refusal:?}"),
        }
    }

    /// A reader takes what is there for it, if there is something: it must be what comes next.
    async fn pull(&mut self, reader: usize) {
        let Some((reader, seen)) = self.readers.get_mut(&reader) else { return };
        match self.plain.records(reader.stream()) {
            Ok(records) if records.len() > seen.len() => {
                let run = reader.next().await.unwrap().unwrap();
                assert_eq!(run[..], records[seen.len()..seen.len() + run.len()]);
                seen.extend_from_slice(&run);
            }
            Ok(records) if records.last().is_some_and(|last| last.outcome().is_some()) => {
                assert!(reader.next().await.unwrap().is_none());
            }
            Ok(_) => assert!(reader.try_next().is_none()),
            // What a reader has fetched already it may still give; of what was seen, nothing is different.
            Err(refusal) => {
                while let Some(run) = reader.try_next() {
                    assert_eq!(run[0].seq.get(), seen.len() as u64 + 1);
                    seen.extend_from_slice(&run);
                }
                self.plain.touch(&self.log, reader.stream()).await;
                refusal.check(&reader.next().await.unwrap_err());
            }
        }
    }

    /// The clock goes back for a while. What the log has said has expired stays so.
    async fn clock_back(&self, seconds: u64) {
        let gone = || self.names.iter().filter(|name| self.plain.records(**name).is_err());
        for name in gone() {
            assert!(self.log.head(*name).await.is_err());
        }
        self.now.fetch_sub(seconds * 1_000_000, Ordering::SeqCst);
        for name in gone() {
            let error = self.log.head(*name).await.unwrap_err();
            assert!(error.is_gone() || error.is_not_found(), "{error}");
        }
        self.list(2).await;
        self.now.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    async fn reopen(&mut self) {
        if self.directory.is_none() {
            return;
        }
        self.readers.clear();
        self.log.close().await.unwrap();
        self.log = open(self.directory.as_ref(), &self.now).await;
        let mut after = None;
        let mut left = Vec::new();
        loop {
            let page = self.log.unsettled(after, 3).await.unwrap();
            left.extend(page.heads.iter().map(|head| (head.stream, head.fence())));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(left, self.plain.unsettled());
    }

    async fn list(&self, most: usize) {
        let expected = self.plain.list();
        let mut listed = Vec::new();
        let mut before = None;
        loop {
            let page = self.log.list(before, most).await.unwrap();
            listed.extend(page.heads.iter().map(|head| (head.stream, head.fence(), head.outcome)));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(listed, expected);
    }

    /// Everything is as the model has it.
    async fn check(&mut self) {
        self.plain.now = self.plain.now.max(self.time());
        for name in self.names.clone() {
            self.read(name, 1, ReadBytes::new(usize::MAX)).await;
            match (self.log.head(name).await, self.plain.fence(name)) {
                (Ok(head), Some(fence)) => assert_eq!(head.fence(), fence),
                (Err(error), None) => assert!(error.is_gone() || error.is_not_found(), "{error}"),
                (head, fence) => panic!("{head:?} instead of {fence:?}"),
            }
        }
        self.list(100).await;
    }
}

fn same(answer: Result<perennial_log::Head, Error>, expected: Result<Fence, Refusal>) {
    match (answer, expected) {
        (Ok(head), Ok(fence)) => assert_eq!(head.fence(), fence),
        (Err(error), Err(refusal)) => refusal.check(&error),
        (answer, expected) => panic!("{answer:?} instead of {expected:?}"),
    }
}

async fn open(directory: Option<&TempDir>, now: &Arc<AtomicU64>) -> Arc<dyn Log> {
    let now = Arc::clone(now);
    let clock = Clock::new(move || Time::from_micros(now.load(Ordering::SeqCst)));
    let retention = Retention::new(KEPT);
    match directory {
        None => Arc::new(MemoryLog::new(MemoryOptions {
            clock,
            retention,
            ring: RING,
            ..MemoryOptions::default()
        })),
        Some(directory) => {
            let options =
                DiskOptions::new().clock(clock).retention(retention).ring(RING).reserve(ReserveBytes::new(0));
            Arc::new(DiskLog::open(directory.path(), options).await.unwrap())
        }
    }
}

fn check(cases: u32, durable: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config {
        failure_persistence: None,
        cases: cases.max(Config::default().cases / 256 * cases),
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let ran = runner.run(&operations(), |operations| {
        runtime.block_on(async {
            let mut run = Run::new(durable.then(|| tempfile::tempdir().unwrap())).await;
            for operation in operations {
                run.does(operation).await;
            }
            run.check().await;
            run.reopen().await;
            run.check().await;
        });
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn memory_is_as_the_model() {
    check(300, false);
}

#[test]
fn disk_is_as_the_model() {
    check(24, true);
}
