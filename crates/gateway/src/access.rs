//! Who may ask, and with which key a request goes up.

use std::fmt;
use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Uri};
use perennial_protocol::ErrorKind;

use crate::refusal::Refusal;

/// An API key. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Box<str>);

/// The rules of one gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// The keys that clients must show; none means that no key is asked for.
    pub(crate) clients: Vec<Key>,
    /// What goes up in place of the client's.
    pub(crate) upstream: Option<Credential>,
}

/// A credential in one of the two ways that the service takes.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// `x-api-key`.
    ApiKey(Key),
    /// `Authorization: Bearer`.
    Token(Key),
}

impl Key {
    /// A key, blanks around it removed; `None` for nothing or for what no header can carry.
    #[must_use]
    pub fn new(key: &str) -> Option<Self> {
        let key = key.trim();
        let sendable = !key.is_empty() && HeaderValue::from_str(key).is_ok();
        sendable.then(|| Self(key.into()))
    }

    /// The header value after `scheme`, marked so that it is not logged.
    fn header(&self, scheme: &str) -> HeaderValue {
        let value = format!("{scheme}{}", self.0);
        let mut value = HeaderValue::from_str(&value).expect("a key is checked to be a header value");
        value.set_sensitive(true);
        value
    }

    /// Whether `shown` is this key, in a time that tells nothing about where they differ.
    fn is(&self, shown: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differing = own.iter().zip(shown).fold(0, |differing, (a, b)| differing | (a ^ b));
        std::hint::black_box(differing) == 0 && own.len() == shown.len()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl Access {
    pub(crate) fn asks_for_keys(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Whether the sender of these headers may ask.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.clients.is_empty() {
            return local_only(headers);
        }
        let refuse = |message| Err(Refusal::new(401, ErrorKind::Authentication, message));
        let Some(shown) = shown(headers) else {
            return refuse("a key of this gateway is required, as x-api-key or Authorization: Bearer");
        };
        // Every key is looked at, so that the time does not tell which one came close.
        if self.clients.iter().fold(false, |found, key| found | key.is(shown)) {
            Ok(())
        } else {
            refuse("this key is none of this gateway's")
        }
    }

    /// Puts the right credential into headers that go up. A client's key never goes up where it is a key of ours.
    pub(crate) fn credential(&self, from: &HeaderMap, up: &mut HeaderMap) {
        match &self.upstream {
            Some(Credential::ApiKey(key)) => {
                up.insert("x-api-key", key.header(""));
            }
            Some(Credential::Token(token)) => {
                up.insert(AUTHORIZATION, token.header("Bearer "));
            }
            None => self.own_credential(from, up),
        }
    }

    /// The client's own credential, in the header that it came in.
    fn own_credential(&self, from: &HeaderMap, up: &mut HeaderMap) {
        if self.clients.is_empty() {
            for name in ["x-api-key", AUTHORIZATION.as_str()] {
                if let Some(value) = from.get(name) {
                    let mut value = value.clone();
                    value.set_sensitive(true);
                    up.insert(http::HeaderName::from_static(name_of(name)), value);
                }
            }
        }
    }
}

fn name_of(name: &str) -> &'static str {
    if name == "x-api-key" { "x-api-key" } else { "authorization" }
}

/// The key a client shows. `x-api-key` wins, as with the service.
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().as_bytes())
}

/// Without keys only programs of this machine may ask. A web page that a browser on this machine shows is none of them: its requests carry
/// the page's origin, or, where its name was made to point here, a host that is not this machine.
fn local_only(headers: &HeaderMap) -> Result<(), Refusal> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    if host.is_some_and(|host| !is_local(host)) {
        return Err(Refusal::forbidden(
            "a gateway without client keys answers on localhost only; start it with a client key to use another host name",
        ));
    }
    if origin.is_some_and(|origin| !origin.parse().is_ok_and(|uri| host_of(&uri).is_some_and(is_local))) {
        return Err(Refusal::forbidden(
            "a gateway without client keys does not answer web pages of other origins; start it with a client key",
        ));
    }
    Ok(())
}

fn host_of(uri: &Uri) -> Option<&str> {
    uri.authority().map(http::uri::Authority::as_str)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn without_keys_only_this_machine_is_answered() {
        let access = Access::default();
        for (pairs, admitted) in [
            (&[("host", "127.0.0.1:8787")][..], true),
            (&[("host", "localhost")], true),
            (&[("host", "[::1]:80")], true),
            (&[], true),
            (&[("host", "localhost:1"), ("origin", "http://localhost:3000")], true),
            (&[("host", "evil.example:8787")], false),
            (&[("host", "127.0.0.1:8787"), ("origin", "https://evil.example")], false),
            (&[("host", "127.0.0.1:8787"), ("origin", "null")], false),
            (&[("host", "127.0.0.1.evil.example")], false),
        ] {
            assert_eq!(access.admit(&headers(pairs)).is_ok(), admitted, "{pairs:?}");
        }
    }

    #[test]
    fn a_client_key_is_asked_for_in_both_headers() {
        let access =
            Access { clients: vec![Key::new("one").unwrap(), Key::new("two").unwrap()], upstream: None };
        for (pairs, admitted) in [
            (&[("x-api-key", "one")][..], true),
            (&[("authorization", "Bearer two")], true),
            (&[("authorization", "bearer  two")], true),
            (&[("host", "any.example"), ("x-api-key", "two")], true),
            (&[("x-api-key", "tw")], false),
            (&[("x-api-key", "twoo")], false),
            (&[("x-api-key", "three"), ("authorization", "Bearer two")], false),
            (&[("authorization", "Basic two")], false),
            (&[], false),
        ] {
            assert_eq!(access.admit(&headers(pairs)).is_ok(), admitted, "{pairs:?}");
        }
    }

    #[test]
    fn a_key_of_ours_never_goes_up() {
        let shown = headers(&[("x-api-key", "ours"), ("authorization", "Bearer ours")]);
        let up = |access: &Access| {
            let mut up = HeaderMap::new();
            access.credential(&shown, &mut up);
            up.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect::<Vec<_>>()
        };
        let ours = vec![Key::new("ours").unwrap()];
        let theirs = Key::new("theirs").map(Credential::ApiKey);
        let token = Key::new("theirs").map(Credential::Token);
        assert_eq!(up(&Access { clients: ours.clone(), upstream: None }), [""; 0]);
        assert_eq!(up(&Access { clients: ours, upstream: theirs.clone() }), ["x-api-key: theirs"]);
        assert_eq!(up(&Access { clients: vec![], upstream: theirs }), ["x-api-key: theirs"]);
        assert_eq!(up(&Access { clients: vec![], upstream: token }), ["authorization: Bearer theirs"]);
        assert_eq!(up(&Access::default()), ["x-api-key: ours", "authorization: Bearer ours"]);
    }

    #[test]
    fn a_key_does_not_show() {
        assert_eq!(format!("{:?}", Key::new(" sk-secret\n")), "Some(Key(hidden))");
        assert_eq!(Key::new("  "), None);
        assert_eq!(Key::new("a\nb"), None);
    }
}
