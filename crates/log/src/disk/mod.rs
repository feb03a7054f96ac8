//! The log on disk: one process, one directory, fjall inside.
//!
//! Appends go to the one [writer thread](committer); reads go to the threads that tokio has for blocking work, a few at a time.
//! No call into fjall is ever made on a thread of the runtime.

mod committer;
mod directory;
mod journal;
mod keeper;
mod layout;
mod live;
mod open_error;
mod options;
mod store;

use std::{
    fmt,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::Duration,
};

use parking_lot::RwLock;
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::{
    committer::{Command, Committer, What, closed},
    directory::Directory,
    keeper::Keeper,
    live::Live,
    store::Store,
};
pub use self::{open_error::OpenError, options::DiskOptions};
use crate::{
    Answer, Durability, Entry, Epoch, Error, Fence, Head, Log, Page, ReadBytes, Run, Seq, StreamId, Tail,
    Time, frame, head::Batch,
};

/// So many commands may wait for the writer thread; further ones wait to be taken on.
const PENDING_COMMANDS: usize = 4096;
/// So many reads are done at once.
const READS_AT_ONCE: u32 = 16;
/// An append that was not answered after so long is [unknown](Error::is_unknown): the disk hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// What one unit of [`PendingBytes`](crate::PendingBytes) stands for, since a semaphore counts to 2^29 only on small machines.
const PENDING_UNIT: usize = 256;

/// A log in a directory, for one process at a time.
///
/// It must be opened on a tokio runtime that runs timers. Call [`close`](Log::close) to be sure that everything is synced and the
/// directory free; a log that is dropped does the same a little later.
pub struct DiskLog {
    options: DiskOptions,
    store: RwLock<Option<Arc<Store>>>,
    live: Arc<Live>,
    commands: mpsc::Sender<Command>,
    pending: Arc<Semaphore>,
    pending_units: u32,
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
        let (retention, reserve) = (options.retention, options.reserve);
        let opening = tokio::task::spawn_blocking(move || {
            let directory = Directory::open(&path, retention, reserve, Store::make)?;
            journal::check(directory.path(), &directory.store())?;
            Store::open(directory, retention)
        });
        let store = match opening.await {
            Ok(store) => Arc::new(store?),
            // fjall gives up on some kinds of damage by panicking.
            Err(gave_up) => {
                return Err(
                    OpenError::damaged(directory.as_ref(), "the store could not be read").because(gave_up)
                );
            }
        };
        Self::start(store, options)
            .map_err(|error| OpenError::io(directory.as_ref(), "no thread could be started", error))
    }

    fn start(store: Arc<Store>, options: DiskOptions) -> std::io::Result<Self> {
        let live = Arc::new(Live::new(options.ring));
        let dirty = Arc::new(AtomicBool::new(false));
        let (commands, inbox) = mpsc::channel(PENDING_COMMANDS);
        let committer = Committer::new(
            Arc::clone(&store),
            Arc::clone(&live),
            Arc::clone(&dirty),
            options.always_sync,
            options.retention,
            options.reserve,
            options.clock.now(),
        );
        thread::Builder::new().name("perennial-log".to_owned()).spawn(move || committer.run(inbox))?;
        let keeper = Keeper::start(&store, &live, &commands, dirty, options.clock.clone());
        let units = options.pending.get().div_ceil(PENDING_UNIT);
        let pending_units = u32::try_from(units.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Ok(Self {
            options,
            store: RwLock::new(Some(store)),
            live,
            commands,
            pending: Arc::new(Semaphore::new(pending_units as usize)),
            pending_units,
            reads: Arc::new(Semaphore::new(READS_AT_ONCE as usize)),
            keeper,
        })
    }

    /// Hands a command to the writer thread and waits for what becomes of it.
    async fn command(&self, stream: StreamId, what: What, bytes: usize) -> Result<Head, Error> {
        let answer = async {
            // One that is larger than everything that may wait takes it all.
            let units =
                u32::try_from(bytes.div_ceil(PENDING_UNIT)).unwrap_or(u32::MAX).min(self.pending_units);
            let permit = Arc::clone(&self.pending).acquire_many_owned(units).await.map_err(|_| closed())?;
            let (reply, answer) = oneshot::channel();
            let now = self.options.clock.now();
            let command = Command { what, now, reply: Some(reply), permit: Some(permit) };
            self.commands.send(command).await.map_err(|_| self.why_closed())?;
            answer.await.map_err(|_| self.why_closed())?
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(Error::unknown(stream)))
    }

    fn why_closed(&self) -> Error {
        self.live.failure().unwrap_or_else(closed)
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
            return Ok(head);
        }
        self.expire_for_good(head.stream).await?;
        Err(Error::gone(head.stream))
    }

    async fn expire_for_good(&self, stream: StreamId) -> Result<(), Error> {
        // The answer is no head in any case; what counts is that it came.
        match self.command(stream, What::Tick { expire: true }, 0).await {
            Err(error) if error.is_unknown() || self.live.failure().is_some() => Err(error),
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

    async fn load(&self, stream: StreamId) -> Result<Head, Error> {
        let head = match self.live.head(stream) {
            Some(head) => head,
            None => self.ask(move |store| store.head(stream)).await?,
        };
        self.expire(head).await
    }

    async fn open_tail(&self, stream: StreamId) -> Result<Arc<Tail>, Error> {
        // The tail first: whatever is published while the head is read, it hears of.
        let tail = self.live.tail(stream);
        match tail.head() {
            Some(head) => drop(self.expire(head).await?),
            None => {
                let head = self.ask(move |store| store.head(stream)).await?;
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
        let purged = self
            .ask(move |store| store.purge(stream).map_err(|error| store::read_error(stream, error)))
            .await;
        if let Err(error) = purged {
            // Nobody can read them; they go with their bucket.
            tracing::warn!(%stream, %error, "the records of a deleted stream were not removed yet");
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
        let command =
            Command { what: What::Close { done }, now: self.options.clock.now(), reply: None, permit: None };
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
            let bytes = value.len();
            self.command(stream, What::Append { stream, fence, batch, value, run }, bytes).await
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
        Box::pin(async move {
            self.load(stream).await?;
            self.ask(move |store| store.read(stream, from, most)).await
        })
    }

    fn tail(&self, stream: StreamId) -> Answer<'_, Arc<Tail>> {
        Box::pin(self.open_tail(stream))
    }

    fn list(&self, before: Option<StreamId>, most: usize) -> Answer<'_, Page> {
        Box::pin(self.page(move |store| store.list(before, most)))
    }

    fn unsettled(&self, after: Option<StreamId>, most: usize) -> Answer<'_, Page> {
        let live = Arc::clone(&self.live);
        Box::pin(self.page(move |store| store.unsettled(after, most, |stream| live.is_owned(stream))))
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
            .field("failure", &self.live.failure())
            .finish_non_exhaustive()
    }
}
