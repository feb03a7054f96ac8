//! What all in one run share: the simulator, the gateway in front of it, a client, and what was seen so far.

use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use perennial_sim::{Pace, Simulator};
use tokio::sync::watch;

use crate::process::Gateway;

/// Nothing here takes longer, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The most that readers see between two kills, about.
const RECORDS_PER_KILL: u64 = 1500;

pub(crate) struct World {
    pub(crate) sim: perennial_sim::Handle,
    pub(crate) gateway: Gateway,
    pub(crate) http: reqwest::Client,
    /// The streams whose names were told.
    pub(crate) known: Mutex<Vec<String>>,
    /// How many records readers have seen, all together.
    seen: watch::Sender<u64>,
    /// How many of them are the start of a message.
    started: watch::Sender<u64>,
    /// How many requests for a stream were sent.
    asked: watch::Sender<u64>,
}

impl World {
    pub(crate) async fn new(durability: &'static str) -> Self {
        let sim = Simulator::builder().seed(7).pace(Pace::default()).spawn().await.unwrap();
        let gateway = Gateway::new(sim.url(), durability);
        gateway.start().await;
        // A connection for each request: none that a killed gateway left behind.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Self {
            sim,
            gateway,
            http,
            known: Mutex::default(),
            seen: watch::Sender::new(0),
            started: watch::Sender::new(0),
            asked: watch::Sender::new(0),
        }
    }

    pub(crate) fn saw(&self, name: &str) {
        self.seen.send_modify(|seen| *seen += 1);
        if name == "message_start" {
            self.started.send_modify(|started| *started += 1);
        }
    }

    pub(crate) fn asks(&self) {
        self.asked.send_modify(|asked| *asked += 1);
    }

    /// A moment to kill the gateway at.
    pub(crate) async fn moment(&self, random: &mut Rng) {
        // As soon as it is up, now and then: streams are being settled, and readers come back.
        if random.u8(..8) == 0 {
            return;
        }
        // Somewhere in the middle, whatever happens there.
        let then = *self.seen.borrow() + random.u64(..RECORDS_PER_KILL);
        self.seen.subscribe().wait_for(|now| *now >= then).await.unwrap();
        let journal = self.sim.journal();
        let last = journal.entries().last().map_or(0, |entry| entry.number);
        match random.u8(..8) {
            // A request is on its way, or was just kept.
            0 | 1 => {
                let asked = *self.asked.borrow();
                self.asked.subscribe().wait_for(|now| *now > asked).await.unwrap();
            }
            // The upstream is asked.
            2 => drop(journal.wait_for(|entry| entry.number > last).await),
            // Somebody has the start of a message, and mostly nothing of its content yet.
            3..6 => {
                let started = *self.started.borrow();
                self.started.subscribe().wait_for(|now| *now > started).await.unwrap();
            }
            _ => {}
        }
    }
}
