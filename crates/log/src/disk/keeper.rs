//! What is done from time to time: syncing, expiring, turning the buckets, writing out what lies in memory.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    committer::{Command, What},
    front::Front,
    store::Store,
};
use crate::{Clock, Durability, Error};

/// How often the space that is left is looked up.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How far the time up to which all has expired for good may lag behind the clock, where nobody asks.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
/// A store that nothing was added to for so long, and at most for twice that, has what it holds in memory written out.
const REST_AFTER: Duration = Duration::from_secs(10);
/// How long before its time a bucket is made, so that no append waits for it.
const AHEAD: Duration = Duration::from_secs(60);

/// The tasks that do it. They end when they are stopped or the store is gone.
pub(super) struct Keeper {
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Clone)]
struct Rounds {
    store: Weak<Store>,
    front: Weak<Front>,
    commands: mpsc::WeakSender<Command>,
    clock: Clock,
}

impl Keeper {
    pub(super) fn start(
        store: &Arc<Store>,
        front: &Arc<Front>,
        commands: &mpsc::Sender<Command>,
        clock: Clock,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let rounds = Rounds {
            store: Arc::downgrade(store),
            front: Arc::downgrade(front),
            commands: commands.downgrade(),
            clock,
        };
        // Two, since turning buckets must not delay a sync.
        let tasks = vec![
            tokio::spawn(rounds.clone().keep_synced(stopped.clone())),
            tokio::spawn(rounds.keep_tidy(stopped)),
        ];
        Self { stop, tasks: Mutex::new(tasks) }
    }

    /// Ends the rounds; none is under way afterwards.
    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            // It fails only where the runtime itself is ending.
            let _ = task.await;
        }
    }
}

impl Rounds {
    async fn keep_synced(self, mut stopped: watch::Receiver<bool>) {
        let mut sync = every(Durability::SYNC_EVERY);
        loop {
            let going_on = tokio::select! {
                _ = stopped.changed() => None,
                _ = sync.tick() => self.sync().await,
            };
            if going_on.is_none() {
                return;
            }
        }
    }

    async fn keep_tidy(self, mut stopped: watch::Receiver<bool>) {
        let (mut probe, mut turn) = (every(PROBE_EVERY), every(EXPIRE_EVERY));
        let mut rest = every(REST_AFTER);
        loop {
            let going_on = tokio::select! {
                _ = stopped.changed() => None,
                _ = turn.tick() => self.turn().await,
                _ = probe.tick() => self.tick(false).await,
                _ = rest.tick() => self.work(Store::rest).await,
            };
            if going_on.is_none() {
                return;
            }
        }
    }

    async fn sync(&self) -> Option<()> {
        let front = self.front.upgrade()?;
        if front.is_dirty() {
            // Where it fails, it tells everybody itself.
            tokio::task::spawn_blocking(move || front.sync()).await.ok()?.ok()?;
        }
        Some(())
    }

    /// Makes expired for good what has expired, then drops what can be dropped.
    async fn turn(&self) -> Option<()> {
        self.tick(true).await?;
        let soon = self.clock.now().plus(AHEAD);
        self.work(move |store| store.turn_buckets(soon)).await
    }

    async fn tick(&self, expire: bool) -> Option<()> {
        let command = Command {
            what: What::Tick { expire },
            now: self.clock.now(),
            reply: None,
            permit: None,
            ticket: None,
        };
        self.commands.upgrade()?.send(command).await.ok()
    }

    /// Does something off the runtime; its failure is the log's.
    async fn work(&self, what: impl FnOnce(&Store) -> fjall::Result<()> + Send + 'static) -> Option<()> {
        let store = self.store.upgrade()?;
        let working =
            tokio::task::spawn_blocking(move || what(&store).map_err(|error| store.write_error(error)));
        let failure = match working.await {
            Ok(Ok(())) => return Some(()),
            Ok(Err(failure)) => failure,
            Err(gave_up) => Error::unavailable("a write failed").because(gave_up),
        };
        self.front.upgrade()?.fail(failure);
        None
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
