//! The builder of a client: settings from code and from the environment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Uri};
use perennial_recovery::RetryBucket;
use secrecy::SecretString;

use crate::client::Shared;
use crate::credential::Credential;
use crate::options::parse_header;
use crate::transport::Transport;
use crate::{
    Client, DEFAULT_BASE_URL, DEFAULT_VERSION, Deadlines, Error, MaxEventBytes, MaxHops, ReconnectPolicy,
    RequestOptions, RetryBudget, RetryPolicy,
};

/// What a client is to be like.
///
/// ```
/// let client = perennial::Client::builder()
///     .api_key("sk-ant-...")
///     .base_url("http://127.0.0.1:8787")
///     .beta("context-management-2025-06-27")
///     .build()?;
/// # Ok::<(), perennial::Error>(())
/// ```
#[must_use]
pub struct ClientBuilder {
    base_url: String,
    credential: Credential,
    version: String,
    options: RequestOptions,
    retry_budget: RetryBudget,
    transport: Option<Arc<dyn Transport>>,
}

impl ClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            base_url: DEFAULT_BASE_URL.to_owned(),
            credential: Credential::None,
            version: DEFAULT_VERSION.to_owned(),
            options: RequestOptions::new(),
            retry_budget: RetryBudget::default(),
            transport: None,
        }
    }

    /// What [`Client::from_env`] starts from, to be changed before it is built.
    ///
    /// # Errors
    /// Where there is no credential for the service's own address, or a value cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut builder = Self::new();
        if let Some(url) = variable("ANTHROPIC_BASE_URL") {
            builder.base_url = url;
        }
        match (variable("ANTHROPIC_API_KEY"), variable("ANTHROPIC_AUTH_TOKEN")) {
            (Some(key), _) => builder = builder.api_key(key.trim()),
            (None, Some(token)) => builder = builder.auth_token(token.trim()),
            (None, None) if builder.base_url == DEFAULT_BASE_URL => {
                return Err(Error::config(
                    "no API key: set ANTHROPIC_API_KEY, or ANTHROPIC_BASE_URL to a service that needs none",
                ));
            }
            (None, None) => {}
        }
        for line in variable("ANTHROPIC_CUSTOM_HEADERS").unwrap_or_default().lines() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let header = line
                .split_once(':')
                .ok_or_else(|| "a line is not `name: value`".to_owned())
                .and_then(|(name, value)| parse_header(name.trim(), value.trim()));
            let (name, value) =
                header.map_err(|what| Error::config(format!("ANTHROPIC_CUSTOM_HEADERS: {what}")))?;
            builder.options.headers.insert(name, value);
        }
        Ok(builder)
    }

    /// The API key, sent as `x-api-key`.
    pub fn api_key(mut self, key: impl Into<SecretString>) -> Self {
        self.credential = Credential::ApiKey(key.into());
        self
    }

    /// A bearer token, sent as `Authorization: Bearer`.
    pub fn auth_token(mut self, token: impl Into<SecretString>) -> Self {
        self.credential = Credential::AuthToken(token.into());
        self
    }

    /// Where to send requests; without `/v1`. Default: the service's own address.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// The `anthropic-version`. Default [`DEFAULT_VERSION`].
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// A value for the `anthropic-beta` header of every request.
    pub fn beta(mut self, beta: impl Into<String>) -> Self {
        self.options = self.options.beta(beta);
        self
    }

    /// A header of every request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.options = self.options.header(name, value);
        self
    }

    /// How long to wait for what.
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.options = self.options.deadlines(deadlines);
        self
    }

    /// How often to retry.
    pub fn retries(mut self, retries: RetryPolicy) -> Self {
        self.options = self.options.retries(retries);
        self
    }

    /// How attached streams come back after their connections broke.
    pub fn reconnects(mut self, reconnects: ReconnectPolicy) -> Self {
        self.options = self.options.reconnects(reconnects);
        self
    }

    /// Reads all streams on where their connections broke, if a gateway keeps them; see [`RequestOptions::resuming`].
    pub fn resuming(mut self, grace: Duration) -> Self {
        self.options = self.options.resuming(grace);
        self
    }

    /// Goes on with answers that break in the middle of their text; see [`RequestOptions::continuing`].
    pub fn continuing(mut self, hops: MaxHops) -> Self {
        self.options = self.options.continuing(hops);
        self
    }

    /// How much of the traffic may be retries.
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.retry_budget = budget;
        self
    }

    /// The most bytes that one event may have.
    pub fn max_event_bytes(mut self, limit: MaxEventBytes) -> Self {
        self.options = self.options.max_event_bytes(limit);
        self
    }

    /// What carries the requests. Default: for `https://` [reqwest with rustls](crate::transport::ReqwestTransport), which also
    /// serves where a proxy is set; for `http://` a [direct connection](crate::transport::DirectTransport), at half the cost
    /// per event.
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// The client.
    ///
    /// # Errors
    /// Where the base URL, the version, the credential or a header cannot be used, or TLS cannot be set up.
    pub fn build(self) -> Result<Client, Error> {
        self.options.check().map_err(|error| Error::config(error.to_string()))?;
        let version = HeaderValue::try_from(self.version)
            .map_err(|_| Error::config("the version has characters that a header cannot have"))?;
        self.credential.write(&mut HeaderMap::new())?;
        let deadlines = self.options.deadlines.unwrap_or_default();
        let base_url = check_base_url(&self.base_url)?;
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport(&base_url, &deadlines)?,
        };
        let shared = Shared {
            base_url,
            credential: self.credential,
            version,
            options: self.options,
            transport,
            retry_bucket: RetryBucket::new(self.retry_budget),
        };
        Ok(Client::new(shared))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("credential", &self.credential)
            .field("version", &self.version)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The base URL as it is used.
fn check_base_url(url: &str) -> Result<String, Error> {
    let wrong =
        |why: &str| Error::config(format!("the base URL {why}; it should look like {DEFAULT_BASE_URL}"));
    let url = url.trim().trim_end_matches('/');
    let uri = Uri::try_from(url).map_err(|source| wrong("is not a URL").caused_by(source))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("does not begin with http:// or https://"));
    }
    // A password in it would end up in logs; the builder has better places for credentials.
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(wrong("has a user name in it, which is not supported"));
    }
    if uri.query().is_some() {
        return Err(wrong("has a query"));
    }
    Ok(url.to_owned())
}

#[cfg(feature = "reqwest")]
fn default_transport(base_url: &str, deadlines: &Deadlines) -> Result<Arc<dyn Transport>, Error> {
    crate::transport::for_url(base_url, deadlines.connect)
        .map_err(|source| Error::config("TLS cannot be set up").caused_by(source))
}

#[cfg(not(feature = "reqwest"))]
fn default_transport(_: &str, _: &Deadlines) -> Result<Arc<dyn Transport>, Error> {
    Err(Error::config("no transport: give the builder one, or build with the feature `reqwest`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<ClientBuilder, Error> {
        ClientBuilder::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    /// The values of two headers.
    fn headers(variables: &[(&str, &str)], names: [&str; 2]) -> [Option<String>; 2] {
        let builder = from(variables).unwrap();
        let mut headers = builder.options.headers.clone();
        builder.credential.write(&mut headers).unwrap();
        names.map(|name| headers.get(name).map(|value| value.to_str().unwrap().to_owned()))
    }

    fn some(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    #[test]
    fn the_key_wins_over_the_token() {
        let names = ["x-api-key", "authorization"];
        let both = headers(&[("ANTHROPIC_API_KEY", " key\n"), ("ANTHROPIC_AUTH_TOKEN", "token")], names);
        assert_eq!(both, [some("key"), None]);
        let token = headers(&[("ANTHROPIC_API_KEY", ""), ("ANTHROPIC_AUTH_TOKEN", "token")], names);
        assert_eq!(token, [None, some("Bearer token")]);
    }

    #[test]
    fn a_key_is_needed_only_by_the_service_itself() {
        let error = from(&[]).unwrap_err();
        assert!(error.to_string().contains("set ANTHROPIC_API_KEY"), "{error}");
        let builder = from(&[("ANTHROPIC_BASE_URL", "http://127.0.0.1:8787")]).unwrap();
        assert_eq!(builder.base_url, "http://127.0.0.1:8787");
    }

    #[test]
    fn custom_headers_are_lines() {
        let key = ("ANTHROPIC_API_KEY", "key");
        let lines = ("ANTHROPIC_CUSTOM_HEADERS", "X-One: 1\r\n\n x-two :a:b \n");
        assert_eq!(headers(&[key, lines], ["x-one", "x-two"]), [some("1"), some("a:b")]);
        for wrong in ["no colon", ": no name", "bad name: x"] {
            let error = from(&[key, ("ANTHROPIC_CUSTOM_HEADERS", wrong)]).unwrap_err();
            assert!(error.to_string().starts_with("ANTHROPIC_CUSTOM_HEADERS"), "{error}");
        }
    }
}
