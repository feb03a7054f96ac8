//! Writing out what fjall holds in memory, once nothing is added to it any more.
//!
//! fjall writes a memtable out when it is full, and else never: what the last streams left would stay in memory for as long as nobody asks for
//! anything, and in the journals that the next start has to read. So the store looks now and then, and where nothing came since the look before, it has
//! the memtables written out. A few streams are not worth a file of their own.

use parking_lot::Mutex;

use super::{Store, keyspaces, layout};

/// What is less than this stays in memory.
const WORTH_A_FILE: usize = 1 << 20;

pub(super) struct Rest {
    state: Mutex<State>,
}

struct State {
    /// Bytes that were added since the memtables were last written out.
    bytes: usize,
    /// Nothing was added since the last look.
    is_quiet: bool,
    /// The buckets were written out at the last look.
    is_half_done: bool,
}

/// What it is time for.
enum Due {
    Nothing,
    Buckets,
    General,
}

impl Rest {
    /// Of a store that was just opened: nobody knows what fjall has read back from its journals.
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { bytes: WORTH_A_FILE, is_quiet: false, is_half_done: false }) }
    }

    pub(super) fn added(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_add(bytes);
        // That time passes is noted down now and then; it brings no bytes.
        state.is_quiet &= bytes == 0;
    }

    /// What it is time for; then that counts as done.
    fn due(&self) -> Due {
        let mut state = self.state.lock();
        let was_quiet = std::mem::replace(&mut state.is_quiet, true);
        if std::mem::take(&mut state.is_half_done) {
            return Due::General;
        }
        if !was_quiet || state.bytes < WORTH_A_FILE {
            return Due::Nothing;
        }
        (state.bytes, state.is_half_done) = (0, true);
        Due::Buckets
    }
}

impl Store {
    /// Has what is in memory written out, if nothing was added since the last call, and at the call after that lets go of it.
    ///
    /// fjall keeps a memtable that was written out, for readers that may still be at it, until a commit came after and it looks whether there are
    /// any; which it does, for all keyspaces, when it begins to write out one of them. So one is left for the next time.
    pub(in crate::disk) fn rest(&self) -> fjall::Result<()> {
        // Where room is short it would break the store for the sake of memory.
        if !self.available().is_ok_and(|available| available >= 4 * keyspaces::MEMTABLE_BYTES) {
            return Ok(());
        }
        let due = self.rest.due();
        // A bucket that is dropped meanwhile must not be written to.
        let _turning = self.turning.lock();
        // fjall has this for its own tests; what it does is what it does with a memtable that is full.
        match due {
            Due::Nothing => {}
            Due::Buckets => {
                let buckets: Vec<_> = self.buckets.read().values().cloned().collect();
                for keyspace in buckets.iter().chain([&self.open]) {
                    keyspace.rotate_memtable()?;
                }
            }
            Due::General => {
                // The same as it says: what counts is that a commit came after.
                if let Some(moved) = self.moved()? {
                    self.general.insert(layout::MOVED, moved.to_be_bytes())?;
                }
                self.general.rotate_memtable()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::disk::directory::Directory;
    use crate::disk::overlay::{Generation, Growth};
    use crate::head::Batch;
    use crate::{Entry, Fence, Head, Kind, ReadBytes, ReserveBytes, Retention, Seq, StreamId, Time, frame};

    fn store(path: &std::path::Path) -> Store {
        let retention = Retention::default();
        let directory = Directory::open(path, retention, ReserveBytes::new(0), &[], Store::make).unwrap();
        let store = Store::open(directory, retention).unwrap();
        // What is read back at the start is done with.
        (0..3).for_each(|_| store.rest().unwrap());
        store
    }

    fn add(store: &Store, bytes: usize) -> (StreamId, Bytes) {
        let stream = StreamId::new();
        let entries = [Entry::new(Kind::Request, Bytes::from(vec![7; bytes]))];
        let (value, run) = frame::encode(stream, Fence::NEW, &entries).unwrap();
        let batch = Batch::check(stream, &entries).unwrap();
        let head = Head::begin(stream, Time::now().plus(Retention::default().get()), batch);
        let mut generation = Generation::default();
        generation.grow(&head, Growth::Created, value.clone(), run);
        store.apply(&generation).unwrap();
        (stream, value)
    }

    fn until(holds: impl Fn() -> bool) {
        let began = tokio::time::Instant::now();
        while !holds() {
            assert!(began.elapsed().as_secs() < 10, "it was written out and is still in memory");
            std::thread::yield_now();
        }
    }

    /// Whether there was something left to write out; then that is done now.
    fn has_more(store: &Store) -> bool {
        let buckets = store.buckets.read();
        buckets.values().any(|bucket| bucket.rotate_memtable().unwrap())
    }

    #[test]
    fn what_nothing_is_added_to_leaves_memory_and_can_still_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let (stream, value) = add(&store, WORTH_A_FILE);
        store.rest().unwrap();
        let (later, _) = add(&store, 1);
        // Something came since.
        store.rest().unwrap();
        store.rest().unwrap();
        assert!(!has_more(&store), "a quiet store holds what was added");
        // fjall's own threads do it, and tell nobody when.
        until(|| store.buckets.read().values().all(|bucket| bucket.sealed_memtable_count() == 0));
        store.rest().unwrap();
        until(|| value.is_unique());
        for (stream, bytes) in [(stream, WORTH_A_FILE), (later, 1)] {
            let runs = store.read(stream, Seq::FIRST, ReadBytes::default()).unwrap();
            assert_eq!(runs[0].payload_bytes(), bytes);
        }
    }

    #[test]
    fn nothing_is_written_out_while_it_grows_or_for_a_few_streams() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        add(&store, WORTH_A_FILE);
        store.rest().unwrap();
        assert!(has_more(&store), "it had just grown");
        (0..3).for_each(|_| store.rest().unwrap());
        add(&store, 1000);
        (0..3).for_each(|_| store.rest().unwrap());
        assert!(has_more(&store), "a file for one small stream");
    }
}
