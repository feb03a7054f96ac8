//! `perennial serve`: the gateway as a service.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use perennial_gateway::{
    Clocks, Gateway, Key, Limits, MaxBodyBytes, MaxConnections, MaxReaders, MaxStreams, MaxStreamsPerKey,
    OnDisconnect,
};
use tokio::sync::oneshot;

use crate::exit::{Exit, Failure, say};
use crate::ledger::MoneyArgs;
use crate::listen::{self, Signals};
use crate::sim::SimulatorArgs;
use crate::store::StoreArgs;
use crate::{Run, embedded, logging, seconds};

const CLAUDE_API: &str = "https://api.anthropic.com";

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes any free port
    #[arg(long, value_name = "ADDR", value_parser = listen::address, default_value = "127.0.0.1:8787", env = "PERENNIAL_LISTEN")]
    listen: SocketAddr,
    /// Where requests go; without it the Claude API if there is a key, else the embedded simulator
    #[arg(long, value_name = "URL", env = "ANTHROPIC_BASE_URL")]
    upstream: Option<String>,
    /// The key that goes up in place of the clients' (better in the environment than here)
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
    /// What becomes of the stream of a client that goes: cancel, grace=SECONDS or detach. A request may say otherwise
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "cancel",
        env = "PERENNIAL_ON_DISCONNECT",
        help_heading = "Streams"
    )]
    on_disconnect: OnDisconnect,
    #[command(flatten, next_help_heading = "Money")]
    money: MoneyArgs,
    #[command(flatten, next_help_heading = "Limits")]
    limits: LimitArgs,
    /// Seconds of silence after which a client gets a ping
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "15", help_heading = "Clocks")]
    ping: Duration,
    /// Seconds of silence of the upstream after which a stream is given up
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60", help_heading = "Clocks")]
    silence: Duration,
    /// Seconds that running streams get to end once the service is to stop
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "600", help_heading = "Clocks")]
    drain: Duration,
    #[command(flatten, next_help_heading = "Embedded simulator")]
    simulator: SimulatorArgs,
}

/// How much is taken on.
#[derive(Debug, Args)]
struct LimitArgs {
    /// Connections of clients
    #[arg(long, value_name = "N", default_value_t = MaxConnections::default().0)]
    max_connections: usize,
    /// Streams that run at once
    #[arg(long, value_name = "N", default_value_t = MaxStreams::default().0)]
    max_streams: usize,
    /// Streams of one key that run at once
    #[arg(long, value_name = "N", default_value_t = MaxStreamsPerKey::default().0)]
    max_streams_per_key: usize,
    /// Readers of one stream that runs
    #[arg(long, value_name = "N", default_value_t = MaxReaders::default().0)]
    max_readers: usize,
    /// Bytes of a request's body
    #[arg(long, value_name = "BYTES", default_value_t = MaxBodyBytes::default().0)]
    max_body: usize,
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.connections = MaxConnections(self.max_connections);
        limits.streams = MaxStreams(self.max_streams);
        limits.streams_per_key = MaxStreamsPerKey(self.max_streams_per_key);
        limits.readers = MaxReaders(self.max_readers);
        limits.body = MaxBodyBytes(self.max_body);
        limits
    }
}

/// Where requests go, and what must live as long as they do.
struct Target {
    url: String,
    credential: Option<Credential>,
    /// What the page at `GET /` says of it.
    words: &'static str,
    _simulator: Option<perennial_sim::Handle>,
}

/// What goes up in place of the clients' credentials.
enum Credential {
    Key(Key),
    Token(Key),
}

pub(crate) fn run(args: &ServeArgs) -> Run {
    logging::start();
    listen::runtime()?.block_on(serve(args))
}

async fn serve(args: &ServeArgs) -> Run {
    // The embedded simulator lives as long as this.
    let target = target(args).await?;
    let mut clocks = Clocks::default();
    (clocks.ping, clocks.silence, clocks.drain) = (args.ping, args.silence, args.drain);
    let store = args.store.open().await?;
    let ledger = Arc::new(args.money.open(&args.store).await?);
    let mut builder = Gateway::builder(target.url)
        .answers_from(target.words)
        .clocks(clocks)
        .limits(args.limits.limits())
        .log(Arc::clone(&store.log))
        .ledger(Arc::clone(&ledger))
        .secret(store.secret)
        .threads(std::thread::available_parallelism().map_or(1, usize::from))
        .on_disconnect(args.on_disconnect);
    builder = match target.credential {
        Some(Credential::Key(key)) => builder.upstream_key(key),
        Some(Credential::Token(token)) => builder.upstream_token(token),
        None => builder,
    };
    for key in args.client_key.iter().filter(|key| !key.trim().is_empty()) {
        builder = builder.client_key(usable(key, "--client-key")?);
    }
    for key in args.operator_key.iter().filter(|key| !key.trim().is_empty()) {
        builder = builder.operator_key(usable(key, "--operator-key")?);
    }
    for origin in args.allow_origin.iter().filter(|origin| !origin.trim().is_empty()) {
        builder = builder.allow_origin(origin);
    }
    let gateway = builder.build().map_err(|error| Failure::new(Exit::Configuration, error))?;
    let unusable = |error| Failure::new(Exit::Configuration, error);
    gateway.may_listen(args.listen).map_err(unusable)?;
    let listener = listen::bind(args.listen).await?;
    if let Some(upstream) = given(&args.upstream)
        && listener.local_addr().is_ok_and(|own| is_own(&upstream, own))
    {
        let message = format!(
            "the upstream {upstream} is this gateway itself; was ANTHROPIC_BASE_URL set for a client? Give --upstream"
        );
        return Err(Failure::new(Exit::Configuration, message));
    }
    // Caught before anyone can know that it runs.
    let mut signals = Signals::catch()?;
    listen::announce(&listener)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = std::pin::pin!(gateway.run(listener, async { drop(stopped.await) }));
    let served = tokio::select! {
        served = &mut serving => served,
        () = signals.next() => {
            say("stopping: no new requests; running streams may end (a second signal ends them now)");
            drop(stop);
            tokio::select! {
                served = &mut serving => served,
                // What still runs is settled at the next start.
                () = signals.next() => return Ok(Exit::Interrupted),
            }
        }
    };
    // The last rows are those of the streams that ended just now.
    ledger.close().await.map_err(|error| Failure::new(Exit::Other, error))?;
    store.log.close().await.map_err(|error| Failure::new(Exit::Other, error))?;
    served.map(|()| Exit::Done).map_err(unusable)
}

async fn target(args: &ServeArgs) -> Result<Target, Failure> {
    let credential = match (given(&args.upstream_key), given(&args.upstream_token)) {
        (Some(key), _) => Some(Credential::Key(usable(&key, "ANTHROPIC_API_KEY")?)),
        (None, Some(token)) => Some(Credential::Token(usable(&token, "ANTHROPIC_AUTH_TOKEN")?)),
        (None, None) => None,
    };
    match (given(&args.upstream), credential) {
        (Some(url), credential) => {
            let words = "the upstream that it was started with";
            Ok(Target { url, credential, words, _simulator: None })
        }
        (None, credential @ Some(_)) => {
            let words = "the Claude API, and are paid for";
            Ok(Target { url: CLAUDE_API.to_owned(), credential, words, _simulator: None })
        }
        (None, None) => {
            let simulator = embedded::start(&args.simulator).await?;
            say(
                "no key and no upstream: the embedded simulator answers (set ANTHROPIC_API_KEY or --upstream for the real thing)",
            );
            Ok(Target {
                url: simulator.url(),
                credential: Key::new(embedded::KEY).map(Credential::Key),
                words: "the embedded simulator: they cost nothing, and none of them is by Claude",
                _simulator: Some(simulator),
            })
        }
    }
}

/// A setting with something in it: an empty variable of the environment is none.
fn given(value: &Option<String>) -> Option<String> {
    value.clone().filter(|value| !value.trim().is_empty())
}

fn usable(key: &str, from: &str) -> Result<Key, Failure> {
    Key::new(key).ok_or_else(|| {
        Failure::new(Exit::Configuration, format!("{from} holds something that cannot be sent as a key"))
    })
}

/// Whether an upstream is the gateway that listens at `own`, so that a request would go in circles.
fn is_own(upstream: &str, own: SocketAddr) -> bool {
    let authority =
        upstream.split_once("://").map_or(upstream, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().unwrap_or_default()),
        _ => (authority, if upstream.starts_with("https:") { 443 } else { 80 }),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let here = host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|host| host.is_loopback() || host.is_unspecified() || host == own.ip());
    here && port == own.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_knows_itself() {
        let own: SocketAddr = "127.0.0.1:8787".parse().unwrap();
        for (upstream, itself) in [
            ("http://127.0.0.1:8787", true),
            ("http://localhost:8787/", true),
            ("http://[::1]:8787/x", true),
            ("http://127.0.0.1:8788", false),
            ("http://127.0.0.1", false),
            ("https://api.anthropic.com", false),
            ("http://10.0.0.1:8787", false),
        ] {
            assert_eq!(is_own(upstream, own), itself, "{upstream}");
        }
        assert!(is_own("http://localhost", "0.0.0.0:80".parse().unwrap()));
    }
}
