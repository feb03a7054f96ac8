//! A reader: a cursor over one stream, from the store or from the ring, whichever has what comes next.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use parking_lot::Mutex;

use crate::{After, Error, Head, Log, ReadBytes, Run, Seq, StreamId, Tail, tail::Found, waiters::Place};

/// A cursor over one stream that gives every record once, in order, and waits for more until the terminal record.
///
/// It costs a few hundred bytes and what it has fetched and not yet given: at most [`ReadBytes`] and one run. Dropping it is all
/// it takes to end it; a dropped `next()` loses nothing.
///
/// ```
/// # use std::sync::Arc;
/// # use perennial_log::{After, Entry, Error, Kind, Log, MemoryLog, MemoryOptions, Outcome, Reader, StreamId, Writer};
/// # async fn example() -> Result<(), Error> {
/// let log: Arc<dyn Log> = Arc::new(MemoryLog::new(MemoryOptions::default()));
/// let stream = StreamId::new();
/// let mut writer = Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "{}")]).await?;
/// writer.append(&[Entry::event("event: ping\ndata: {}\n\n"), Entry::terminal(Outcome::Completed, "")]).await?;
///
/// // It was cut after the first record and comes back.
/// let mut reader = Reader::attach(&log, stream, "1.1".parse().expect("a position")).await?;
/// while let Some(run) = reader.next().await? {
///     for record in &run {
///         println!("id: {}", record.position());
///     }
/// }
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
/// ```
pub struct Reader {
    log: Arc<dyn Log>,
    tail: Arc<Tail>,
    next: Seq,
    ready: VecDeque<Run>,
    most: ReadBytes,
    place: Place,
    // Never locked, since it is only used by who has the reader for himself: it makes the future `Sync`.
    fetch: Mutex<Option<Fetch>>,
}

/// The records that were there when somebody asked, and no later ones: it never waits for a writer. From [`Reader::so_far`].
///
/// ```
/// use std::sync::Arc;
/// use perennial_log::{After, Entry, Log, MemoryLog, MemoryOptions, Reader, StreamId, Writer};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let log: Arc<dyn Log> = Arc::new(MemoryLog::new(MemoryOptions::default()));
/// let stream = StreamId::new();
/// let mut writer = Writer::create(&log, stream, None, &[Entry::event("one")]).await?;
/// let mut so_far = Reader::attach(&log, stream, After::Start).await?.so_far();
/// writer.append(&[Entry::event("two")]).await?;
/// assert_eq!(so_far.next().await?.map(|run| run.len()), Some(1));
/// // The stream goes on; this does not.
/// assert!(so_far.next().await?.is_none());
/// # Ok::<(), perennial_log::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SoFar {
    reader: Reader,
    /// The last record that was there.
    last: u64,
}

impl SoFar {
    /// The next records; `None` after the last that was there.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::next`].
    pub async fn next(&mut self) -> Result<Option<Run>, Error> {
        if self.reader.position().get() > self.last {
            return Ok(None);
        }
        self.reader.next().await
    }
}

/// A read from the store that is under way.
type Fetch = Pin<Box<dyn Future<Output = Result<Vec<Run>, Error>> + Send>>;

impl Reader {
    /// A reader of what follows `after`.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`], [`Error::is_gone`]; [`Error::is_diverged`] where the log does not have the record at `after` with
    /// that epoch.
    pub async fn attach(log: &Arc<dyn Log>, stream: StreamId, after: After) -> Result<Self, Error> {
        let tail = log.tail(stream).await?;
        if let Some(gone) = tail.broken().filter(Error::is_gone) {
            return Err(gone);
        }
        let next = tail.head().ok_or_else(|| Error::not_found(stream))?.resume(after)?;
        Ok(Self {
            log: Arc::clone(log),
            tail,
            next,
            ready: VecDeque::new(),
            most: ReadBytes::default(),
            place: Place::default(),
            fetch: Mutex::default(),
        })
    }

    /// The same reader, fetching at most so much in one go.
    #[must_use]
    pub fn fetching(mut self, most: ReadBytes) -> Self {
        self.most = most;
        self
    }

    /// What is there now, from this reader's place on.
    #[must_use]
    pub fn so_far(self) -> SoFar {
        let last = self.head().map_or(0, |head| head.last.get());
        SoFar { reader: self, last }
    }

    /// The stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.tail.stream()
    }

    /// The number of the record that comes next.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.ready.front().and_then(|run| run.first()).map_or(self.next, |record| record.seq)
    }

    /// What is known of the stream now.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.tail.head()
    }

    /// The next records, as soon as there are some; `None` after the terminal record.
    ///
    /// # Errors
    ///
    /// [`Error::is_gone`] if the stream is deleted or expires while it is read; [`Error::is_unavailable`] if the store fails, after
    /// everything that is durable was given; [`Error::is_damaged`].
    pub async fn next(&mut self) -> Result<Option<Run>, Error> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// What [`next`](Self::next) waits for, for those who are polled themselves. While it is pending, the waker of the last call is
    /// woken; nothing is allocated for a run that is in memory.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Run>, Error>> {
        loop {
            if let Some(run) = self.ready.pop_front() {
                return Poll::Ready(Ok(Some(run)));
            }
            if let Some(fetch) = self.fetch.get_mut() {
                let runs = ready!(fetch.as_mut().poll(context));
                *self.fetch.get_mut() = None;
                self.fetched(runs?)?;
                continue;
            }
            let waiting = Some((&mut self.place, context.waker()));
            match self.tail.find(self.next, self.most.get(), &mut self.ready, waiting) {
                Found::Runs => self.advance(),
                Found::Behind => *self.fetch.get_mut() = Some(self.fetch()),
                Found::Ended => return Poll::Ready(Ok(None)),
                Found::Broken(why) => return Poll::Ready(Err(why)),
                Found::Nothing => return Poll::Pending,
            }
        }
    }

    /// What can be had without waiting: for putting into one write what is there already.
    pub fn try_next(&mut self) -> Option<Run> {
        if self.ready.is_empty()
            && self.fetch.get_mut().is_none()
            && let Found::Runs = self.tail.find(self.next, self.most.get(), &mut self.ready, None)
        {
            self.advance();
        }
        self.ready.pop_front()
    }

    fn fetch(&self) -> Fetch {
        let (log, stream, from, most) = (Arc::clone(&self.log), self.stream(), self.next, self.most);
        Box::pin(async move { log.read(stream, from, most).await })
    }

    fn fetched(&mut self, runs: Vec<Run>) -> Result<(), Error> {
        let first = runs.first().and_then(|run| run.first()).map(|record| record.seq);
        if first != Some(self.next) {
            return Err(Error::damaged(self.stream(), format!("record {} is missing", self.next)));
        }
        self.ready.extend(runs);
        self.advance();
        Ok(())
    }

    /// Goes on to what follows the runs that are ready.
    fn advance(&mut self) {
        if let Some(last) = self.ready.back().and_then(|run| run.last()) {
            self.next = last.seq.plus(1);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.tail.leave(self.place);
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("stream", &self.stream())
            .field("next", &self.position())
            .finish_non_exhaustive()
    }
}
