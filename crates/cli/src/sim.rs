//! `perennial sim`: the simulator as a service.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use perennial_sim::{Pace, Scenario, Simulator};

use crate::Run;
use crate::exit::{Exit, Failure};
use crate::listen::{self, Signals};
use crate::logging::{Format, Logging};

#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// Where to listen; port 0 takes any free port
    #[arg(long, value_name = "ADDR", value_parser = listen::address, default_value = "127.0.0.1:8788", env = "PERENNIAL_SIM_LISTEN")]
    listen: SocketAddr,
    /// What a line of the log is, on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text", env = "PERENNIAL_LOG_FORMAT")]
    log_format: Format,
    #[command(flatten)]
    simulator: SimulatorArgs,
}

/// What the simulator is to be like; `serve` and `ask` take the same for the one they embed.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SimulatorArgs {
    /// Answer model `replay:NAME` with the bytes of DIR/NAME.sse
    #[arg(long, value_name = "DIR")]
    pub(crate) replay: Option<PathBuf>,
    /// Same seed, same answers, waits and faults
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// `real`, `instant`, or words such as `ttft=1s,tps=20,jitter=0.5,burst=4,ping=5s`
    #[arg(long, value_name = "PACE")]
    pub(crate) pace: Option<Pace>,
    /// Faults and manners of every answer, in the words of the header `perennial-sim`
    #[arg(long, value_name = "WORDS")]
    pub(crate) orders: Option<String>,
    /// A scenario: scripted answers, rules and faults
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
}

impl SimulatorArgs {
    /// Takes what is said here over what is there.
    pub(crate) fn over(&self, there: &mut Self) {
        let ours = self.clone();
        there.replay = ours.replay.or(there.replay.take());
        there.seed = ours.seed.or(there.seed);
        there.pace = ours.pace.or(there.pace.take());
        there.orders = ours.orders.or(there.orders.take());
        there.scenario = ours.scenario.or(there.scenario.take());
    }

    pub(crate) fn builder(&self) -> Result<perennial_sim::Builder, Failure> {
        let mut builder = Simulator::builder();
        if let Some(folder) = &self.replay {
            builder = builder.replay_dir(folder);
        }
        if let Some(seed) = self.seed {
            builder = builder.seed(seed);
        }
        if let Some(pace) = &self.pace {
            builder = builder.pace(pace.clone());
        }
        if let Some(orders) = &self.orders {
            builder = builder.orders(orders);
        }
        if let Some(file) = &self.scenario {
            builder = builder.scenario(read_scenario(file)?);
        }
        Ok(builder)
    }
}

fn read_scenario(file: &Path) -> Result<Scenario, Failure> {
    let wrong =
        |why: String| Failure::new(Exit::Configuration, format!("scenario {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    Scenario::parse(&text).map_err(|error| wrong(error.to_string()))
}

pub(crate) fn run(args: &SimArgs) -> Run {
    Logging::from_env(args.log_format).start();
    let simulator =
        args.simulator.builder()?.build().map_err(|error| Failure::new(Exit::Configuration, error))?;
    listen::runtime()?.block_on(async {
        let listener = listen::bind(args.listen).await?;
        // Caught before anyone can know that it runs.
        let mut signals = Signals::catch()?;
        listen::announce(&listener)?;
        simulator
            .run(listener, signals.next())
            .await
            .map_err(|error| Failure::new(Exit::Other, format!("the simulator stopped: {error}")))?;
        Ok(Exit::Done)
    })
}
