//! The log on disk: one process, one directory, fjall inside.
//!
//! An append is judged and written at the [front], on the thread of whoever appends: one write into a [journal] of our own. A
//! [thread](mover) moves what was written into the store; what must be looked up or synced first goes through [another](committer).
//! Reads see what is at the front and what is in the store as one; those of the store go to the threads that tokio has for blocking
//! work, a few at a time. No call into fjall is ever made on a thread of the runtime.

mod committer;
mod directory;
mod engine;
mod front;
mod journal;
mod keeper;
mod keyspaces;
mod layout;
mod live;
mod mover;
mod open_error;
mod options;
mod overlay;
mod store;

use std::{collections::HashSet, fmt, path::Path, sync::Arc, thread, time::Duration};

use parking_lot::RwLock;
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::{
    committer::{Command, Committer, What, closed},
    directory::Directory,
    front::{Append, Front, Ticket},
    journal::{Journal, folder::Folder, recovery::Found},
    keeper::Keeper,
    live::Live,
    mover::Mover,
    overlay::Known,
    store::Store,
};
pub use self::{open_error::OpenError, options::DiskOptions};
use crate::{
    Answer, Durability, Entry, Epoch, Error, Fence, Head, Log, Page, ReadBytes, Run, Seq, StreamId, Tail,
    Time, frame, head::Batch,
};

/// So many commands may wait for the committer; further ones wait to be taken on.
const PENDING_COMMANDS: usize = 4096;
/// So many reads are done at once.
const READS_AT_ONCE: u32 = 16;
/// An append that was not answered after so long is [unknown](Error::is_unknown): the disk hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A log in a directory, for one process at a time.
///
/// It must be opened on a tokio runtime that runs timers. Call [`close`](Log::close) to be sure that everything is synced and the
/// directory free; a log that is dropped does the same a little later.
pub struct DiskLog {
    options: DiskOptions,
    store: RwLock<Option<Arc<Store>>>,
    live: Arc<Live>,
    front: Arc<Front>,
    commands: mpsc::Sender<Command>,
    reads: Arc<Semaphore>,
    keeper: Keeper,
}

impl DiskLog {
    /// Opens the log in `directory`, and makes one if there is none.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the directory is in use, damaged, of another version, full, something else, or not accessible. No record is
    /// changed then.
    pub async fn open(directory: impl AsRef<Path>, options: DiskOptions) -> Result<Self, OpenError> {
        let path = directory.as_ref().to_owned();
        let (retention, reserve, neighbours) = (options.retention, options.reserve, options.neighbours);
        let opening = tokio::task::spawn_blocking(move || {
            let directory = Directory::open(&path, retention, reserve, neighbours, Store::make)?;
            let found = Found::look(directory.path(), &directory.journal())?;
            engine::check(directory.path(), &directory.store(), found.first())?;
            let store = Store::open(directory, retention)?;
            let journal = found.recover(&store)?;
            Ok((store, journal))
        });
        let (store, journal) = match opening.await {
            Ok(opened) => opened?,
            // fjall gives up on some kinds of damage by panicking.
            Err(gave_up) => {
                return Err(
                    OpenError::damaged(directory.as_ref(), "the store could not be read").because(gave_up)
                );
            }
        };
        Self::start(Arc::new(store), journal, options)
            .map_err(|error| OpenError::io(directory.as_ref(), "no thread could be started", error))
    }

    fn start(store: Arc<Store>, journal: (Folder, Journal), options: DiskOptions) -> std::io::Result<Self> {
        let live = Arc::new(Live::new(options.ring));
        let (commands, inbox) = mpsc::channel(PENDING_COMMANDS);
        let now = options.clock.now().max(store.floor());
        let front = Front::new(journal, Arc::clone(&live), options.pending, options.always_sync, now);
        let front = Arc::new(front);
        let mover = Mover { front: Arc::clone(&front), store: Arc::clone(&store), reserve: options.reserve };
        let mover = thread::Builder::new().name("perennial-mover".to_owned()).spawn(move || mover.run())?;
        let committer = Committer {
            store: Arc::clone(&store),
            front: Arc::clone(&front),
            mover,
            always: options.always_sync,
            retention: options.retention,
            reserve: options.reserve,
        };
        thread::Builder::new().name("perennial-log".to_owned()).spawn(move || committer.run(inbox))?;
        let keeper = Keeper::start(&store, &front, &commands, options.clock.clone());
        Ok(Self {
            options,
            store: RwLock::new(Some(store)),
            live,
            front,
            commands,
            reads: Arc::new(Semaphore::new(READS_AT_ONCE as usize)),
            keeper,
        })
    }

    /// Hands a command to the committer and waits for what becomes of it.
    async fn command(&self, stream: StreamId, what: What, bytes: usize) -> Result<Head, Error> {
        let ticket = self.front.ticket(stream);
        self.queue(ticket, stream, what, bytes).await
    }

    async fn queue(&self, ticket: Ticket, stream: StreamId, what: What, bytes: usize) -> Result<Head, Error> {
        let answer = async {
            let permit = self.front.acquire(bytes).await?;
            let (reply, answer) = oneshot::channel();
            let now = self.options.clock.now();
            let command =
                Command { what, now, reply: Some(reply), permit: Some(permit), ticket: Some(ticket) };
            self.commands.send(command).await.map_err(|_| self.why_closed())?;
            answer.await.map_err(|_| self.why_closed())?
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(Error::unknown(stream)))
    }

    fn why_closed(&self) -> Error {
        self.front.failure().unwrap_or_else(closed)
    }

    /// Reads from the store, off the runtime.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.reads).acquire_owned().await.map_err(|_| closed())?;
        let store = self.store.read().clone().ok_or_else(closed)?;
        let asking = tokio::task::spawn_blocking(move || {
            let answer = question(&store);
            // The store before the permit: who has all permits knows that nobody has the store.
            drop(store);
            drop(permit);
            answer
        });
        asking
            .await
            .unwrap_or_else(|gave_up| Err(Error::unavailable("the store cannot be read").because(gave_up)))
    }

    /// A stream may expire before the sweep comes by: then it has expired for good before it is said.
    async fn expire(&self, head: Head) -> Result<Head, Error> {
        if head.expires > self.options.clock.now() {
            // What was once said to have expired has expired, whatever the clock says now.
            let floor = self.store.read().as_ref().map(|store| store.floor());
            return if Some(head.expires) <= floor { Err(Error::gone(head.stream)) } else { Ok(head) };
        }
        self.expire_for_good(head.stream).await?;
        Err(Error::gone(head.stream))
    }

    async fn expire_for_good(&self, stream: StreamId) -> Result<(), Error> {
        // The answer is no head in any case; what counts is that it came.
        match self.command(stream, What::Tick { expire: true }, 0).await {
            Err(error) if error.is_unknown() || self.front.failure().is_some() => Err(error),
            _ => Ok(()),
        }
    }

    /// A listing in which nothing has expired.
    async fn page(
        &self,
        question: impl Fn(&Store) -> Result<Page, Error> + Clone + Send + 'static,
    ) -> Result<Page, Error> {
        let page = self.ask(question.clone()).await?;
        let now = self.options.clock.now();
        let Some(expired) = page.heads.iter().find(|head| head.expires <= now) else { return Ok(page) };
        self.expire_for_good(expired.stream).await?;
        self.ask(question).await
    }

    /// The newest head of a stream, wherever it is known.
    async fn find(&self, stream: StreamId) -> Result<Head, Error> {
        if let Some(head) = self.live.head(stream) {
            return Ok(head);
        }
        match self.front.known(stream) {
            Some(Known::Head(head)) => Ok(head),
            Some(Known::Gone) => Err(Error::gone(stream)),
            None => self.ask(move |store| store.head(stream)).await,
        }
    }

    async fn load(&self, stream: StreamId) -> Result<Head, Error> {
        self.expire(self.find(stream).await?).await
    }

    async fn do_read(&self, stream: StreamId, from: Seq, most: ReadBytes) -> Result<Vec<Run>, Error> {
        self.load(stream).await?;
        // The front first: what it does not have any more is in the store when that is asked.
        let recent = self.front.runs(stream, from, most);
        if recent.first.is_some_and(|first| first <= from) {
            return Ok(recent.runs);
        }
        let mut runs = self.ask(move |store| store.read(stream, from, most)).await?;
        let bytes: usize = runs.iter().map(Run::payload_bytes).sum();
        let mut next = runs.last().and_then(|run| run.last()).map_or(from, |last| last.seq.plus(1));
        if bytes < most.get() {
            for run in recent.runs {
                let Some(run) = run.since(next) else { continue };
                // A hole is told to whoever asks for what is missing.
                let Some(last) = run.first().filter(|first| first.seq == next).and(run.last()) else { break };
                next = last.seq.plus(1);
                runs.push(run);
            }
        }
        Ok(runs)
    }

    async fn open_tail(&self, stream: StreamId) -> Result<Arc<Tail>, Error> {
        // The tail first: whatever is published while the head is read, it hears of.
        let tail = self.live.tail(stream);
        match tail.head() {
            Some(head) => drop(self.expire(head).await?),
            None => {
                let head = self.find(stream).await?;
                tail.learn(self.expire(head).await?);
            }
        }
        Ok(tail)
    }

    async fn do_delete(&self, stream: StreamId) -> Result<(), Error> {
        match self.command(stream, What::Delete { stream }, 0).await {
            Ok(_) => {}
            Err(error) if error.is_gone() => return Ok(()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn do_close(&self) -> Result<(), Error> {
        self.keeper.stop().await;
        let Some(store) = self.store.write().take() else { return Ok(()) };
        drop(store);
        // All reads that are under way have ended when all permits are here.
        drop(self.reads.acquire_many(READS_AT_ONCE).await);
        let (done, answer) = oneshot::channel();
        let command = Command {
            what: What::Close { done },
            now: self.options.clock.now(),
            reply: None,
            permit: None,
            ticket: None,
        };
        let closing = async {
            self.commands.send(command).await.map_err(|_| self.why_closed())?;
            answer.await.map_err(|_| self.why_closed())?
        };
        let hangs = |_| Err(Error::unavailable("the disk does not answer, so the directory is not free yet"));
        tokio::time::timeout(PATIENCE, closing).await.unwrap_or_else(hangs)
    }
}

impl Log for DiskLog {
    fn durability(&self) -> Durability {
        if self.options.always_sync { Durability::Always } else { Durability::Process }
    }

    fn create<'a>(
        &'a self,
        stream: StreamId,
        expires: Option<Time>,
        entries: &'a [Entry],
    ) -> Answer<'a, Head> {
        Box::pin(async move {
            let batch = Batch::check(stream, entries)?;
            let (value, run) = frame::encode(stream, Fence::NEW, entries)?;
            let bytes = value.len();
            self.command(stream, What::Create { stream, expires, batch, value, run }, bytes).await
        })
    }

    fn append<'a>(&'a self, stream: StreamId, fence: Fence, entries: &'a [Entry]) -> Answer<'a, Head> {
        Box::pin(async move {
            let batch = Batch::check(stream, entries)?;
            let (value, run) = frame::encode(stream, fence, entries)?;
            let now = self.options.clock.now();
            match self.front.append(now, stream, fence, batch, value, run) {
                Append::Answered(answer) => answer,
                Append::NotHere(value, run, ticket) => {
                    let bytes = value.len();
                    let what = What::Append { stream, fence, batch, value, run };
                    // In a box of its own, so that the others need none of its size.
                    Box::pin(self.queue(ticket, stream, what, bytes)).await
                }
            }
        })
    }

    fn takeover<'a>(&'a self, stream: StreamId, from: Epoch, entry: &'a Entry) -> Answer<'a, Head> {
        let entry = entry.clone();
        let bytes = entry.payload.len();
        Box::pin(self.command(stream, What::Takeover { stream, from, entry }, bytes))
    }

    fn head(&self, stream: StreamId) -> Answer<'_, Head> {
        Box::pin(self.load(stream))
    }

    fn read(&self, stream: StreamId, from: Seq, most: ReadBytes) -> Answer<'_, Vec<Run>> {
        Box::pin(self.do_read(stream, from, most))
    }

    fn tail(&self, stream: StreamId) -> Answer<'_, Arc<Tail>> {
        Box::pin(self.open_tail(stream))
    }

    fn list(&self, before: Option<StreamId>, most: usize) -> Answer<'_, Page> {
        let front = Arc::clone(&self.front);
        Box::pin(self.page(move |store| {
            // The front first, as for reading.
            let recent = front.streams();
            store.list(before, most, recent)
        }))
    }

    fn unsettled(&self, after: Option<StreamId>, most: usize) -> Answer<'_, Page> {
        let (live, front) = (Arc::clone(&self.live), Arc::clone(&self.front));
        Box::pin(self.page(move |store| {
            // What is at the front was written here, or has ended.
            let recent: HashSet<StreamId> = front.streams().into_iter().map(|(stream, _)| stream).collect();
            store.unsettled(after, most, |stream| recent.contains(&stream) || live.is_owned(stream))
        }))
    }

    fn delete(&self, stream: StreamId) -> Answer<'_, ()> {
        Box::pin(self.do_delete(stream))
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(self.do_close())
    }
}

impl fmt::Debug for DiskLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskLog")
            .field("durability", &self.durability())
            .field("live", &self.live.len())
            .field("failure", &self.front.failure())
            .finish_non_exhaustive()
    }
}
