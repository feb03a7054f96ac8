//! Who answers the examples: the service that the environment names, else the simulator.

use perennial::{Client, ClientBuilder};
use perennial_gateway::Gateway;
use perennial_sim::{Handle, Simulator};

/// A client and, where there is nobody else to ask, the simulator it asks.
pub(crate) struct Service {
    pub(crate) client: Client,
    /// Stop when they are dropped.
    _simulator: Option<Handle>,
    _gateway: Option<perennial_gateway::Handle>,
}

/// With `ANTHROPIC_API_KEY` or `ANTHROPIC_BASE_URL` set, a client of that service; else one of a simulator that runs in this process.
pub(crate) async fn connect() -> anyhow::Result<Service> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"].into_iter().any(is_set) {
        return Ok(Service { client: Client::from_env()?, _simulator: None, _gateway: None });
    }
    eprintln!("(no ANTHROPIC_API_KEY and no ANTHROPIC_BASE_URL: the simulator answers)");
    let simulator = Simulator::builder().spawn().await?;
    let client = Client::builder().base_url(simulator.url()).api_key("sk-ant-simulated").build()?;
    Ok(Service { client, _simulator: Some(simulator), _gateway: None })
}

/// A client of a gateway of our own, in front of the service that the environment names or of a simulator.
#[allow(dead_code, reason = "few examples need one")]
pub(crate) async fn connect_to_gateway() -> anyhow::Result<Service> {
    let mut service = connect().await?;
    let gateway = Gateway::builder(service.client.base_url()).build()?.spawn().await?;
    let client = match service._simulator {
        Some(_) => Client::builder().api_key("sk-ant-simulated"),
        None => ClientBuilder::from_env()?,
    };
    service.client = client.base_url(gateway.url()).build()?;
    service._gateway = Some(gateway);
    Ok(service)
}
