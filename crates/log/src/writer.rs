//! A writer: the one who appends to a stream, until it ends or somebody else takes over.

use std::{fmt, sync::Arc};

use crate::{Entry, Epoch, Error, Fence, Head, Kind, Log, Position, StreamId, Time};

/// How often an append is sent again when no answer came.
const ATTEMPTS: usize = 3;

/// The one who appends to a stream. Keeps the fence, and finds out what became of an append that was not answered.
///
/// An [`append`](Self::append) that is dropped half-way may have been done or not; such a writer does nothing any more, and
/// [taking over](Self::takeover) from its own epoch is the way on.
pub struct Writer {
    log: Arc<dyn Log>,
    stream: StreamId,
    fence: Fence,
    unsure: bool,
}

impl Writer {
    /// Makes a stream and its first writer.
    ///
    /// # Errors
    ///
    /// Those of [`Log::create`].
    pub async fn create(
        log: &Arc<dyn Log>,
        stream: StreamId,
        expires: Option<Time>,
        entries: &[Entry],
    ) -> Result<Self, Error> {
        let head = log.create(stream, expires, entries).await?;
        Ok(Self { log: Arc::clone(log), stream, fence: head.fence(), unsure: false })
    }

    /// Takes a stream over from the writer of epoch `from`; `details` go into the takeover record.
    ///
    /// # Errors
    ///
    /// Those of [`Log::takeover`].
    pub async fn takeover(
        log: &Arc<dyn Log>,
        stream: StreamId,
        from: Epoch,
        details: &[u8],
    ) -> Result<Self, Error> {
        let entry = Entry::new(Kind::Takeover, details.to_vec());
        let head = log.takeover(stream, from, &entry).await?;
        Ok(Self { log: Arc::clone(log), stream, fence: head.fence(), unsure: false })
    }

    /// The stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// What the writer believes: its epoch, and the number of its next record.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// Appends `entries`, all or none, and says where the last of them is.
    ///
    /// # Errors
    ///
    /// Those of [`Log::append`]. After [`Error::is_unknown`] this writer does nothing any more.
    pub async fn append(&mut self, entries: &[Entry]) -> Result<Position, Error> {
        if std::mem::replace(&mut self.unsure, true) {
            return Err(Error::unknown(self.stream));
        }
        let answer = self.settle(entries).await;
        self.unsure = matches!(&answer, Err(error) if error.is_unknown());
        let head = answer?;
        self.fence = head.fence();
        Ok(head.position())
    }

    /// Appends; where no answer came, asks by sending the same again: the fence lets it through once.
    async fn settle(&self, entries: &[Entry]) -> Result<Head, Error> {
        let done = Fence { epoch: self.fence.epoch, next: self.fence.next.plus(entries.len()) };
        let mut asked = 0;
        loop {
            asked += 1;
            match self.log.append(self.stream, self.fence, entries).await {
                Err(error) if error.is_unknown() && asked < ATTEMPTS => {}
                // Nobody else writes in this epoch, so this was our own, done at an earlier asking.
                Err(error) if asked > 1 && error.fence() == Some(done) => {
                    return self.log.head(self.stream).await;
                }
                Err(error) if asked > 1 && error.is_closed() => return self.ended(done, error).await,
                answer => return answer,
            }
        }
    }

    /// The stream ended while we asked: by our own terminal record, or by somebody else's.
    async fn ended(&self, done: Fence, error: Error) -> Result<Head, Error> {
        let head = self.log.head(self.stream).await?;
        if head.fence() == done { Ok(head) } else { Err(error) }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("stream", &self.stream)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}
