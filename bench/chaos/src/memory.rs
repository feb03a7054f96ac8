//! Memory and sockets of the gateway: what it holds when it has done nothing yet, after each share of the streams, and when it has
//! nothing to do any more.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tokio::time::sleep;

use crate::gate::Holdings;
use crate::world::World;

/// The streams come in so many equal shares, with a look after each.
pub(crate) const SHARES: u64 = 5;
/// After so long without anything to do it must be back.
const IDLE: Duration = Duration::from_secs(60);
const STARTED_AFTER: Duration = Duration::from_secs(3);
/// What may be left then beside what it began with, `docs/operations.md` has of what: the store's cache, the pages of SQLite, and what an
/// allocator needs to lay out both.
const KEPT_BYTES: u64 = 40 << 20;
/// How much more it may hold after the last share than after the second, when everything has been used once: the store's tables in memory are
/// empty at one look and full at the other.
const SWING_BYTES: u64 = 48 << 20;
/// What a process holds is looked at so often.
const LOOK: Duration = Duration::from_millis(500);
/// How often that is printed.
const SHOWN_EVERY: u32 = 20;

/// What it held, from the start to the end.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Course {
    /// Before the first stream.
    pub(crate) fresh: Holdings,
    /// After each share, once it no longer fell.
    pub(crate) shares: Vec<Holdings>,
    /// Right after the last stream, and the last client that left.
    pub(crate) at_once: Holdings,
    /// After it had nothing to do for so long.
    pub(crate) idle: Holdings,
    pub(crate) idle_s: f64,
}

impl Course {
    /// Looks when what is loaded beside the listening is there.
    pub(crate) async fn begin(world: &World, is_short: bool) -> Result<Self> {
        if !is_short {
            sleep(STARTED_AFTER).await;
        }
        let fresh = world.gate.holdings()?;
        Ok(Self { fresh, shares: Vec::new(), at_once: fresh, idle: fresh, idle_s: 0.0 })
    }

    /// Looks after a share.
    pub(crate) async fn note_share(&mut self, world: &World) -> Result<()> {
        let least = settled(world).await?;
        println!("{} MiB after share {}", least.own >> 20, self.shares.len() + 1);
        self.shares.push(least);
        Ok(())
    }

    /// What it holds that it should not.
    pub(crate) fn breaches(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        let mut most = |what: &str, now: u64, before: u64, more: u64| {
            if now > before + more {
                let [now, before, more] = [now, before, more].map(|bytes| bytes >> 20);
                breaches.push(format!("memory: {now} MiB {what} {before} MiB and {more} more"));
            }
        };
        if let [_, second, .., last] = &self.shares[..] {
            most("after the last share, after the second", last.own, second.own, SWING_BYTES);
        }
        most("with nothing to do, when started", self.idle.own, self.fresh.own, KEPT_BYTES);
        breaches
    }

    /// Leaves the gateway alone.
    pub(crate) async fn rest(&mut self, world: &World) -> Result<()> {
        self.at_once = world.gate.holdings()?;
        self.idle = self.at_once;
        let looks = u32::try_from(IDLE.as_millis() / LOOK.as_millis()).unwrap_or(u32::MAX);
        for look in 1..=looks {
            sleep(LOOK).await;
            self.idle = world.gate.holdings()?;
            self.idle_s = (LOOK * look).as_secs_f64();
            if look % SHOWN_EVERY == 0 {
                println!("{} MiB after {:.0} s of nothing", self.idle.own >> 20, self.idle_s);
            }
        }
        Ok(())
    }
}

/// What is held once it no longer falls.
async fn settled(world: &World) -> Result<Holdings> {
    let mut least = world.gate.holdings()?;
    for _ in 0..6 {
        sleep(LOOK).await;
        let now = world.gate.holdings()?;
        if now.own < least.own {
            least = now;
        }
    }
    Ok(least)
}
