//! A writer whose answers get lost finds out what was done: nothing is written twice, and nothing is taken for written that is not.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use parking_lot::Mutex;
use perennial_log::{
    After, Answer, Durability, Entry, Epoch, Error, Fence, Head, Log, MemoryLog, MemoryOptions, Outcome,
    Page, ReadBytes, Reader, Run, Seq, StreamId, Tail, Time, Writer,
};

/// What happens to an append on its way.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    /// It never got there.
    Lost,
    /// It was done, and the answer never came.
    Unanswered,
    /// Before it got there, somebody else took over.
    Overtaken,
}

/// A log at the end of a bad line.
#[derive(Debug)]
struct BadLine {
    log: MemoryLog,
    fates: Mutex<VecDeque<Fate>>,
    appends: AtomicU32,
}

impl Log for BadLine {
    fn durability(&self) -> Durability {
        self.log.durability()
    }

    fn create<'a>(
        &'a self,
        stream: StreamId,
        expires: Option<Time>,
        entries: &'a [Entry],
    ) -> Answer<'a, Head> {
        self.log.create(stream, expires, entries)
    }

    fn append<'a>(&'a self, stream: StreamId, fence: Fence, entries: &'a [Entry]) -> Answer<'a, Head> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        let fate = self.fates.lock().pop_front().unwrap_or(Fate::Answered);
        Box::pin(async move {
            match fate {
                Fate::Answered => self.log.append(stream, fence, entries).await,
                Fate::Lost => Err(Error::unknown(stream)),
                Fate::Unanswered => {
                    let _ = self.log.append(stream, fence, entries).await;
                    Err(Error::unknown(stream))
                }
                Fate::Overtaken => {
                    self.log.takeover(stream, fence.epoch, &Entry::event("")).await.unwrap();
                    self.log.append(stream, fence, entries).await
                }
            }
        })
    }

    fn takeover<'a>(&'a self, stream: StreamId, from: Epoch, entry: &'a Entry) -> Answer<'a, Head> {
        self.log.takeover(stream, from, entry)
    }

    fn head(&self, stream: StreamId) -> Answer<'_, Head> {
        self.log.head(stream)
    }

    fn read(&self, stream: StreamId, from: Seq, most: ReadBytes) -> Answer<'_, Vec<Run>> {
        self.log.read(stream, from, most)
    }

    fn tail(&self, stream: StreamId) -> Answer<'_, Arc<Tail>> {
        self.log.tail(stream)
    }

    fn list(&self, before: Option<StreamId>, most: usize) -> Answer<'_, Page> {
        self.log.list(before, most)
    }

    fn unsettled(&self, after: Option<StreamId>, most: usize) -> Answer<'_, Page> {
        self.log.unsettled(after, most)
    }

    fn delete(&self, stream: StreamId) -> Answer<'_, ()> {
        self.log.delete(stream)
    }

    fn close(&self) -> Answer<'_, ()> {
        self.log.close()
    }
}

/// What the writer says of one append of two records, and how many records the stream has afterwards.
async fn check(fates: &[Fate], ending: bool, appends: u32) -> (Result<String, Error>, usize) {
    let line = Arc::new(BadLine {
        log: MemoryLog::new(MemoryOptions::default()),
        fates: Mutex::new(fates.iter().copied().collect()),
        appends: AtomicU32::new(0),
    });
    let log: Arc<dyn Log> = line.clone();
    let stream = StreamId::new();
    let mut writer = Writer::create(&log, stream, None, &[Entry::event("first")]).await.unwrap();
    let last = if ending { Entry::terminal(Outcome::Completed, "") } else { Entry::event("b") };
    let answer = writer.append(&[Entry::event("a"), last]).await;
    assert_eq!(line.appends.load(Ordering::SeqCst), appends, "{fates:?}");
    if answer.is_ok() && !ending {
        // The writer knows where it is.
        writer.append(&[Entry::event("c")]).await.unwrap();
    } else {
        assert!(writer.append(&[Entry::event("c")]).await.is_err());
    }
    let all = Reader::attach(&log, stream, After::Start).await.unwrap().try_next().map_or(0, |run| run.len());
    let head = log.head(stream).await.unwrap();
    assert!(all <= usize::try_from(head.last.get()).unwrap());
    (answer.map(|position| position.to_string()), usize::try_from(head.last.get()).unwrap())
}

#[tokio::test]
async fn lost_answers_are_asked_for_again() {
    use Fate::{Answered, Lost, Overtaken, Unanswered};

    for fates in
        [&[Answered][..], &[Lost], &[Unanswered], &[Lost, Lost], &[Lost, Unanswered], &[Unanswered, Lost]]
    {
        let asked = u32::try_from(fates.iter().filter(|fate| !matches!(fate, Answered)).count()).unwrap() + 1;
        let (answer, records) = check(fates, false, asked).await;
        assert_eq!((answer.unwrap().as_str(), records), ("3.1", 4), "{fates:?}");
        let (answer, records) = check(fates, true, asked).await;
        assert_eq!((answer.unwrap().as_str(), records), ("3.1", 3), "{fates:?}");
    }

    // Somebody else has the stream: whatever was lost before, the writer stops.
    for (fates, records) in [(&[Overtaken][..], 2), (&[Lost, Overtaken], 2)] {
        let (answer, found) = check(fates, false, u32::try_from(fates.len()).unwrap()).await;
        assert!(answer.unwrap_err().is_fenced(), "{fates:?}");
        assert_eq!(found, records, "{fates:?}");
    }

    // No answer at all: it says so, and does nothing more.
    for (fates, records) in [([Lost; 3], 1), ([Unanswered; 3], 3)] {
        let (answer, found) = check(&fates, false, 3).await;
        assert!(answer.unwrap_err().is_unknown());
        assert_eq!(found, records);
    }
}
