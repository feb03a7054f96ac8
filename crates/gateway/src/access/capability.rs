//! Capabilities: the right to read or to stop one stream until a certain time, for whoever has the text.
//!
//! `SCOPE.EXPIRES.MAC`: `read` or `cancel`, seconds since 1970, and an HMAC-SHA-256 over the stream and both. A browser reads a stream with it and
//! never sees a key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use perennial_log::{StreamId, Time};
use sha2::Sha256;

/// The secret under which capabilities are made. Whoever knows it may read and stop every stream.
#[derive(Clone)]
pub struct Secret([u8; 32]);

/// What a capability allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    Read,
    /// Reading too.
    Cancel,
}

impl Secret {
    /// A secret of these bytes, which should be random.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new one; capabilities made under it end with the process, unless it is kept.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// The bytes, for keeping.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A name of whoever has this secret, which tells nothing of it: the [place](perennial_history::History::at) of a gateway, where no other has the same.
    #[must_use]
    pub fn place(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.mac_of("place").finalize().into_bytes()[..16])
    }

    /// The capability for a stream, as text for a URL.
    pub(crate) fn grant(&self, stream: StreamId, scope: Scope, expires: Time) -> String {
        let seconds = expires.as_micros() / 1_000_000;
        let mac = self.mac(stream, scope.name(), seconds).finalize().into_bytes();
        format!("{}.{seconds}.{}", scope.name(), URL_SAFE_NO_PAD.encode(mac))
    }

    /// What `text` allows for a stream at `now`; nothing if it is not of this secret, of another stream, or past its time.
    pub(crate) fn allows(&self, stream: StreamId, text: &str, now: Time) -> Option<Scope> {
        let mut parts = text.split('.');
        let (name, seconds, mac) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let scope = Scope::of(name)?;
        let expires: u64 = seconds.parse().ok()?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        // Compared in constant time.
        self.mac(stream, name, expires).verify_slice(&mac).ok()?;
        (now.as_micros() < expires.saturating_mul(1_000_000)).then_some(scope)
    }

    fn mac(&self, stream: StreamId, scope: &str, expires: u64) -> Hmac<Sha256> {
        self.mac_of(&format!("{stream}.{scope}.{expires}"))
    }

    fn mac_of(&self, words: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("an HMAC takes a key of any length");
        mac.update(words.as_bytes());
        mac
    }
}

impl Scope {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "read" => Some(Self::Read),
            "cancel" => Some(Self::Cancel),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Cancel => "cancel",
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_capability_is_for_one_stream_scope_and_time() {
        let (secret, other) = (Secret::new([7; 32]), Secret::new([8; 32]));
        let (one, two) = (StreamId::new(), StreamId::new());
        let read = secret.grant(one, Scope::Read, at(1000));
        assert_eq!(secret.allows(one, &read, at(999)), Some(Scope::Read));
        assert_eq!(secret.allows(one, &read, at(1000)), None, "its time is over");
        assert_eq!(secret.allows(two, &read, at(1)), None, "another stream");
        assert_eq!(other.allows(one, &read, at(1)), None, "another secret");
        assert_eq!(secret.allows(one, &read.replace("read", "cancel"), at(1)), None);
        assert_eq!(secret.allows(one, &read.replace(".1000.", ".2000."), at(1)), None);
        for cut in 0..read.len() {
            assert_eq!(secret.allows(one, &read[..cut], at(1)), None, "cut at {cut}");
        }
        assert_eq!(secret.allows(one, &format!("{read}."), at(1)), None);
        let cancel = secret.grant(one, Scope::Cancel, at(1000));
        assert_eq!(secret.allows(one, &cancel, at(1)), Some(Scope::Cancel));
        assert!(Scope::Cancel > Scope::Read, "who may stop may read");
    }

    #[test]
    fn a_place_is_the_secrets_own() {
        let place = |byte| Secret::new([byte; 32]).place();
        assert_eq!((place(7), place(7).len()), (place(7), 22));
        assert_ne!(place(7), place(8));
    }

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::new([7; 32])), "Secret(hidden)");
        assert_ne!(Secret::random().unwrap().expose(), Secret::random().unwrap().expose());
    }
}
