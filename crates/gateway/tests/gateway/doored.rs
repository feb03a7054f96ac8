//! A gateway behind a door: its answers run as long as a test wants them to.

use perennial_gateway::{Builder, Gateway, Recovery};
use perennial_sim::Pace;

use crate::door::{Door, Shut};
use crate::rig::{Rig, simulator};

/// Inside an event in the middle of the text.
pub(crate) const IN_TEXT: Shut = Shut::After(1_200);

impl Rig {
    /// With a door before the simulator.
    pub(crate) async fn behind_door(shut: Shut, change: impl FnOnce(Builder) -> Builder) -> (Self, Door) {
        let sim = simulator().pace(Pace::instant()).spawn().await.unwrap();
        let door = Door::before(&sim.url(), shut).await;
        let gateway = change(Gateway::builder(door.url.clone()).recovery(Recovery::none()));
        let gateway = gateway.build().unwrap().spawn().await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        (Self { sim, gateway, http }, door)
    }
}
