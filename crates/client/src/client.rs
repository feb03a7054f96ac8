//! The client: where to, with which key, on what terms.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use secrecy::{ExposeSecret as _, SecretString};

use crate::options::parse_header;
use crate::retry::Bucket;
use crate::transport::Transport;
use crate::{Deadlines, Error, MaxEventBytes, Messages, RequestOptions, RetryBudget, RetryPolicy};

/// The service's own address.
pub const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

/// The version of the API that this library is written and tested against.
pub const DEFAULT_VERSION: &str = "2026-10-21";

const USER_AGENT: &str = concat!("perennial/", env!("CARGO_PKG_VERSION"));

/// A client of the Messages API. Cloning it is cheap and shares connections and retry budget.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    base: Base,
    credential: Credential,
    version: HeaderValue,
    options: RequestOptions,
    transport: Arc<dyn Transport>,
    retry_bucket: Bucket,
}

/// The parts of the base URL that a request needs.
struct Base {
    /// Without user, password and slash at the end.
    url: String,
}

/// What proves who asks.
///
/// A key goes into `x-api-key`, a token into `Authorization: Bearer`. The official SDKs now send a key as a bearer token too, but
/// the older header is what the service documents beside it, what it prefers where both are there, and what gateways
/// written before the change look for; a token has only the one way.
#[derive(Clone)]
enum Credential {
    None,
    ApiKey(SecretString),
    AuthToken(SecretString),
}

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

impl Client {
    /// A client after the environment: `ANTHROPIC_API_KEY` or else `ANTHROPIC_AUTH_TOKEN`, `ANTHROPIC_BASE_URL`, and
    /// `ANTHROPIC_CUSTOM_HEADERS` (one `name: value` per line).
    ///
    /// # Errors
    /// Where there is no credential for the service's own address, or a value cannot be used.
    #[cfg(feature = "reqwest")]
    pub fn from_env() -> Result<Self, Error> {
        ClientBuilder::from_env()?.build()
    }

    /// A client to be described.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            base_url: DEFAULT_BASE_URL.to_owned(),
            credential: Credential::None,
            version: DEFAULT_VERSION.to_owned(),
            options: RequestOptions::new(),
            retry_budget: RetryBudget::default(),
            transport: None,
        }
    }

    /// Messages: stream them, create them.
    pub fn messages(&self) -> Messages {
        Messages::new(self.clone())
    }

    /// Where the client sends its requests.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.shared.base.url
    }

    pub(crate) fn options(&self) -> &RequestOptions {
        &self.shared.options
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.shared.transport
    }

    pub(crate) fn retry_bucket(&self) -> &Bucket {
        &self.shared.retry_bucket
    }

    /// A request with all its headers. `target` is path and query; `options` are those of the client already overridden.
    pub(crate) fn request(
        &self,
        method: Method,
        target: &str,
        body: Option<Bytes>,
        options: &RequestOptions,
    ) -> Result<http::Request<Bytes>, Error> {
        options.check()?;
        let uri = Uri::try_from(format!("{}{target}", self.shared.base.url))
            .map_err(|source| Error::request(format!("`{target}` is no path")).caused_by(source))?;
        let mut request = http::Request::new(body.unwrap_or_default());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert("anthropic-version", self.shared.version.clone());
        if let Some(betas) = options.beta_header()? {
            headers.insert("anthropic-beta", betas);
        }
        self.shared.credential.write(headers)?;
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        // Compression would hold events back.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if !request.body().is_empty() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        for (name, value) in &options.headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }
}

impl fmt::Debug for Client {
    /// Without credential and header values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.shared.base.url)
            .field("credential", &self.shared.credential)
            .field("version", &self.shared.version)
            .field("options", &self.shared.options)
            .field("transport", &self.shared.transport)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// What [`Client::from_env`] starts from, to be changed before it is built.
    ///
    /// # Errors
    /// Where there is no credential for the service's own address, or a value cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut builder = Client::builder();
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

    /// What carries the requests. Default: [`DefaultTransport`](crate::transport::DefaultTransport), reqwest with rustls for all but plain HTTP.
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
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport(&deadlines)?,
        };
        let shared = Shared {
            base: Base::parse(&self.base_url)?,
            credential: self.credential,
            version,
            options: self.options,
            transport,
            retry_bucket: Bucket::new(self.retry_budget),
        };
        Ok(Client { shared: Arc::new(shared) })
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

impl Base {
    fn parse(url: &str) -> Result<Self, Error> {
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
        Ok(Self { url: url.to_owned() })
    }
}

impl Credential {
    fn write(&self, headers: &mut HeaderMap) -> Result<(), Error> {
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

#[cfg(feature = "reqwest")]
fn default_transport(deadlines: &Deadlines) -> Result<Arc<dyn Transport>, Error> {
    let transport = crate::transport::DefaultTransport::new(deadlines.connect)
        .map_err(|source| Error::config("TLS cannot be set up").caused_by(source))?;
    Ok(Arc::new(transport))
}

#[cfg(not(feature = "reqwest"))]
fn default_transport(_: &Deadlines) -> Result<Arc<dyn Transport>, Error> {
    Err(Error::config("no transport: give the builder one, or build with the feature `reqwest`"))
}
