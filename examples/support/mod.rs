//! Who answers the examples: the service that the environment names, else the simulator.

use perennial::Client;
use perennial_sim::{Handle, Simulator};

/// A client and, where there is nobody else to ask, the simulator it asks.
pub(crate) struct Service {
    pub(crate) client: Client,
    /// Stops when it is dropped.
    _simulator: Option<Handle>,
}

/// With `ANTHROPIC_API_KEY` or `ANTHROPIC_BASE_URL` set, a client of that service; else one of a simulator that runs in this process.
pub(crate) async fn connect() -> anyhow::Result<Service> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"].into_iter().any(is_set) {
        return Ok(Service { client: Client::from_env()?, _simulator: None });
    }
    eprintln!("(no ANTHROPIC_API_KEY and no ANTHROPIC_BASE_URL: the simulator answers)");
    let simulator = Simulator::builder().spawn().await?;
    let client = Client::builder().base_url(simulator.url()).api_key("sk-ant-simulated").build()?;
    Ok(Service { client, _simulator: Some(simulator) })
}
