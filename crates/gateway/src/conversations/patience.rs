//! Patience with a history that refuses: a disk that is full, a file that somebody holds, a database that is gone.
//!
//! What an answer came to is in the log meanwhile, and is brought into the history by the same process once that takes it, else by the next one. Those that wait
//! for it are no more than ran when it began to refuse: without a history no answer begins.

use std::time::Duration;

use tokio::time::Instant;

use crate::service::Service;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const MOST_WAIT: Duration = Duration::from_secs(15);
/// As long as a log usually keeps a stream: later the next process could not bring it in either.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// From the wish that the gateway stops: the next process does the rest.
const AT_THE_END: Duration = Duration::from_secs(5);

/// The waits between tries, each longer than the one before.
#[derive(Debug)]
pub(super) struct Patience {
    since: Instant,
    wait: Duration,
    stopping: Option<Instant>,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), wait: FIRST_WAIT, stopping: None }
    }

    /// Waits until it is worth another try; false where it is over.
    pub(super) async fn again(&mut self, service: &Service) -> bool {
        if !service.draining.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(self.wait) => {}
                () = service.draining.cancelled() => {}
            }
        }
        if service.draining.is_cancelled() {
            let since = *self.stopping.get_or_insert_with(Instant::now);
            tokio::time::sleep(FIRST_WAIT).await;
            return since.elapsed() < AT_THE_END;
        }
        self.wait = (self.wait * 2).min(MOST_WAIT);
        self.since.elapsed() < LONGEST
    }
}
