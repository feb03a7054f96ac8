//! The store on fjall: buckets of streams, and what is asked of them. Everything here blocks.
//!
//! Streams that were made in the same span of time share a bucket, a keyspace of its own, which is dropped as a whole when all in
//! it have expired: retention costs nothing for each record. Reading is always done in a snapshot, since only that sees a commit
//! as a whole or not at all.

mod rest;

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    ops::Bound,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode, Readable, Snapshot};
use parking_lot::{Mutex, RwLock};

use self::rest::Rest;
use super::{
    OpenError,
    directory::{Directory, sync_directory},
    journal::layout::SEGMENT_BYTES,
    keyspaces,
    layout::{self, Stored},
    overlay::{Change, Generation, Known},
};
use crate::{
    Error, Head, Page, ReadBytes, ReserveBytes, Retention, Run, Seq, StreamId, Time, expiry::FRESH, frame,
};

/// So many keys are removed in one commit when a stream is deleted.
const PURGED_AT_ONCE: usize = 1024;
/// Runs are joined into values of so many bytes at most.
const VALUE_BYTES: usize = 256 * 1024;

pub(super) struct Store {
    db: Database,
    /// The floor, and until when buckets are kept.
    general: Keyspace,
    /// The names of streams without a terminal record.
    open: Keyspace,
    buckets: RwLock<BTreeMap<u64, Keyspace>>,
    /// What expires up to here has expired for good. Durable before it is shown.
    floor: AtomicU64,
    bucket_millis: u64,
    retention: Retention,
    /// Held while buckets are dropped, and while something is written to them.
    turning: Mutex<()>,
    rest: Rest,
    // Given free last.
    directory: Directory,
}

impl Store {
    /// Makes an empty store.
    pub(super) fn make(path: &Path) -> Result<(), OpenError> {
        let failed = |error| open_error(path, error);
        let db = keyspaces::database(path).map_err(failed)?;
        keyspaces::open(&db).map_err(failed)?;
        let general = keyspaces::general(&db).map_err(failed)?;
        general.insert(layout::MOVED, 0_u64.to_be_bytes()).map_err(failed)?;
        db.persist(PersistMode::SyncAll).map_err(failed)?;
        sync_directory(&path.join("keyspaces")).map_err(|error| failed(error.into()))
    }

    pub(super) fn open(directory: Directory, retention: Retention) -> Result<Self, OpenError> {
        let path = directory.path().to_owned();
        let failed = |error| open_error(&path, error);
        let db = keyspaces::database(&directory.store()).map_err(failed)?;
        if !db.keyspace_exists("general") || !db.keyspace_exists("open") {
            return Err(OpenError::damaged(&path, "a part of the store is missing"));
        }
        let general = keyspaces::general(&db).map_err(failed)?;
        let open = keyspaces::open(&db).map_err(failed)?;
        let mut buckets = BTreeMap::new();
        for name in db.list_keyspace_names() {
            if let Some(index) = layout::bucket_index(&name) {
                buckets.insert(index, keyspaces::bucket(&db, index).map_err(failed)?);
            }
        }
        let floor = match general.get(layout::FLOOR).map_err(failed)? {
            None => Time::default(),
            Some(bytes) => layout::decode_time(&bytes)
                .ok_or_else(|| OpenError::damaged(&path, "the time of the last expiry makes no sense"))?,
        };
        for guard in general.prefix(layout::KEEP) {
            let (key, kept) = guard.into_inner().map_err(failed)?;
            let is_there = layout::bucket_of_keep_key(&key).is_some_and(|index| buckets.contains_key(&index));
            // Dropped before the end of a process that could not note it down any more.
            let is_over = layout::decode_time(&kept).is_some_and(|kept| kept <= floor);
            if !is_there && !is_over {
                return Err(OpenError::damaged(&path, "a bucket of streams is missing"));
            }
        }
        let bucket_millis = u64::try_from(directory.bucket.as_millis()).unwrap_or(u64::MAX);
        Ok(Self {
            db,
            general,
            open,
            buckets: RwLock::new(buckets),
            floor: AtomicU64::new(floor.as_micros()),
            bucket_millis,
            retention,
            turning: Mutex::new(()),
            rest: Rest::new(),
            directory,
        })
    }

    pub(super) fn floor(&self) -> Time {
        Time::from_micros(self.floor.load(Ordering::Acquire))
    }

    /// Shows a floor that a commit has made durable.
    pub(super) fn show_floor(&self, floor: Time) {
        self.floor.fetch_max(floor.as_micros(), Ordering::AcqRel);
    }

    /// Makes a generation of changes, all or none, and notes down how far in the journal that is. It is handed to the operating
    /// system; until it is synced, the journal has it too.
    pub(super) fn apply(&self, generation: &Generation) -> fjall::Result<()> {
        // A bucket that is dropped meanwhile must not be written to.
        let _turning = self.turning.lock();
        let mut batch = self.db.batch();
        for (&stream, change) in &generation.changes {
            self.put(&mut batch, stream, change)?;
        }
        if let Some(floor) = generation.floor {
            batch.insert(&self.general, layout::FLOOR, layout::encode_time(floor));
        }
        batch.insert(&self.general, layout::MOVED, generation.until.to_be_bytes());
        self.rest.added(generation.bytes);
        batch.durability(Some(PersistMode::Buffer)).commit()
    }

    fn put(&self, batch: &mut OwnedWriteBatch, stream: StreamId, change: &Change) -> fjall::Result<()> {
        let index = self.index(stream);
        let bucket = if change.created { Some(self.ensure_bucket(index)?) } else { self.bucket(stream) };
        // It was dropped, since all in it has expired.
        let Some(bucket) = bucket else { return Ok(()) };
        if change.created {
            let keep = self.start(index + 1).plus(self.retention.get());
            // Always there if the bucket has a stream: a start that finds it without its bucket knows that something is missing.
            if self.kept(index)?.is_none_or(|kept| kept < keep) {
                batch.insert(&self.general, layout::keep_key(index), layout::encode_time(keep));
            }
        }
        let open = !change.deleted && change.head.as_ref().is_none_or(|head| head.outcome.is_none());
        if change.created && open {
            batch.insert(&self.open, *stream.as_bytes(), []);
        } else if !open {
            batch.remove(&self.open, *stream.as_bytes());
        }
        if change.deleted {
            batch.insert(&bucket, layout::head_key(stream), layout::encode_deleted(stream));
            return Ok(());
        }
        if let Some(head) = &change.head {
            batch.insert(&bucket, layout::head_key(stream), layout::encode_head(head));
        }
        for (first, value) in joined(&change.runs) {
            batch.insert(&bucket, layout::run_key(stream, first), value);
        }
        Ok(())
    }

    /// The position in the journal before which the store has everything.
    pub(super) fn moved(&self) -> fjall::Result<Option<u64>> {
        let bytes = self.general.get(layout::MOVED)?;
        Ok(bytes.and_then(|bytes| bytes.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))))
    }

    pub(super) fn sync(&self) -> fjall::Result<()> {
        self.db.persist(PersistMode::SyncData)
    }

    pub(super) fn available(&self) -> std::io::Result<u64> {
        fs4::available_space(self.directory.path())
    }

    /// Is there room for another segment of the journal, beside the reserve?
    pub(super) fn has_room(&self, reserve: ReserveBytes) -> bool {
        let wanted = reserve.get().saturating_add(SEGMENT_BYTES);
        self.available().is_ok_and(|available| available >= wanted)
    }

    /// Why nothing more is written.
    pub(super) fn write_error(&self, error: fjall::Error) -> Error {
        let full = match &error {
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
                matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
            }
            // One of fjall's own threads failed before us and has not said why: was there room for what it writes?
            fjall::Error::Poisoned => {
                self.available().is_ok_and(|available| available < 2 * keyspaces::MEMTABLE_BYTES)
            }
            _ => false,
        };
        let why = if full { "the disk is full" } else { "a write failed" };
        let failure = Error::unavailable(why).because(error);
        if full { failure.for_lack_of_room() } else { failure }
    }

    /// Why the store cannot be made what it must be at a start.
    pub(super) fn open_error(&self, error: fjall::Error) -> OpenError {
        open_error(self.directory.path(), error)
    }

    /// The head of a stream, its last record looked up.
    pub(super) fn head(&self, stream: StreamId) -> Result<Head, Error> {
        let Some(bucket) = self.bucket(stream) else { return Err(self.absent(stream)) };
        self.head_in(&self.db.snapshot(), &bucket, stream)
    }

    fn head_in(&self, snapshot: &Snapshot, bucket: &Keyspace, stream: StreamId) -> Result<Head, Error> {
        let bytes =
            snapshot.get(bucket, layout::head_key(stream)).map_err(|error| read_error(stream, error))?;
        let Some(bytes) = bytes else { return Err(self.absent(stream)) };
        let stored = layout::decode_head(stream, &bytes)
            .ok_or_else(|| Error::damaged(stream, "its head makes no sense"))?;
        let Stored::Head(head) = stored else { return Err(Error::gone(stream)) };
        if head.expires <= self.floor() {
            return Err(Error::gone(stream));
        }
        if head.outcome.is_some() {
            return Ok(head);
        }
        let all = layout::run_key(stream, Seq::FIRST)..=layout::run_key(stream, Seq::LAST);
        let Some(newest) = snapshot.range(bucket, all).next_back() else {
            return Err(Error::damaged(stream, "its records are missing"));
        };
        let run = decode(stream, newest)?;
        let last = run.last().map_or(head.last, |record| record.seq);
        Ok(head.until(last))
    }

    /// Records from `from` on.
    pub(super) fn read(&self, stream: StreamId, from: Seq, most: ReadBytes) -> Result<Vec<Run>, Error> {
        let Some(bucket) = self.bucket(stream) else { return Err(self.absent(stream)) };
        let snapshot = self.db.snapshot();
        self.head_in(&snapshot, &bucket, stream)?;
        // The run that `from` is in begins at `from` or before.
        let before = layout::run_key(stream, Seq::FIRST)..=layout::run_key(stream, from);
        let Some(begin) = snapshot.range(&bucket, before).next_back() else { return Ok(Vec::new()) };
        let begin = begin.key().map_err(|error| read_error(stream, error))?;
        let mut runs: Vec<Run> = Vec::new();
        let mut bytes = 0;
        let mut next = from;
        for guard in snapshot.range(&bucket, begin.to_vec()..=layout::run_key(stream, Seq::LAST).to_vec()) {
            let run = match decode(stream, guard) {
                Ok(run) => run,
                Err(error) if runs.is_empty() => return Err(error),
                // What comes before the damage is as good as ever; the next read begins with it.
                Err(_) => break,
            };
            let Some(run) = run.since(next) else { continue };
            // A hole: whoever asks for what is missing is told then.
            let Some(last) = run.first().filter(|first| first.seq == next).and(run.last()) else { break };
            next = last.seq.plus(1);
            bytes += run.payload_bytes();
            runs.push(run);
            if bytes >= most.get() {
                break;
            }
        }
        Ok(runs)
    }

    /// Streams before `before`, the newest first, with what is `recent` laid over.
    pub(super) fn list(
        &self,
        before: Option<StreamId>,
        most: usize,
        mut recent: Vec<(StreamId, Known)>,
    ) -> Result<Page, Error> {
        let stored = self.list_stored(before, most)?;
        // Of those that follow on the next page nothing is said on this one.
        let last = stored.next;
        recent.retain(|(stream, _)| {
            before.is_none_or(|before| *stream < before) && last.is_none_or(|last| *stream >= last)
        });
        let mut heads: BTreeMap<StreamId, Head> =
            stored.heads.into_iter().map(|head| (head.stream, head)).collect();
        for (stream, known) in recent {
            match known {
                Known::Head(head) if head.expires > self.floor() => drop(heads.insert(stream, head)),
                Known::Head(_) | Known::Gone => drop(heads.remove(&stream)),
            }
        }
        let next =
            if heads.len() > most { heads.keys().rev().nth(most.saturating_sub(1)).copied() } else { last };
        let heads = heads.into_values().rev().take(most).collect();
        Ok(Page { heads, next })
    }

    fn list_stored(&self, before: Option<StreamId>, most: usize) -> Result<Page, Error> {
        let buckets: Vec<(u64, Keyspace)> =
            self.buckets.read().iter().rev().map(|(&i, k)| (i, k.clone())).collect();
        let newest = before.map_or(u64::MAX, |before| self.index(before));
        let snapshot = self.db.snapshot();
        let mut page = Page::default();
        for (_, bucket) in buckets.iter().filter(|(index, _)| *index <= newest) {
            let end = before
                .map_or_else(|| layout::head_keys().end.to_vec(), |before| layout::head_key(before).to_vec());
            let keys = (Bound::Included(layout::head_keys().start.to_vec()), Bound::Excluded(end));
            for guard in snapshot.range(bucket, keys).rev() {
                let key = guard.key().map_err(list_error)?;
                let Some(stream) = layout::stream_of_head_key(&key) else { continue };
                match self.head_in(&snapshot, bucket, stream) {
                    Ok(_) if page.heads.len() == most => {
                        page.next = page.heads.last().map(|head| head.stream);
                        return Ok(page);
                    }
                    Ok(head) => page.heads.push(head),
                    Err(error) if error.is_gone() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(page)
    }

    /// Open streams after `after` that are not `owned`.
    pub(super) fn unsettled(
        &self,
        after: Option<StreamId>,
        most: usize,
        owned: impl Fn(StreamId) -> bool,
    ) -> Result<Page, Error> {
        let snapshot = self.db.snapshot();
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_bytes().to_vec()));
        let mut page = Page::default();
        for guard in snapshot.range(&self.open, (start, Bound::Unbounded)) {
            let key = guard.key().map_err(list_error)?;
            let Some(stream) = layout::stream_of(&key).filter(|stream| !owned(*stream)) else { continue };
            let Some(bucket) = self.bucket(stream) else { continue };
            match self.head_in(&snapshot, &bucket, stream) {
                Ok(head) if head.outcome.is_some() => {}
                Ok(_) if page.heads.len() == most => {
                    page.next = page.heads.last().map(|head| head.stream);
                    break;
                }
                Ok(head) => page.heads.push(head),
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    }

    /// Removes the records of a stream that is marked as deleted.
    pub(super) fn purge(&self, stream: StreamId) -> fjall::Result<()> {
        let _turning = self.turning.lock();
        let Some(bucket) = self.bucket(stream) else { return Ok(()) };
        loop {
            let all = layout::run_key(stream, Seq::FIRST)..=layout::run_key(stream, Seq::LAST);
            let mut batch = self.db.batch();
            for guard in self.db.snapshot().range(&bucket, all).take(PURGED_AT_ONCE) {
                batch.remove(&bucket, guard.key()?);
            }
            if batch.is_empty() {
                return Ok(());
            }
            batch.commit()?;
        }
    }

    /// Drops the buckets in which everything has expired, and makes the one that will be wanted `soon`.
    pub(super) fn turn_buckets(&self, soon: Time) -> fjall::Result<()> {
        let floor = self.floor();
        let turning = self.turning.lock();
        let old: Vec<u64> = self.buckets.read().keys().copied().collect();
        for index in old {
            if self.kept_until(index)? > floor {
                continue;
            }
            let Some(bucket) = self.buckets.write().remove(&index) else { continue };
            let mut batch = self.db.batch();
            batch.remove(&self.general, layout::keep_key(index));
            let span = StreamId::lowest(self.start(index))..StreamId::lowest(self.start(index + 1));
            for guard in self.open.range(span.start.as_bytes().to_vec()..span.end.as_bytes().to_vec()) {
                batch.remove(&self.open, guard.key()?);
            }
            batch.commit()?;
            tracing::debug!(index, "dropping a bucket of expired streams");
            self.db.delete_keyspace(bucket)?;
        }
        drop(turning);
        // A clock that has gone back wants no bucket that was dropped.
        self.ensure_bucket(self.index_at(soon.max(floor)))?;
        Ok(())
    }

    fn kept_until(&self, index: u64) -> fjall::Result<Time> {
        let least = self.start(index + 1).plus(2 * FRESH);
        Ok(self.kept(index)?.map_or(least, |kept| kept.max(least)))
    }

    fn kept(&self, index: u64) -> fjall::Result<Option<Time>> {
        Ok(self.general.get(layout::keep_key(index))?.and_then(|bytes| layout::decode_time(&bytes)))
    }

    fn ensure_bucket(&self, index: u64) -> fjall::Result<Keyspace> {
        if let Some(bucket) = self.buckets.read().get(&index) {
            return Ok(bucket.clone());
        }
        let bucket = keyspaces::bucket(&self.db, index)?;
        // fjall syncs what is in the new folder; that the folder itself is there after a power cut is on us.
        if let Some(folder) = bucket.path().parent() {
            sync_directory(folder)?;
        }
        Ok(self.buckets.write().entry(index).or_insert(bucket).clone())
    }

    fn bucket(&self, stream: StreamId) -> Option<Keyspace> {
        self.buckets.read().get(&self.index(stream)).cloned()
    }

    fn index(&self, stream: StreamId) -> u64 {
        self.index_at(stream.time())
    }

    fn index_at(&self, time: Time) -> u64 {
        time.as_micros() / 1_000 / self.bucket_millis
    }

    fn start(&self, index: u64) -> Time {
        Time::from_micros(index.saturating_mul(self.bucket_millis).saturating_mul(1_000))
    }

    /// What to say of a stream that is not there: has its bucket been dropped, or was it never made?
    fn absent(&self, stream: StreamId) -> Error {
        let end = self.start(self.index(stream) + 1);
        if end.plus(2 * FRESH) <= self.floor() { Error::gone(stream) } else { Error::not_found(stream) }
    }
}

/// Runs of a stream that follow one another, as values: joined, so that the store has few.
fn joined(runs: &[(Bytes, Run)]) -> Vec<(Seq, Bytes)> {
    let mut values = Vec::new();
    let mut rest = runs;
    while let Some(((value, run), more)) = rest.split_first() {
        let mut len = value.len();
        let joined = more
            .iter()
            .take_while(|(value, _)| {
                len += value.len();
                len <= VALUE_BYTES
            })
            .count();
        let Some(first) = run.first() else { continue };
        let value = if joined == 0 {
            value.clone()
        } else {
            rest[..=joined].iter().map(|(value, _)| &value[..]).collect::<Vec<_>>().concat().into()
        };
        values.push((first.seq, value));
        rest = &rest[joined + 1..];
    }
    values
}

fn decode(stream: StreamId, guard: fjall::Guard) -> Result<Run, Error> {
    let (key, value) = guard.into_inner().map_err(|error| read_error(stream, error))?;
    let first =
        layout::first_of(stream, &key).ok_or_else(|| Error::damaged(stream, "a key makes no sense"))?;
    frame::decode(stream, first, &Bytes::from(value))
}

/// A failed read: the machine's fault, or the data's.
pub(super) fn read_error(stream: StreamId, error: fjall::Error) -> Error {
    match error {
        fjall::Error::Io(_) | fjall::Error::Storage(fjall::LsmError::Io(_)) => {
            Error::unavailable("the store cannot be read").because(error)
        }
        error => Error::damaged(stream, "the store found a wrong checksum or a broken file").because(error),
    }
}

fn list_error(error: fjall::Error) -> Error {
    Error::unavailable("the store cannot be read").because(error)
}

/// Why fjall did not open what is in `path`.
fn open_error(path: &Path, error: fjall::Error) -> OpenError {
    match error {
        fjall::Error::Locked => OpenError::locked(path, None),
        fjall::Error::Io(error) if error.kind() != ErrorKind::NotFound => {
            OpenError::io(path, "the store cannot be opened", error)
        }
        error => OpenError::damaged(path, error.to_string()).because(error),
    }
}
