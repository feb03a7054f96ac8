//! A reader: a cursor over one stream, from the store or from the ring, whichever has what comes next.

use std::{collections::VecDeque, fmt, sync::Arc};

use tokio::sync::watch;

use crate::{After, Error, Head, Log, ReadBytes, Run, Seq, StreamId, Tail, tail::State};

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
    state: watch::Receiver<State>,
    next: Seq,
    ready: VecDeque<Run>,
    most: ReadBytes,
}

impl Reader {
    /// A reader of what follows `after`.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`], [`Error::is_gone`]; [`Error::is_diverged`] where the log does not have the record at `after` with
    /// that epoch.
    pub async fn attach(log: &Arc<dyn Log>, stream: StreamId, after: After) -> Result<Self, Error> {
        let tail = log.tail(stream).await?;
        let state = tail.watch();
        let head = {
            let state = state.borrow();
            if let Some(gone) = state.broken.as_ref().filter(|error| error.is_gone()) {
                return Err(gone.clone());
            }
            state.head.clone()
        };
        let next = head.ok_or_else(|| Error::not_found(stream))?.resume(after)?;
        Ok(Self {
            log: Arc::clone(log),
            tail,
            state,
            next,
            ready: VecDeque::new(),
            most: ReadBytes::default(),
        })
    }

    /// The same reader, fetching at most so much in one go.
    #[must_use]
    pub fn fetching(mut self, most: ReadBytes) -> Self {
        self.most = most;
        self
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
        self.state.borrow().head.clone()
    }

    /// The next records, as soon as there are some; `None` after the terminal record.
    ///
    /// # Errors
    ///
    /// [`Error::is_gone`] if the stream is deleted or expires while it is read; [`Error::is_unavailable`] if the store fails, after
    /// everything that is durable was given; [`Error::is_damaged`].
    pub async fn next(&mut self) -> Result<Option<Run>, Error> {
        loop {
            if let Some(run) = self.try_next() {
                return Ok(Some(run));
            }
            let state = self.state.borrow_and_update().clone();
            if let Some(gone) = state.broken.as_ref().filter(|error| error.is_gone()) {
                return Err(gone.clone());
            }
            if state.head.as_ref().is_some_and(|head| head.last >= self.next) {
                self.fetch().await?;
                continue;
            }
            if state.head.is_some_and(|head| head.outcome.is_some()) {
                return Ok(None);
            }
            if let Some(broken) = state.broken {
                return Err(broken);
            }
            // Never an error: the sender is in the tail, which this reader holds.
            let _ = self.state.changed().await;
        }
    }

    /// What can be had without waiting: for putting into one write what is there already.
    pub fn try_next(&mut self) -> Option<Run> {
        if self.ready.is_empty() {
            if self.state.borrow().broken.as_ref().is_some_and(Error::is_gone) {
                return None;
            }
            let recent = self.tail.recent(self.next, self.most.get()).unwrap_or_default();
            self.take(recent);
        }
        self.ready.pop_front()
    }

    async fn fetch(&mut self) -> Result<(), Error> {
        let runs = self.log.read(self.stream(), self.next, self.most).await?;
        let first = runs.first().and_then(|run| run.first()).map(|record| record.seq);
        if first != Some(self.next) {
            return Err(Error::damaged(self.stream(), format!("record {} is missing", self.next)));
        }
        self.take(runs);
        Ok(())
    }

    fn take(&mut self, runs: Vec<Run>) {
        if let Some(last) = runs.last().and_then(|run| run.last()) {
            self.next = last.seq.plus(1);
        }
        self.ready.extend(runs);
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
