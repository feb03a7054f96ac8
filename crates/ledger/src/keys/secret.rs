//! Secrets: made by chance, kept as a hash.
//!
//! A hash that is made slow (Argon2) protects words that people choose. A secret of 256 random bits cannot be guessed at any speed, and a
//! gateway looks it up at each request; so it is one SHA-256.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::key::Shown;
use crate::error::{Error, Result};

const PREFIX: &str = "pk-perennial-";

/// How much of a secret is kept for people to recognise it: 36 of its 256 bits.
const RECOGNISED: usize = PREFIX.len() + 6;

/// No secret is longer; what is longer is not hashed.
const LONGEST: usize = 128;

/// The hash of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of what a client shows; `None` if it is none of our secrets on the face of it.
    ///
    /// Neither this nor the look-up needs constant time: what is compared is a hash, and whoever measures how far the comparison of hashes came
    /// cannot choose the next secret so that its hash comes further.
    pub(crate) fn of_shown(shown: &[u8]) -> Option<Self> {
        (shown.starts_with(PREFIX.as_bytes()) && shown.len() <= LONGEST)
            .then(|| Self(Sha256::digest(shown).into()))
    }

    pub(crate) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn from_hex(hex: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(hidden)")
    }
}

/// A new secret: what is shown once, its hash, and how it begins.
pub(crate) fn new() -> Result<(Shown, SecretHash, String)> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Error::invalid("the system gives no random bytes for a secret"))?;
    let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let hash = SecretHash(Sha256::digest(text.as_bytes()).into());
    let prefix = text[..RECOGNISED].to_owned();
    Ok((Shown::new(text), hash, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_256_random_bits_and_does_not_show() {
        let (shown, hash, prefix) = new().unwrap();
        let random = shown.expose().strip_prefix(PREFIX).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), 32);
        assert_ne!(new().unwrap().0.expose(), shown.expose());
        assert!(shown.expose().starts_with(&prefix));
        assert_eq!(SecretHash::of_shown(shown.expose().as_bytes()), Some(hash));
        assert_eq!(SecretHash::from_hex(&hash.hex()), Some(hash));
        assert_eq!(format!("{shown:?} {hash:?}"), "Shown(hidden) SecretHash(hidden)");
    }

    #[test]
    fn what_is_no_secret_of_ours_is_not_hashed() {
        let long = format!("{PREFIX}{}", "a".repeat(200));
        for other in ["", "sk-other", "pk-perennial", &long] {
            assert_eq!(SecretHash::of_shown(other.as_bytes()), None);
        }
        for wrong in ["", "00", &"é".repeat(32), &"zz".repeat(32)] {
            assert_eq!(SecretHash::from_hex(wrong), None, "{wrong}");
        }
    }
}
