//! What proves who asks; shown to nobody but the service.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};

use crate::Error;

/// What proves who asks.
///
/// A key goes into `x-api-key`, a token into `Authorization: Bearer`. The official SDKs now send a key as a bearer token too, but
/// the older header is what the service documents beside it, what it prefers where both are there, and what gateways
/// written before the change look for; a token has only the one way.
#[derive(Clone)]
pub(crate) enum Credential {
    None,
    ApiKey(SecretString),
    AuthToken(SecretString),
}

impl Credential {
    pub(crate) fn write(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        let (name, value): (HeaderName, _) = match self {
            Self::None => return Ok(()),
            Self::ApiKey(key) => {
                (HeaderName::from_static("x-api-key"), HeaderValue::try_from(key.expose_secret()))
            }
            Self::AuthToken(token) => {
                (header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {}", token.expose_secret())))
            }
        };
        let mut value = value.map_err(|_| {
            Error::config("the API key or token has characters that a header cannot have, such as a line end")
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::ApiKey(_) => "API key (not shown)",
            Self::AuthToken(_) => "token (not shown)",
        })
    }
}
