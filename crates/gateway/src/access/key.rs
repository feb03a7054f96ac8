//! Keys: how they are kept, shown by clients, and compared.

use std::fmt;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

/// An API key. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub(super) Box<str>);

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

    /// The key itself, to be sent.
    #[cfg(feature = "otel")]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The header value after `scheme`, marked so that it is not logged.
    fn header(&self, scheme: &str) -> HeaderValue {
        let value = format!("{scheme}{}", self.0);
        let mut value = HeaderValue::from_str(&value).expect("a key is checked to be a header value");
        value.set_sensitive(true);
        value
    }

    /// Whether `shown` is this key, in a time that tells nothing about where they differ.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differing = own.iter().zip(shown).fold(0, |differing, (a, b)| differing | (a ^ b));
        std::hint::black_box(differing) == 0 && own.len() == shown.len()
    }
}

impl Credential {
    /// The header that carries it.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::ApiKey(key) => headers.insert("x-api-key", key.header("")),
            Self::Token(token) => headers.insert(AUTHORIZATION, token.header("Bearer ")),
        };
        headers
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

/// The key a client shows. `x-api-key` wins, as with the service.
pub(super) fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_show() {
        assert_eq!(format!("{:?}", Key::new(" sk-secret\n")), "Some(Key(hidden))");
        assert_eq!(Key::new("  "), None);
        assert_eq!(Key::new("a\nb"), None);
    }
}
