//! The thread that moves what was written into the store, a little later and many appends at once.
//!
//! Nobody waits for it, unless too much is pending. It also makes the journal's next segment ready, and does away with those of which
//! the store has everything.

use std::sync::Arc;

use super::{
    front::{self, Front},
    store::Store,
};
use crate::{Error, ReserveBytes};

pub(super) struct Mover {
    pub(super) front: Arc<Front>,
    pub(super) store: Arc<Store>,
    pub(super) reserve: ReserveBytes,
}

impl Mover {
    /// Works until the log is closed and everything is moved, or until something fails.
    pub(super) fn run(self) {
        while let Some(generation) = self.front.wait() {
            let position = generation.until;
            if let Err(error) = self.store.apply(&generation) {
                self.front.fail(self.store.write_error(error));
                return;
            }
            let deleted: Vec<_> = generation
                .changes
                .iter()
                .filter(|(_, change)| change.deleted)
                .map(|(stream, _)| *stream)
                .collect();
            self.front.moved(generation);
            for stream in deleted {
                if let Err(error) = self.store.purge(stream) {
                    // Nobody can read them; they go with their bucket.
                    tracing::warn!(%stream, %error, "the records of a deleted stream were not removed yet");
                }
            }
            if let Err(failure) = self.turn_segments(position) {
                self.front.fail(failure);
                return;
            }
            self.probe();
        }
    }

    fn turn_segments(&self, position: u64) -> Result<(), Error> {
        // Where room is short, nothing is made ahead and nothing is kept for later: that would come out of the reserve.
        let ahead = self.store.has_room(self.reserve);
        if self.front.has_passed(position) {
            self.store.sync().map_err(|error| self.store.write_error(error))?;
            self.front.retire(position, ahead).map_err(front::write_error)?;
        }
        if ahead && let Err(error) = self.front.prepare(0) {
            // It is not needed yet; who needs it will see.
            tracing::warn!(%error, "the journal's next file cannot be made yet");
        }
        Ok(())
    }

    /// Looks up the space that is left.
    fn probe(&self) {
        self.front.set_full(self.store.available().is_ok_and(|available| available < self.reserve.get()));
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        // fjall gives up on some kinds of failure by panicking.
        if std::thread::panicking() {
            self.front.fail(Error::unavailable("a write failed"));
        }
    }
}
