//! The contract of a store: what every log of streams does, wherever it keeps them.

use std::{fmt, pin::Pin, sync::Arc};

use crate::{Durability, Entry, Epoch, Error, Fence, Head, ReadBytes, Run, Seq, StreamId, Tail, Time};

/// What a log answers with, when it can.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A store of stream logs. [`Writer`](crate::Writer) and [`Reader`](crate::Reader) are the comfortable ways to it.
///
/// What every store keeps, whatever it is made of (the tests in `tests/contract/` hold each store to it):
///
/// - An append is done as a whole iff the writer's [`Fence`] is true at that moment; otherwise nothing is written.
/// - Nothing is visible to a reader before it is durable in the [configured sense](Durability).
/// - After a crash a stream is exactly the acknowledged records, plus at most whole appends that were not acknowledged.
/// - A stream has one terminal record, its last; after it nothing is ever added.
/// - Expiry is absolute; nothing that was expired or deleted comes back.
///
/// An operation whose future is dropped may have been done or not.
pub trait Log: fmt::Debug + Send + Sync + 'static {
    /// What it survives.
    fn durability(&self) -> Durability;

    /// Makes a stream that begins with `entries`, owned by this process, in epoch 1. It is forgotten at `expires`, at the latest
    /// after the store's retention.
    ///
    /// Errors: the name is [taken](Error::is_existing) or [gone](Error::is_gone); it is not a fresh one, or the entries break a
    /// rule ([refused](Error::is_refused)); the store is [full](Error::is_full) or [unavailable](Error::is_unavailable).
    fn create<'a>(
        &'a self,
        stream: StreamId,
        expires: Option<Time>,
        entries: &'a [Entry],
    ) -> Answer<'a, Head>;

    /// Adds `entries`, all or none, iff `fence` is true.
    ///
    /// Errors: [fenced](Error::is_fenced); [closed](Error::is_closed); [not found](Error::is_not_found) or [gone](Error::is_gone);
    /// [refused](Error::is_refused); [full](Error::is_full), which never hits a batch that ends the stream before the reserve is
    /// used up; [unavailable](Error::is_unavailable); [unknown](Error::is_unknown).
    fn append<'a>(&'a self, stream: StreamId, fence: Fence, entries: &'a [Entry]) -> Answer<'a, Head>;

    /// Makes this process the stream's writer, in the epoch after `from`, iff `from` is the present one; the first record of the
    /// new epoch is a takeover record with the payload of `entry`. From then on every append of the epoch before is fenced. Synced
    /// to disk before it is answered, whatever the durability, so that an epoch is never given out twice.
    fn takeover<'a>(&'a self, stream: StreamId, from: Epoch, entry: &'a Entry) -> Answer<'a, Head>;

    /// What is known of a stream.
    fn head(&self, stream: StreamId) -> Answer<'_, Head>;

    /// Records from `from` on, in order, as far as they are there and `most` allows; empty at the end. Does not wait.
    fn read(&self, stream: StreamId, from: Seq, most: ReadBytes) -> Answer<'_, Vec<Run>>;

    /// The end of a stream as it grows, shared by all its readers here. Kept up to date as long as somebody holds it.
    fn tail(&self, stream: StreamId) -> Answer<'_, Arc<Tail>>;

    /// Streams, the newest first: the first `most` of those made before `before`.
    fn list(&self, before: Option<StreamId>, most: usize) -> Answer<'_, Page>;

    /// Streams without a terminal record that no living process writes, the oldest first: the first `most` after `after`. Where
    /// one process has the store for itself, these are the ones that a process before it left.
    fn unsettled(&self, after: Option<StreamId>, most: usize) -> Answer<'_, Page>;

    /// Deletes a stream, ended or not, for good; nothing of it is readable afterwards. Deleting it again is no error while its
    /// name is remembered.
    fn delete(&self, stream: StreamId) -> Answer<'_, ()>;

    /// Makes everything durable and gives the store free. Appends fail from then on, readers are told.
    fn close(&self) -> Answer<'_, ()>;
}

/// A part of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The streams.
    pub heads: Vec<Head>,
    /// Where to go on; `None` if this was the last part.
    pub next: Option<StreamId>,
}
