//! The log in memory: for tests, for trying things out, and for those who want no file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::BytesMut;
use parking_lot::{Mutex, MutexGuard};

use crate::{
    Answer, Clock, Durability, Entry, Epoch, Error, Fence, Head, Kind, Log, MemoryBytes, Page, ReadBytes,
    Record, Retention, RingBytes, Run, Seq, StreamId, Tail, Time, expiry::Expiry,
};

/// A log in this process's memory. It survives nothing.
pub struct MemoryLog {
    options: MemoryOptions,
    state: Mutex<State>,
}

/// Settings of a [`MemoryLog`].
#[derive(Clone, Debug, Default)]
pub struct MemoryOptions {
    /// How much it may hold.
    pub capacity: MemoryBytes,
    /// How long streams are kept.
    pub retention: Retention,
    /// How much each tail keeps for its readers; here it only says when a reader is sent to the log itself.
    pub ring: RingBytes,
    /// Where the time comes from.
    pub clock: Clock,
}

#[derive(Default)]
struct State {
    streams: BTreeMap<StreamId, Slot>,
    /// When something is to be done about a stream: its records forgotten, and later its name.
    due: BTreeSet<(Time, Due, StreamId)>,
    now: Time,
    /// The names of streams made before this are not remembered.
    remembered: Time,
    bytes: usize,
    closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Expires,
    Forgotten,
}

enum Slot {
    There(Stream),
    /// Deleted or expired; the name is remembered until it could not be made again.
    Gone,
}

struct Stream {
    head: Head,
    runs: Vec<Run>,
    bytes: usize,
    tail: Weak<Tail>,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        Self { options, state: Mutex::default() }
    }

    fn do_create(&self, stream: StreamId, expires: Option<Time>, entries: &[Entry]) -> Result<Head, Error> {
        let mut state = self.writable()?;
        let expiry = Expiry::of(stream, expires, self.options.retention, state.now)?;
        match state.streams.get(&stream) {
            Some(Slot::There(_)) => return Err(Error::existing(stream)),
            Some(Slot::Gone) => return Err(Error::gone(stream)),
            None => {}
        }
        let head = Head::create(stream, expiry.expires, entries)?;
        let run = run(entries, Fence::NEW);
        let bytes = weight(&run);
        state.reserve(stream, bytes, &head, self.options.capacity)?;
        state.due.insert((expiry.expires, Due::Expires, stream));
        state.due.insert((expiry.forgotten, Due::Forgotten, stream));
        state.streams.insert(
            stream,
            Slot::There(Stream { head: head.clone(), runs: vec![run], bytes, tail: Weak::new() }),
        );
        Ok(head)
    }

    /// Appends what `admit` makes of the present head.
    fn grow(
        &self,
        stream: StreamId,
        entries: &[Entry],
        admit: impl FnOnce(&Head) -> Result<Head, Error>,
    ) -> Result<Head, Error> {
        let mut state = self.writable()?;
        let found = state.stream(stream)?;
        let head = admit(&found.head)?;
        let run = run(entries, Fence { epoch: head.epoch(), next: found.head.last.plus(1) });
        let bytes = weight(&run);
        state.reserve(stream, bytes, &head, self.options.capacity)?;
        let found = state.stream_mut(stream)?;
        found.head = head.clone();
        found.bytes += bytes;
        found.runs.push(run.clone());
        if let Some(tail) = found.tail.upgrade() {
            tail.publish(head.clone(), run);
        }
        Ok(head)
    }

    fn do_read(&self, stream: StreamId, from: Seq, most: ReadBytes) -> Result<Vec<Run>, Error> {
        let state = self.present();
        let found = state.stream(stream)?;
        let first = found.runs.partition_point(|run| run.last().is_some_and(|last| last.seq < from));
        let mut bytes = 0;
        let mut runs = Vec::new();
        for run in found.runs.iter().skip(first).filter_map(|run| run.since(from)) {
            if bytes >= most.get() && !runs.is_empty() {
                break;
            }
            bytes += run.payload_bytes();
            runs.push(run);
        }
        Ok(runs)
    }

    fn do_tail(&self, stream: StreamId) -> Result<Arc<Tail>, Error> {
        let mut state = self.present();
        let closed = state.closed;
        let found = state.stream_mut(stream)?;
        if let Some(tail) = found.tail.upgrade() {
            return Ok(tail);
        }
        let tail = Tail::new(stream, self.options.ring);
        tail.learn(found.head.clone());
        if closed {
            tail.end(closed_error());
        }
        found.tail = Arc::downgrade(&tail);
        Ok(tail)
    }

    fn do_list(&self, before: Option<StreamId>, most: usize) -> Page {
        let state = self.present();
        let mut heads: Vec<Head> = match before {
            Some(before) => state
                .streams
                .range(..before)
                .rev()
                .filter_map(|(_, slot)| slot.head())
                .take(most + 1)
                .collect(),
            None => state.streams.values().rev().filter_map(Slot::head).take(most + 1).collect(),
        };
        let more = heads.len() > most;
        heads.truncate(most);
        let next = heads.last().filter(|_| more).map(|head| head.stream);
        Page { heads, next }
    }

    fn do_delete(&self, stream: StreamId) -> Result<(), Error> {
        let mut state = self.writable()?;
        match state.stream(stream) {
            Ok(_) => state.forget(stream),
            Err(error) if error.is_gone() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn do_close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        for slot in state.streams.values() {
            if let Slot::There(stream) = slot
                && let Some(tail) = stream.tail.upgrade()
            {
                tail.end(closed_error());
            }
        }
    }

    /// The state with everything expired that is due.
    fn present(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        state.advance(self.options.clock.now());
        state
    }

    fn writable(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.present();
        if state.closed { Err(closed_error()) } else { Ok(state) }
    }
}

impl State {
    /// Goes on to `now`, never back.
    fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
        while let Some(&(time, due, stream)) = self.due.first()
            && time <= self.now
        {
            self.due.pop_first();
            match due {
                Due::Expires => self.forget(stream),
                Due::Forgotten => {
                    self.streams.remove(&stream);
                    self.remembered = self.remembered.max(stream.time().plus(Duration::from_millis(1)));
                }
            }
        }
    }

    fn forget(&mut self, stream: StreamId) {
        if let Some(Slot::There(found)) = self.streams.insert(stream, Slot::Gone) {
            self.bytes -= found.bytes;
            if let Some(tail) = found.tail.upgrade() {
                tail.end(Error::gone(stream));
            }
        }
    }

    fn stream(&self, stream: StreamId) -> Result<&Stream, Error> {
        match self.streams.get(&stream) {
            Some(Slot::There(found)) => Ok(found),
            Some(Slot::Gone) => Err(Error::gone(stream)),
            None => Err(self.absent(stream)),
        }
    }

    fn stream_mut(&mut self, stream: StreamId) -> Result<&mut Stream, Error> {
        let absent = self.absent(stream);
        match self.streams.get_mut(&stream) {
            Some(Slot::There(found)) => Ok(found),
            Some(Slot::Gone) => Err(Error::gone(stream)),
            None => Err(absent),
        }
    }

    /// What to say of a stream that is not here: whether it ever was can only be told as long as names are remembered.
    fn absent(&self, stream: StreamId) -> Error {
        if stream.time() < self.remembered { Error::gone(stream) } else { Error::not_found(stream) }
    }

    /// Takes room for a run; an ending always has some.
    fn reserve(
        &mut self,
        stream: StreamId,
        bytes: usize,
        head: &Head,
        capacity: MemoryBytes,
    ) -> Result<(), Error> {
        if head.outcome.is_none() && self.bytes + bytes > capacity.get() {
            return Err(Error::full(stream));
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Slot {
    fn head(&self) -> Option<Head> {
        match self {
            Self::There(stream) => Some(stream.head.clone()),
            Self::Gone => None,
        }
    }
}

impl Log for MemoryLog {
    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn create<'a>(
        &'a self,
        stream: StreamId,
        expires: Option<Time>,
        entries: &'a [Entry],
    ) -> Answer<'a, Head> {
        Box::pin(async move { self.do_create(stream, expires, entries) })
    }

    fn append<'a>(&'a self, stream: StreamId, fence: Fence, entries: &'a [Entry]) -> Answer<'a, Head> {
        Box::pin(async move { self.grow(stream, entries, |head| head.append(fence, entries)) })
    }

    fn takeover<'a>(&'a self, stream: StreamId, from: Epoch, entry: &'a Entry) -> Answer<'a, Head> {
        let entry = Entry { kind: Kind::Takeover, ..entry.clone() };
        Box::pin(async move { self.grow(stream, &[entry], |head| head.takeover(from)) })
    }

    fn head(&self, stream: StreamId) -> Answer<'_, Head> {
        Box::pin(async move { self.present().stream(stream).map(|found| found.head.clone()) })
    }

    fn read(&self, stream: StreamId, from: Seq, most: ReadBytes) -> Answer<'_, Vec<Run>> {
        Box::pin(async move { self.do_read(stream, from, most) })
    }

    fn tail(&self, stream: StreamId) -> Answer<'_, Arc<Tail>> {
        Box::pin(async move { self.do_tail(stream) })
    }

    fn list(&self, before: Option<StreamId>, most: usize) -> Answer<'_, Page> {
        Box::pin(async move { Ok(self.do_list(before, most)) })
    }

    /// Always empty: what a process before this one left in its memory is gone.
    fn unsettled(&self, _: Option<StreamId>, _: usize) -> Answer<'_, Page> {
        Box::pin(async { Ok(Page::default()) })
    }

    fn delete(&self, stream: StreamId) -> Answer<'_, ()> {
        Box::pin(async move { self.do_delete(stream) })
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.do_close();
            Ok(())
        })
    }
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("MemoryLog")
            .field("streams", &state.streams.len())
            .field("bytes", &state.bytes)
            .finish()
    }
}

/// The entries as records from `fence` on. Their payloads are copied into one buffer, so that a record of a few bytes does not
/// keep the whole buffer that it was cut from.
fn run(entries: &[Entry], fence: Fence) -> Run {
    let mut bytes = BytesMut::with_capacity(entries.iter().map(|entry| entry.payload.len()).sum());
    entries.iter().for_each(|entry| bytes.extend_from_slice(&entry.payload));
    let bytes = bytes.freeze();
    let mut start = 0;
    let record = |(index, entry): (usize, &Entry)| {
        let end = start + entry.payload.len();
        let payload = bytes.slice(start..end);
        start = end;
        Record {
            seq: fence.next.plus(index),
            epoch: fence.epoch,
            kind: entry.kind,
            time: entry.time,
            payload,
        }
    };
    Run::new(entries.iter().enumerate().map(record).collect())
}

fn weight(run: &Run) -> usize {
    run.payload_bytes() + run.len() * size_of::<Record>()
}

fn closed_error() -> Error {
    Error::unavailable("it was closed")
}
