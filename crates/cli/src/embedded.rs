//! The embedded simulator: what answers where there is neither a key nor an address, so that everything works with nothing.

use perennial_sim::Handle;

use crate::exit::{Exit, Failure};
use crate::sim::SimulatorArgs;

/// What stands in for a key where the simulator answers, which takes any.
pub(crate) const KEY: &str = "simulator";

/// Starts it on a free port of the loopback interface; it runs until the handle is dropped.
pub(crate) async fn start(args: &SimulatorArgs) -> Result<Handle, Failure> {
    args.builder()?.spawn().await.map_err(|error| Failure::new(Exit::Configuration, error))
}
