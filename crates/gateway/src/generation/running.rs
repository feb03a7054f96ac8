//! A stream that runs here: who reads it, what it has used so far, and how it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::Mutex;
use perennial_log::StreamId;
use perennial_protocol::Usage;
use tokio_util::sync::CancellationToken;

use crate::access::Owner;
use crate::face::Shelf;
use crate::limits::MaxReaders;
use crate::policy::OnDisconnect;
use crate::presence::{Presence, Readers};

/// A stream that runs here.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) id: StreamId,
    pub(crate) owner: Owner,
    pub(crate) model: Option<String>,
    pub(crate) policy: OnDisconnect,
    /// What its readers share.
    pub(crate) shelf: Arc<Shelf>,
    /// Another attempt goes on with an answer that broke.
    recovering: AtomicBool,
    progress: Mutex<Progress>,
    readers: Arc<Readers>,
    stop: AtomicU8,
    ended: CancellationToken,
}

/// How far the answer is, as the service last said it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) usage: Option<Usage>,
    pub(crate) is_final: bool,
}

/// A wish that a stream stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Somebody asked for it.
    Asked = 1,
    /// The gateway stops.
    Shutdown = 2,
}

impl Running {
    pub(crate) fn new(id: StreamId, owner: Owner, model: Option<String>, policy: OnDisconnect) -> Self {
        Self {
            id,
            owner,
            model,
            policy,
            shelf: Arc::default(),
            recovering: AtomicBool::new(false),
            progress: Mutex::default(),
            readers: Readers::of(id),
            stop: AtomicU8::new(0),
            ended: CancellationToken::new(),
        }
    }

    /// Adds a reader; `None` where there are too many.
    pub(crate) fn enter(&self, limit: MaxReaders) -> Option<Presence> {
        self.readers.enter(limit)
    }

    pub(crate) fn readers(&self) -> usize {
        self.readers.number()
    }

    /// Asks it to stop. The first wish stands.
    pub(crate) fn stop(&self, stop: Stop) {
        // A second wish changes nothing, whichever came first.
        let _ = self.stop.compare_exchange(0, stop as u8, Ordering::AcqRel, Ordering::Acquire);
        self.readers.wake();
    }

    pub(crate) fn asked_to_stop(&self) -> Option<Stop> {
        match self.stop.load(Ordering::Acquire) {
            1 => Some(Stop::Asked),
            2 => Some(Stop::Shutdown),
            _ => None,
        }
    }

    /// The generation wants to know of whatever changes.
    pub(crate) fn watched_by(&self, waker: &std::task::Waker) {
        self.readers.watched_by(waker);
    }

    pub(crate) fn is_recovering(&self) -> bool {
        self.recovering.load(Ordering::Acquire)
    }

    pub(crate) fn set_recovering(&self, recovering: bool) {
        self.recovering.store(recovering, Ordering::Release);
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.lock().clone()
    }

    pub(crate) fn set_progress(&self, progress: Progress) {
        *self.progress.lock() = progress;
    }

    /// Its generation is over, and with it its last record is there, if one could be written.
    pub(crate) fn set_ended(&self) {
        self.ended.cancel();
    }

    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}
