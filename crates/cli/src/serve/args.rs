//! The flags of `perennial serve`. What they do not say, the environment, the file or the defaults do.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args};
use perennial_gateway::OnDisconnect;

use crate::config::{self, Config, File, Origin, Secret, Upstream, Url, Wrongs};
use crate::exit::{Failure, say};
use crate::ledger::MoneyArgs;
use crate::logging::Format;
use crate::sim::SimulatorArgs;
use crate::store::StoreArgs;
use crate::{listen, seconds};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The file of settings; `perennial config example` prints one [default: perennial.toml in this folder, if there is one]
    #[arg(long, value_name = "FILE", env = "PERENNIAL_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Where to listen; port 0 takes any free port [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR", value_parser = listen::address, env = "PERENNIAL_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where requests go, in place of all upstreams of the file; without any the Claude API if there is a key, else the embedded simulator
    #[arg(long, value_name = "URL", env = "ANTHROPIC_BASE_URL")]
    upstream: Option<String>,
    /// The key that goes up there in place of the clients' (better in the environment than here, or as env:NAME or file:PATH)
    #[arg(long, value_name = "KEY", env = "ANTHROPIC_API_KEY", hide_env_values = true)]
    upstream_key: Option<String>,
    /// The same as a token, for services that take `Authorization: Bearer`; a key goes before it
    #[arg(long, value_name = "TOKEN", env = "ANTHROPIC_AUTH_TOKEN", hide_env_values = true)]
    upstream_token: Option<String>,
    /// A key that clients must show; may be given several times, or with commas. Needed to listen beyond this machine
    #[arg(
        long,
        value_name = "KEY",
        env = "PERENNIAL_CLIENT_KEYS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    client_key: Vec<String>,
    /// A key that may do the same, and read and stop the streams of all keys
    #[arg(
        long,
        value_name = "KEY",
        env = "PERENNIAL_OPERATOR_KEYS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    operator_key: Vec<String>,
    /// An origin whose web pages may ask, such as https://app.example; may be given several times
    #[arg(long, value_name = "ORIGIN", env = "PERENNIAL_ALLOW_ORIGINS", value_delimiter = ',')]
    allow_origin: Vec<String>,
    #[command(flatten, next_help_heading = "Streams")]
    store: StoreArgs,
    /// What becomes of the stream of a client that goes: cancel, grace=SECONDS or detach. A request may say otherwise [default: cancel]
    #[arg(long, value_name = "POLICY", env = "PERENNIAL_ON_DISCONNECT", help_heading = "Streams")]
    on_disconnect: Option<OnDisconnect>,
    /// Whether an answer that breaks is gone on with [default: on]
    #[arg(long, value_name = "on|off", value_parser = on_or_off, action = ArgAction::Set, help_heading = "Trouble")]
    recovery: Option<bool>,
    /// A text that stands in for an answer when no upstream gives one
    #[arg(long, value_name = "TEXT", help_heading = "Trouble")]
    fallback_answer: Option<String>,
    /// The answer that the same key got for the identical request stands in before it
    #[arg(long, help_heading = "Trouble")]
    cache: bool,
    #[command(flatten, next_help_heading = "Money")]
    money: MoneyArgs,
    /// Where conversations are kept: sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE; without it `conversations.db` in the folder for data
    #[arg(
        long,
        value_name = "URL",
        env = "PERENNIAL_CONVERSATIONS",
        hide_env_values = true,
        help_heading = "Conversations"
    )]
    conversations: Option<String>,
    /// A host from which the tool `fetch` of conversations may fetch, or *.example.com for all below one; may be given several times
    #[arg(long, value_name = "HOST", value_delimiter = ',', help_heading = "Conversations")]
    fetch_host: Vec<String>,
    #[command(flatten, next_help_heading = "Limits")]
    limits: LimitArgs,
    /// Seconds of silence after which a client gets a ping [default: 15]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Clocks")]
    ping: Option<Duration>,
    /// Seconds of silence of the upstream after which it is asked again [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Clocks")]
    silence: Option<Duration>,
    /// Seconds without anything of the answer itself, pings not counted, after which it is asked again [default: 180]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Clocks")]
    progress: Option<Duration>,
    /// Seconds for a whole answer, all attempts together [default: no end]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Clocks")]
    total: Option<Duration>,
    /// Seconds that running streams get to end once the service is to stop [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Clocks")]
    drain: Option<Duration>,
    /// What a line of the log is, on standard error [default: text]
    #[arg(long, value_name = "FORMAT", env = "PERENNIAL_LOG_FORMAT")]
    log_format: Option<Format>,
    #[command(flatten, next_help_heading = "Embedded simulator")]
    simulator: SimulatorArgs,
}

/// How much is taken on.
#[derive(Debug, Args)]
struct LimitArgs {
    /// Connections of clients [default: 10000]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// Streams that run at once [default: 20000]
    #[arg(long, value_name = "N")]
    max_streams: Option<usize>,
    /// Streams of one key that run at once [default: 10000]
    #[arg(long, value_name = "N")]
    max_streams_per_key: Option<usize>,
    /// Readers of one stream that runs [default: 10000]
    #[arg(long, value_name = "N")]
    max_readers: Option<usize>,
    /// Bytes of a request's body [default: 33554432]
    #[arg(long, value_name = "BYTES")]
    max_body: Option<usize>,
}

impl ServeArgs {
    /// All settings: these flags over the environment over the file over the defaults.
    pub(super) fn over(&self, file: Option<&File>) -> Result<Config, Failure> {
        let mut config = config::read(file).map_err(Wrongs::failure)?;
        put(&mut config.listen, self.listen);
        for (there, keys, flag) in [
            (&mut config.client_keys, &self.client_key, "--client-key"),
            (&mut config.operator_keys, &self.operator_key, "--operator-key"),
        ] {
            let given: Vec<Secret> = keys.iter().filter_map(|key| secret(Some(key), flag)).collect();
            if !given.is_empty() {
                *there = given;
            }
        }
        let origins =
            self.allow_origin.iter().map(|origin| origin.trim()).filter(|origin| !origin.is_empty());
        let origins: Vec<Origin> = origins.map(|origin| Origin(origin.to_owned())).collect();
        if !origins.is_empty() {
            config.allow_origins = origins;
        }
        self.upstream(&mut config, file);
        self.store.over(&mut config.store);
        put(&mut config.on_disconnect, self.on_disconnect);
        put(&mut config.recovery.enabled, self.recovery);
        if let Some(answer) = self.fallback_answer.as_ref().filter(|answer| !answer.trim().is_empty()) {
            config.fallback.answer = Some(answer.clone());
        }
        config.fallback.cache |= self.cache;
        self.money.over(&mut config.ledger);
        if let Some(url) = secret(self.conversations.as_ref(), "--conversations") {
            config.conversations.url = Some(url);
        }
        if !self.fetch_host.is_empty() {
            config.conversations.fetch_hosts.clone_from(&self.fetch_host);
        }
        let (limits, ours) = (&mut config.limits, &self.limits);
        put(&mut limits.connections.0, ours.max_connections);
        put(&mut limits.streams.0, ours.max_streams);
        put(&mut limits.streams_per_key.0, ours.max_streams_per_key);
        put(&mut limits.readers.0, ours.max_readers);
        put(&mut limits.body.0, ours.max_body);
        let clocks = &mut config.clocks;
        put(&mut clocks.ping, self.ping);
        put(&mut clocks.silence, self.silence);
        put(&mut clocks.progress, self.progress);
        put(&mut clocks.drain, self.drain);
        clocks.total = self.total.or(clocks.total);
        put(&mut config.log.format, self.log_format);
        self.simulator.over(&mut config.simulator);
        Ok(config)
    }

    /// An address that is given here replaces those of the file; a key goes where the address of here is, and nowhere else.
    fn upstream(&self, config: &mut Config, file: Option<&File>) {
        let key = secret(self.upstream_key.as_ref(), "ANTHROPIC_API_KEY");
        let token = secret(self.upstream_token.as_ref(), "ANTHROPIC_AUTH_TOKEN").filter(|_| key.is_none());
        let url = self.upstream.as_ref().map(|url| url.trim()).filter(|url| !url.is_empty());
        let there = config.upstreams.len();
        let name = file.map(File::name).unwrap_or_default();
        match url {
            Some(url) => {
                if there > 0 {
                    say(format_args!("--upstream or ANTHROPIC_BASE_URL goes before the upstreams of {name}"));
                }
                config.upstreams =
                    vec![Upstream { url: Url(url.to_owned()), key, token, ..Upstream::default() }];
            }
            None if there == 0 && (key.is_some() || token.is_some()) => {
                config.upstreams = vec![Upstream { key, token, ..Upstream::default() }];
            }
            None if there > 0 && (key.is_some() || token.is_some()) => {
                let names_it = |secret: &Option<Secret>, variable| {
                    secret.as_ref().is_some_and(|secret| secret.is_variable(variable))
                };
                let is_used = config.upstreams.iter().any(|upstream| {
                    names_it(&upstream.key, "ANTHROPIC_API_KEY")
                        || names_it(&upstream.token, "ANTHROPIC_AUTH_TOKEN")
                });
                if !is_used {
                    say(format_args!(
                        "the key of --upstream-key or ANTHROPIC_API_KEY goes to none of the upstreams of {name}: \
                         give it to one with key = \"env:ANTHROPIC_API_KEY\""
                    ));
                }
            }
            None => {}
        }
    }
}

fn put<T>(there: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *there = given;
    }
}

/// An empty variable of the environment is none.
fn secret(text: Option<&String>, from: &str) -> Option<Secret> {
    Secret::read(text?, Path::new(""), from)
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it is on or off".to_owned()),
    }
}
