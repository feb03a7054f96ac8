//! Those who wait for the end of a stream to grow: their wakers, taken all at once when it does.
//!
//! A waker waits for one round, which ends when all are woken. Whoever is polled again in the same round takes the same place again,
//! and whoever goes away leaves it: so there are never more places than there are readers, however often they ask.

use std::task::Waker;

#[derive(Default)]
pub(crate) struct Waiters {
    round: u64,
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// Where a reader waits: nowhere at first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// The round and one, so that 0 is none.
    round: u64,
    index: usize,
}

/// The wakers of a round that has ended. To be woken where no lock is held.
#[derive(Default)]
#[must_use]
pub(crate) struct Woken(Vec<Option<Waker>>);

impl Waiters {
    /// Waits at `place`, or at a new one if that is of an older round. The waker that was there is given back, to be dropped where
    /// no lock is held.
    pub(crate) fn wait(&mut self, place: &mut Place, waker: &Waker) -> Option<Waker> {
        if place.round == self.round + 1
            && let Some(slot) = self.wakers.get_mut(place.index)
        {
            if slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
                return None;
            }
            return slot.replace(waker.clone());
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() - 1
        });
        *place = Place { round: self.round + 1, index };
        self.wakers[index].replace(waker.clone())
    }

    /// Gives up `place`, and the waker that waited there.
    pub(crate) fn leave(&mut self, place: Place) -> Option<Waker> {
        if place.round != self.round + 1 {
            return None;
        }
        let old = self.wakers.get_mut(place.index)?.take();
        self.free.push(place.index);
        old
    }

    /// Ends the round.
    pub(crate) fn take(&mut self) -> Woken {
        if self.wakers.is_empty() {
            return Woken::default();
        }
        self.round += 1;
        self.free.clear();
        // As many will wait again, most likely.
        let next = Vec::with_capacity(self.wakers.len());
        Woken(std::mem::replace(&mut self.wakers, next))
    }
}

impl Woken {
    pub(crate) fn wake(self) {
        for waker in self.0.into_iter().flatten() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn each_is_woken_once_a_round_and_nobody_who_left() {
        let mut waiters = Waiters::default();
        let counts: Vec<Arc<Count>> = (0..10).map(|_| Arc::default()).collect();
        let mut places = [Place::default(); 10];
        for round in 1..=5 {
            for _ in 0..3 {
                for (place, count) in places.iter_mut().zip(&counts) {
                    drop(waiters.wait(place, &Waker::from(Arc::clone(count))));
                }
            }
            assert_eq!(waiters.wakers.len(), 10);
            drop(waiters.leave(places[3]));
            waiters.take().wake();
            waiters.take().wake();
            // Of a round that is over: nobody else's place is given up.
            drop(waiters.leave(places[4]));
            for (index, count) in counts.iter().enumerate() {
                assert_eq!(count.0.load(Ordering::SeqCst), if index == 3 { 0 } else { round }, "{index}");
            }
        }
    }

    #[test]
    fn coming_and_going_takes_no_room() {
        let mut waiters = Waiters::default();
        for _ in 0..1000 {
            let mut place = Place::default();
            drop(waiters.wait(&mut place, Waker::noop()));
            drop(waiters.leave(place));
        }
        assert_eq!((waiters.wakers.len(), waiters.free.len()), (1, 1));
    }
}
