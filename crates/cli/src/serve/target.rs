//! Who answers, and the gateway that all settings come to.

use std::net::{IpAddr, SocketAddr};

#[cfg(feature = "otel")]
use perennial_gateway::TraceOptions;
use perennial_gateway::{Builder, Fallback, FetchPolicy, Gateway, Key, MaxHops, Mode, UpstreamOptions};

use crate::config::{CLAUDE_API, Config, Upstream};
use crate::exit::{Exit, Failure, say};
use crate::{embedded, sim::SimulatorArgs};

/// The embedded simulator, once it is needed; it stays for the streams that it answers.
#[derive(Debug, Default)]
pub(super) struct Simulator(Option<perennial_sim::Handle>);

impl Simulator {
    async fn url(&mut self, args: &SimulatorArgs) -> Result<String, Failure> {
        if self.0.is_none() {
            self.0 = Some(embedded::start(args).await?);
            say(
                "no key and no upstream: the embedded simulator answers (set ANTHROPIC_API_KEY or --upstream for the real thing)",
            );
        }
        Ok(self.0.as_ref().map(perennial_sim::Handle::url).unwrap_or_default())
    }
}

/// A gateway as the settings say, with the simulator where they name no upstream.
pub(super) async fn builder(config: &Config, simulator: &mut Simulator) -> Result<Builder, Failure> {
    if !config.upstreams.is_empty() {
        return of(config, &config.upstreams);
    }
    let url = simulator.url(&config.simulator).await?;
    let mut upstream = UpstreamOptions::new("main", url);
    if let Some(key) = Key::new(embedded::KEY) {
        upstream = upstream.key(key);
    }
    let builder = settings(config, Gateway::builder_with(upstream))?;
    let builder = builder.mode(Mode::Simulated);
    Ok(builder.answers_from("the embedded simulator: they cost nothing, and none of them is by Claude"))
}

/// A gateway to these upstreams.
pub(super) fn of(config: &Config, upstreams: &[Upstream]) -> Result<Builder, Failure> {
    let mut options = upstreams.iter().map(options);
    let Some(first) = options.next() else { return settings(config, Gateway::builder(CLAUDE_API)) };
    let mut builder = settings(config, Gateway::builder_with(first?))?;
    for upstream in options {
        builder = builder.upstream(upstream?);
    }
    let words = match upstreams {
        [one] if one.url.0 == CLAUDE_API => "the Claude API, and are paid for",
        [_] => "the upstream that it was started with",
        _ => "the upstreams that it was given",
    };
    Ok(builder.answers_from(words))
}

fn options(upstream: &Upstream) -> Result<UpstreamOptions, Failure> {
    let options = UpstreamOptions::new(&upstream.name, &upstream.url.0)
        .order(upstream.order)
        .weight(upstream.weight)
        .models(&upstream.models);
    let wrong = |wrong| Failure::new(Exit::Configuration, wrong);
    Ok(match (&upstream.key, &upstream.token) {
        (Some(key), _) => options.key(key.key().map_err(wrong)?),
        (None, Some(token)) => options.token(token.key().map_err(wrong)?),
        (None, None) => options,
    })
}

fn settings(config: &Config, builder: Builder) -> Result<Builder, Failure> {
    let mut recovery = config.recovery.how;
    if !config.recovery.enabled {
        recovery.hops = MaxHops(0);
    }
    let mut fallback = Fallback::default();
    fallback.answer.clone_from(&config.fallback.answer);
    fallback.cache = config.fallback.cache.then_some(config.fallback.policy);
    let mut builder = builder
        .clocks(config.clocks)
        .limits(config.limits)
        .recovery(recovery)
        .breaker(config.breaker)
        .fallback(fallback)
        .guard(config.guard)
        .fetch(FetchPolicy::of(config.conversations.fetch_hosts.clone()))
        .on_disconnect(config.on_disconnect);
    let wrong = |wrong| Failure::new(Exit::Configuration, wrong);
    for key in &config.client_keys {
        builder = builder.client_key(key.key().map_err(wrong)?);
    }
    for key in &config.operator_keys {
        builder = builder.operator_key(key.key().map_err(wrong)?);
    }
    for origin in &config.allow_origins {
        builder = builder.allow_origin(&origin.0);
    }
    traces(config, builder)
}

/// With traces, where they are wanted.
#[cfg(feature = "otel")]
fn traces(config: &Config, builder: Builder) -> Result<Builder, Failure> {
    let Some(endpoint) = &config.trace.endpoint else { return Ok(builder) };
    let mut traces = TraceOptions::new(&endpoint.0).service_name(&config.trace.service_name);
    if let Some(secret) = &config.trace.authorization {
        let key = secret.key().map_err(|wrong| Failure::new(Exit::Configuration, wrong))?;
        traces = traces.header(reqwest::header::AUTHORIZATION, key);
    }
    Ok(builder.traces(traces))
}

#[cfg(not(feature = "otel"))]
fn traces(config: &Config, builder: Builder) -> Result<Builder, Failure> {
    if config.trace.endpoint.is_some() {
        let message = "trace.endpoint: this command was built without traces (the feature `otel`)";
        return Err(Failure::new(Exit::Configuration, message));
    }
    Ok(builder)
}

/// That no upstream is the gateway that listens at `own`.
pub(super) fn is_elsewhere(upstreams: &[Upstream], own: SocketAddr) -> Result<(), Failure> {
    match upstreams.iter().find(|upstream| is_own(&upstream.url.0, own)) {
        Some(upstream) => {
            let message = format!(
                "the upstream {} is this gateway itself; was ANTHROPIC_BASE_URL set for a client? Give --upstream",
                upstream.url.0
            );
            Err(Failure::new(Exit::Configuration, message))
        }
        None => Ok(()),
    }
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
