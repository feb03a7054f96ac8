//! The streams that somebody here writes or reads: their tails, and the store's failure once there is one.
//!
//! Memory is for those streams only. A tail that no reader holds is kept as long as its stream is written here; the others are
//! held by their readers, and what is left of them is swept out now and then.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use crate::{Error, Head, RingBytes, StreamId, Tail, Time};

/// The map is swept when it has doubled since the last time, but not before it has so many entries.
const SWEPT_FROM: usize = 256;

pub(super) struct Live {
    ring: RingBytes,
    state: Mutex<State>,
}

struct State {
    tails: HashMap<StreamId, Slot>,
    sweep_at: usize,
    failure: Option<Error>,
}

struct Slot {
    tail: Weak<Tail>,
    /// Held while the stream is open and written by this process.
    owned: Option<Arc<Tail>>,
}

impl Live {
    pub(super) fn new(ring: RingBytes) -> Self {
        Self { ring, state: Mutex::new(State { tails: HashMap::new(), sweep_at: SWEPT_FROM, failure: None }) }
    }

    /// The stream's tail; a new one knows nothing, and learns what is published from now on.
    pub(super) fn tail(&self, stream: StreamId) -> Arc<Tail> {
        let mut state = self.state.lock();
        if let Some(tail) = state.tails.get(&stream).and_then(|slot| slot.tail.upgrade()) {
            return tail;
        }
        let tail = state.new_tail(stream, self.ring);
        state.tails.insert(stream, Slot { tail: Arc::downgrade(&tail), owned: None });
        state.sweep();
        tail
    }

    /// The newest head, if the stream is one of these.
    pub(super) fn head(&self, stream: StreamId) -> Option<Head> {
        let tail = self.state.lock().tails.get(&stream)?.tail.upgrade()?;
        tail.head()
    }

    /// Is it open and written by this process?
    pub(super) fn is_owned(&self, stream: StreamId) -> bool {
        self.state.lock().tails.get(&stream).is_some_and(|slot| slot.owned.is_some())
    }

    /// The tail of a stream that is written here from now on: it is held until it is released.
    pub(super) fn own(&self, stream: StreamId) -> Arc<Tail> {
        let tail = self.tail(stream);
        if let Some(slot) = self.state.lock().tails.get_mut(&stream) {
            slot.owned = Some(Arc::clone(&tail));
        }
        tail
    }

    /// The stream has ended: only its readers hold its tail now.
    pub(super) fn release(&self, stream: StreamId) {
        let mut state = self.state.lock();
        let Some(slot) = state.tails.get_mut(&stream) else { return };
        let last = slot.owned.take();
        // The caller still has the tail, so this drops nothing but a count.
        drop(last);
        state.sweep();
    }

    /// The stream is gone: tells its readers.
    pub(super) fn gone(&self, stream: StreamId) {
        let slot = self.state.lock().tails.remove(&stream);
        if let Some(tail) = slot.and_then(|slot| slot.tail.upgrade()) {
            tail.end(Error::gone(stream));
        }
    }

    /// Streams among these that expire up to `floor`.
    pub(super) fn expired(&self, floor: Time) -> Vec<StreamId> {
        let state = self.state.lock();
        let expired = |slot: &Slot| slot.tail.upgrade()?.head().filter(|head| head.expires <= floor);
        state.tails.iter().filter(|(_, slot)| expired(slot).is_some()).map(|(&stream, _)| stream).collect()
    }

    /// Nothing more will be written: tells all readers, now and later. The first reason stands.
    pub(super) fn fail(&self, why: &Error) {
        let tails: Vec<_> = {
            let mut state = self.state.lock();
            if state.failure.is_some() {
                return;
            }
            state.failure = Some(why.clone());
            state.tails.values().filter_map(|slot| slot.tail.upgrade()).collect()
        };
        for tail in tails {
            tail.end(why.clone());
        }
    }

    /// How many streams take memory.
    pub(super) fn len(&self) -> usize {
        self.state.lock().tails.len()
    }
}

impl State {
    fn new_tail(&self, stream: StreamId, ring: RingBytes) -> Arc<Tail> {
        let tail = Tail::new(stream, ring);
        if let Some(failure) = &self.failure {
            tail.end(failure.clone());
        }
        tail
    }

    fn sweep(&mut self) {
        if self.tails.len() >= self.sweep_at {
            self.tails.retain(|_, slot| slot.tail.strong_count() > 0);
            self.sweep_at = SWEPT_FROM.max(2 * self.tails.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_for_the_living() {
        let live = Live::new(RingBytes::default());
        for _ in 0..10_000 {
            // Read and left, or ended while nobody read.
            let read = StreamId::new();
            drop(live.tail(read));
            let stream = StreamId::new();
            let tail = live.own(stream);
            assert!(live.is_owned(stream));
            live.release(stream);
            assert!(!live.is_owned(stream));
            drop(tail);
        }
        assert!(live.len() <= 2 * SWEPT_FROM, "{} are kept", live.len());
    }

    #[test]
    fn a_failure_is_told_to_readers_of_today_and_tomorrow() {
        let live = Live::new(RingBytes::default());
        let today = live.tail(StreamId::new());
        live.fail(&Error::unavailable("first"));
        live.fail(&Error::unavailable("second"));
        let tomorrow = live.tail(StreamId::new());
        for tail in [today, tomorrow] {
            let why = tail.broken().unwrap();
            assert!(why.to_string().contains("first"), "{why}");
        }
    }
}
