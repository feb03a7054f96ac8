//! What costs nothing: the key, the address, whether it answers, the clock, the versions.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use perennial::DEFAULT_VERSION;
use perennial_protocol::ApiError;
use tokio::time::Instant;

use super::wire::{Credential, Wire};
use crate::exit::{Exit, Failure};
use crate::output::Answer;

/// A clock that is further off than this makes trouble with certificates and with dates in headers.
const CLOCK_SECONDS: i64 = 30;
/// For one answer to a question that costs the service nothing: who asks a doctor sits and waits.
const PATIENCE: Duration = Duration::from_secs(15);
/// What keys of the Claude API begin with.
const KEY_PREFIX: &str = "sk-ant-";

/// Looks, and says what it sees, one line each.
pub(super) async fn look(wire: &Wire, out: &mut Answer) -> Result<Exit, Failure> {
    let mut says = |mark: &str, what: &str, words: String| {
        out.write(format!("{mark:<4} {what:<9} {words}\n").as_bytes())?;
        // Seen while the next thing is looked at.
        out.flush()
    };
    says(
        "ok",
        "version",
        format!(
            "perennial {}, made for anthropic-version {DEFAULT_VERSION}, on {} {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
    )?;
    let (mark, words) = key(wire);
    says(mark, "key", words)?;
    let (mark, words) = address(wire);
    says(mark, "address", words)?;
    if let Some(words) = proxies() {
        says("note", "proxy", words)?;
    }
    let keyless = wire.lacks_key();
    if keyless {
        says(
            "note",
            "try",
            "without a key `perennial ask`, `serve` and `sim` use the embedded simulator; set ANTHROPIC_API_KEY for the real thing"
                .to_owned(),
        )?;
    }
    let asked = Instant::now();
    let answer = match tokio::time::timeout(PATIENCE, wire.get("/v1/models?limit=1")).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            says("BAD", "network", unreachable(&error))?;
            return Ok(Exit::Network);
        }
        Err(_) => {
            let words = format!(
                "connected to something that did not answer within {} s: check the address and any proxy",
                PATIENCE.as_secs()
            );
            says("BAD", "network", words)?;
            return Ok(Exit::Network);
        }
    };
    let took = asked.elapsed();
    let status = answer.status().as_u16();
    says(
        "ok",
        "network",
        format!("{} answered in {} ms ({:?})", wire.base(), took.as_millis(), answer.version()),
    )?;
    if let Some(date) = answer.headers().get("date").and_then(|date| date.to_str().ok()) {
        let (mark, words) = clock(date, Timestamp::now());
        says(mark, "clock", words)?;
    }
    let id = answer.headers().get("request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    // Without its body the status says enough.
    let body = tokio::time::timeout(PATIENCE, answer.text()).await.map(Result::unwrap_or_default);
    let (mark, exit, words) = match (keyless, status) {
        (true, 401) => ("ok", Exit::Done, "a request without a key is refused, as it should be".to_owned()),
        _ => accepted(status, &body.unwrap_or_default()),
    };
    let id = id.map(|id| format!(" [{id}]")).unwrap_or_default();
    says(mark, "accepted", format!("{words}{id}"))?;
    Ok(exit)
}

fn key(wire: &Wire) -> (&'static str, String) {
    match wire.key() {
        Credential::None if wire.is_claude_api() => {
            ("note", "none: neither ANTHROPIC_API_KEY nor ANTHROPIC_AUTH_TOKEN is set".to_owned())
        }
        Credential::None => ("ok", "none; whether one is needed is the service's business".to_owned()),
        Credential::ApiKey(key) => {
            let both = std::env::var_os("ANTHROPIC_AUTH_TOKEN").is_some_and(|token| !token.is_empty());
            let also = if both { "; ANTHROPIC_AUTH_TOKEN is set as well and not used" } else { "" };
            if key.contains(char::is_whitespace) {
                (
                    "BAD",
                    "ANTHROPIC_API_KEY has blanks in it: it was probably copied with something else"
                        .to_owned(),
                )
            } else if wire.is_claude_api() && !key.starts_with(KEY_PREFIX) {
                (
                    "note",
                    format!(
                        "ANTHROPIC_API_KEY is set, but keys of the Claude API begin with {KEY_PREFIX}{also}"
                    ),
                )
            } else {
                ("ok", format!("ANTHROPIC_API_KEY is set ({} characters){also}", key.chars().count()))
            }
        }
        Credential::AuthToken(_) => ("ok", "ANTHROPIC_AUTH_TOKEN is set".to_owned()),
    }
}

fn address(wire: &Wire) -> (&'static str, String) {
    let base = wire.base();
    let custom = match wire.custom_headers() {
        0 => String::new(),
        n => format!("; {n} headers from ANTHROPIC_CUSTOM_HEADERS"),
    };
    if base.ends_with("/v1") {
        ("BAD", format!("{base} ends in /v1, which is added to it: leave it out{custom}"))
    } else if !base.starts_with("http://") && !base.starts_with("https://") {
        ("BAD", format!("{base} does not begin with http:// or https://{custom}"))
    } else if wire.is_claude_api() {
        ("ok", format!("{base}{custom}"))
    } else {
        ("ok", format!("{base}, not the Claude API itself{custom}"))
    }
}

fn proxies() -> Option<String> {
    let names = [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ];
    let set: Vec<_> = names
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        .collect();
    (!set.is_empty())
        .then(|| format!("{} set; a proxy that buffers makes streams arrive in one piece", set.join(", ")))
}

fn unreachable(error: &reqwest::Error) -> String {
    let mut root: &dyn std::error::Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    let hint = if error.is_timeout() {
        "nothing answers there: check the address, the network and any firewall"
    } else if error.is_connect() {
        "no connection: check the address, the network and the proxy settings"
    } else {
        "something there speaks no HTTP that is understood: check the address"
    };
    format!("{hint} ({root})")
}

fn clock(date: &str, now: Timestamp) -> (&'static str, String) {
    let Ok(there) = rfc2822::parse(date) else {
        return ("note", format!("the service's date cannot be read: {date}"));
    };
    let off = now.as_second() - there.timestamp().as_second();
    match off {
        _ if off.abs() <= CLOCK_SECONDS => ("ok", format!("within {} s of the service's", off.abs().max(1))),
        1.. => ("BAD", format!("{off} s ahead of the service's: set this machine's clock")),
        _ => ("BAD", format!("{} s behind the service's: set this machine's clock", -off)),
    }
}

fn accepted(status: u16, body: &str) -> (&'static str, Exit, String) {
    let said = ApiError::from_body(body).map(|error| format!(" ({error})")).unwrap_or_default();
    match status {
        200 => ("ok", Exit::Done, "the key is accepted".to_owned()),
        401 => ("BAD", Exit::Configuration, format!("the key is not accepted: check it{said}")),
        402 => ("BAD", Exit::Configuration, format!("the account is not paid for: check its billing{said}")),
        403 => (
            "BAD",
            Exit::Configuration,
            format!("the key may not list models: check its workspace and permissions{said}"),
        ),
        404 | 405 => (
            "note",
            Exit::Done,
            format!("models cannot be listed there (HTTP {status}); messages may still work{said}"),
        ),
        429 | 529 => ("note", Exit::Busy, format!("busy (HTTP {status}): try again later{said}")),
        _ => ("BAD", Exit::Other, format!("HTTP {status}{said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_judged_by_the_date_header() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for (date, mark, part) in [
            ("Fri, 20 Nov 2026 12:00:10 GMT", "ok", "within 10 s"),
            ("Fri, 20 Nov 2026 11:58:00 GMT", "BAD", "120 s ahead"),
            ("Fri, 20 Nov 2026 13:00:00 GMT", "BAD", "3600 s behind"),
            ("yesterday", "note", "cannot be read"),
        ] {
            let (seen, words) = clock(date, now);
            assert_eq!(seen, mark, "{date}");
            assert!(words.contains(part), "{words}");
        }
    }
}
