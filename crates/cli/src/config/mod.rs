//! What `perennial serve` is to be like: a flag, else the environment, else the file, else the default.

pub(crate) mod command;
mod example;
mod field;
mod file;
mod secret;
mod settings;
mod value;
mod wrong;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use perennial_gateway::{BreakerPolicy, CachePolicy, Clocks, Guard, Limits, OnDisconnect, Recovery};
use perennial_log::Durability;

pub(crate) use self::field::{Origin, Url};
pub(crate) use self::file::{File, find, read};
pub(crate) use self::secret::Secret;
pub(crate) use self::settings::changed_at_start;
pub(crate) use self::wrong::Wrongs;
use crate::logging::Logging;
use crate::sim::SimulatorArgs;

/// Where requests go that have a key and no address.
pub(crate) const CLAUDE_API: &str = "https://api.anthropic.com";

/// All settings. The table in [`settings`] says what each means.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) client_keys: Vec<Secret>,
    pub(crate) operator_keys: Vec<Secret>,
    pub(crate) allow_origins: Vec<Origin>,
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) store: Store,
    pub(crate) ledger: Money,
    pub(crate) conversations: Rooms,
    pub(crate) clocks: Clocks,
    pub(crate) limits: Limits,
    pub(crate) recovery: Mending,
    pub(crate) breaker: BreakerPolicy,
    pub(crate) fallback: StandIns,
    pub(crate) guard: Guard,
    pub(crate) log: Logging,
    pub(crate) trace: Tracing,
    pub(crate) simulator: SimulatorArgs,
}

/// One of the places that requests go to.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) url: Url,
    pub(crate) key: Option<Secret>,
    pub(crate) token: Option<Secret>,
    pub(crate) order: u32,
    pub(crate) weight: u32,
    pub(crate) models: Vec<String>,
}

/// Where streams are kept.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) data: Option<PathBuf>,
    pub(crate) durability: Durability,
    pub(crate) retention: Duration,
}

/// Where it is kept what they cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Money {
    pub(crate) url: Option<Secret>,
    pub(crate) prices: Option<PathBuf>,
}

/// Where conversations are kept, and what their tools may do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rooms {
    pub(crate) url: Option<Secret>,
    pub(crate) fetch_hosts: Vec<String>,
}

/// What is done about answers that break.
#[derive(Clone, Debug)]
pub(crate) struct Mending {
    pub(crate) enabled: bool,
    pub(crate) how: Recovery,
}

/// Where traces go.
#[derive(Clone, Debug)]
pub(crate) struct Tracing {
    pub(crate) endpoint: Option<Url>,
    pub(crate) service_name: String,
    pub(crate) authorization: Option<Secret>,
}

/// What stands in for an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct StandIns {
    pub(crate) answer: Option<String>,
    pub(crate) cache: bool,
    pub(crate) policy: CachePolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)),
            client_keys: Vec::new(),
            operator_keys: Vec::new(),
            allow_origins: Vec::new(),
            on_disconnect: OnDisconnect::default(),
            upstreams: Vec::new(),
            store: Store::default(),
            ledger: Money::default(),
            conversations: Rooms::default(),
            clocks: Clocks::default(),
            limits: Limits::default(),
            recovery: Mending { enabled: true, how: Recovery::default() },
            breaker: BreakerPolicy::default(),
            fallback: StandIns::default(),
            guard: Guard::default(),
            log: Logging::default(),
            trace: Tracing::default(),
            simulator: SimulatorArgs::default(),
        }
    }
}

impl Default for Tracing {
    fn default() -> Self {
        Self { endpoint: None, service_name: "perennial".to_owned(), authorization: None }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { data: None, durability: Durability::default(), retention: Duration::from_secs(24 * 3600) }
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            name: "main".to_owned(),
            url: Url(CLAUDE_API.to_owned()),
            key: None,
            token: None,
            order: 0,
            weight: 1,
            models: Vec::new(),
        }
    }
}
