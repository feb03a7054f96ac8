//! Who is asked: the service, a gateway, or the simulator in this process.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use perennial::{Client, ClientBuilder, DEFAULT_BASE_URL, Deadlines, MaxHops, RetryPolicy};
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::exit::{Exit, Failure};
use crate::gateway::{self, Gateway};
use crate::recording::Tee;
use crate::show::Paid;
use crate::sim::SimulatorArgs;
use crate::{embedded, seconds};

/// Said where nobody said whom to ask.
const SIMULATED: &str =
    "no key and no base URL: the embedded simulator answers (set ANTHROPIC_API_KEY for the real thing)";

/// So long a service may take to say that it is a gateway.
const PATIENCE: Duration = Duration::from_secs(4);

/// What a gateway says of itself, as far as it matters here.
#[derive(Deserialize)]
struct Session {
    mode: String,
    conversations: bool,
}

/// Whom to ask, and how patiently.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Ask the embedded simulator, even if there is a key
    #[arg(long, conflicts_with = "base_url")]
    sim: bool,
    /// Where to ask, without /v1 [env: ANTHROPIC_BASE_URL]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// A header of the request
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Seconds after which to give up, whatever has come
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// How often to ask again where nothing of the answer had come
    #[arg(long, value_name = "N", default_value_t = RetryPolicy::default().max_retries)]
    retries: u32,
    /// How often to ask for the rest of an answer that broke in the middle; each time is billed
    #[arg(long, value_name = "N", default_value_t = 0)]
    recover: u32,
    /// Record the stream into this file, with the time of each event
    #[arg(long, value_name = "FILE", conflicts_with = "recover")]
    tee_sse: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Embedded simulator")]
    simulator: SimulatorArgs,
}

/// Whoever answers.
pub(crate) struct Service {
    pub(crate) client: Client,
    pub(crate) paid: Paid,
    /// What a reader should know about who it is.
    pub(crate) notice: Option<&'static str>,
    /// Answers until this is dropped.
    _simulator: Option<perennial_sim::Handle>,
}

impl ServiceArgs {
    /// Records the stream into this file.
    pub(crate) fn tee(&mut self, file: PathBuf) {
        self.tee_sse = Some(file);
    }

    /// The gateway that answers, where one does that keeps conversations, and whether anybody is paid there. Whoever does not answer as one is none.
    pub(crate) async fn gateway(&self) -> Result<Option<(Gateway, Paid)>, Failure> {
        let url = self.base_url.clone().or_else(|| variable("ANTHROPIC_BASE_URL"));
        let Some(url) = url.filter(|url| !self.sim && url.trim_end_matches('/') != DEFAULT_BASE_URL) else {
            return Ok(None);
        };
        let mut headers = HeaderMap::new();
        if let Some(key) = variable("ANTHROPIC_API_KEY") {
            gateway::put(&mut headers, "x-api-key", key.trim())?;
        } else if let Some(token) = variable("ANTHROPIC_AUTH_TOKEN") {
            gateway::put(&mut headers, "authorization", &format!("Bearer {}", token.trim()))?;
        }
        let ours = variable("ANTHROPIC_CUSTOM_HEADERS").unwrap_or_default();
        for header in ours.lines().filter(|line| !line.trim().is_empty()) {
            let (name, value) = split(header)?;
            gateway::put(&mut headers, name, value)?;
        }
        for header in &self.headers {
            let (name, value) = split(header)?;
            gateway::put(&mut headers, name, value)?;
        }
        let gateway = Gateway::as_service(&url, headers)?;
        let session = tokio::time::timeout(PATIENCE, gateway.get::<Session>("/v1/session")).await;
        let session = session.ok().and_then(Result::ok).filter(|session| session.conversations);
        Ok(session.map(|session| (gateway, if session.mode == "sim" { Paid::Nobody } else { Paid::Service })))
    }

    /// Whether the stream of each answer is read as the service sends it.
    pub(crate) fn wants_the_service_itself(&self) -> bool {
        self.tee_sse.is_some() || self.recover > 0
    }

    /// Makes the client, and starts the simulator where that is asked.
    pub(crate) async fn open(&self) -> Result<Service, Failure> {
        let set = |name: &str| variable(name).is_some();
        let keyed = set("ANTHROPIC_API_KEY") || set("ANTHROPIC_AUTH_TOKEN");
        let addressed = self.base_url.is_some() || set("ANTHROPIC_BASE_URL");
        let simulated = self.sim || !(keyed || addressed);
        let wrong = |error: perennial::Error| Failure::new(Exit::Configuration, error);
        let simulator = if simulated { Some(embedded::start(&self.simulator).await?) } else { None };
        let mut builder = match (&simulator, &self.base_url) {
            (Some(simulator), _) => Client::builder().base_url(simulator.url()).api_key(embedded::KEY),
            (None, Some(url)) => {
                let builder = ClientBuilder::from_env();
                // Without a key the environment names no service; the flag does.
                let builder = if keyed { builder.map_err(wrong)? } else { Client::builder() };
                builder.base_url(url)
            }
            (None, None) => ClientBuilder::from_env().map_err(wrong)?,
        };
        for header in &self.headers {
            let (name, value) = split(header)?;
            builder = builder.header(name, value);
        }
        if self.recover > 0 {
            builder = builder.continuing(MaxHops(self.recover));
        }
        if let Some(file) = &self.tee_sse {
            builder = builder.transport(Tee::new(Deadlines::default().connect, file.clone())?);
        }
        let deadlines = Deadlines { total: self.timeout, ..Deadlines::default() };
        let retries = RetryPolicy { max_retries: self.retries, ..RetryPolicy::default() };
        let client = builder.deadlines(deadlines).retries(retries).build().map_err(wrong)?;
        Ok(Service {
            client,
            paid: if simulated { Paid::Nobody } else { Paid::Service },
            notice: (simulated && !self.sim).then_some(SIMULATED),
            _simulator: simulator,
        })
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Name and value of a header.
fn split(header: &str) -> Result<(&str, &str), Failure> {
    let (name, value) = header
        .split_once(':')
        .ok_or_else(|| Failure::new(Exit::Usage, format!("--header `{header}` is not `NAME: VALUE`")))?;
    Ok((name.trim(), value.trim()))
}
