//! Memory and sockets of the gateway: what it holds when nothing runs, before the load and after it.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::gate::Holdings;
use crate::world::World;

/// By then it must be back.
pub(crate) const BACK_AFTER: Duration = Duration::from_secs(60);
/// And be within this share of what it was.
const WITHIN_PERCENT: u64 = 20;
/// What a process holds is looked at so often.
const LOOK: Duration = Duration::from_millis(500);

/// After the load.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Back {
    /// Right after the last stream.
    pub(crate) at_once: Holdings,
    pub(crate) settled: Holdings,
    pub(crate) after_s: f64,
    pub(crate) is_back: bool,
}

/// What is held once it no longer falls.
pub(crate) async fn settled(world: &World) -> Result<Holdings> {
    let mut least = world.gate.holdings()?;
    for _ in 0..6 {
        sleep(LOOK).await;
        let now = world.gate.holdings()?;
        if now.resident < least.resident {
            least = now;
        }
    }
    Ok(least)
}

/// Waits until the gateway holds no more than before.
pub(crate) async fn back(world: &World, idle: Holdings, patience: Duration) -> Result<Back> {
    let began = Instant::now();
    let at_once = world.gate.holdings()?;
    let limit = idle.resident + idle.resident * WITHIN_PERCENT / 100;
    loop {
        let settled = world.gate.holdings()?;
        let is_back = settled.resident <= limit;
        if is_back || began.elapsed() >= patience {
            return Ok(Back { at_once, settled, after_s: began.elapsed().as_secs_f64(), is_back });
        }
        sleep(LOOK).await;
    }
}
