//! Who is this machine: the only one that is answered where there are no keys.
//!
//! A web page that a browser on this machine shows is not this machine: its requests carry the page's origin, or, where its name was made to
//! point here, a host that is another. Origins that were allowed are let in.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Uri};

use crate::refusal::Refusal;

pub(super) fn local_only(headers: &HeaderMap, allowed: &[HeaderValue]) -> Result<(), Refusal> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(|host| !is_local(host)) {
        return Err(Refusal::forbidden(
            "a gateway without client keys answers on localhost only; start it with a client key to use another host name",
        ));
    }
    if !is_own_or_allowed(headers.get(ORIGIN), allowed) {
        return Err(Refusal::forbidden(
            "a gateway without client keys does not answer web pages of other origins; allow this one with --allow-origin, or start it with a client key",
        ));
    }
    Ok(())
}

fn is_own_or_allowed(origin: Option<&HeaderValue>, allowed: &[HeaderValue]) -> bool {
    let Some(origin) = origin else { return true };
    let local = |origin: &str| {
        let authority = origin.parse::<Uri>().ok().and_then(|uri| uri.authority().cloned());
        authority.is_some_and(|authority| is_local(authority.as_str()))
    };
    allowed.contains(origin) || origin.to_str().is_ok_and(local)
}

/// Whether `host`, with or without a port, is this machine.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
