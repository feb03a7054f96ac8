//! The client: where to, with which key, on what terms.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Uri, header};

use perennial_recovery::RetryBucket;

use crate::credential::Credential;
use crate::transport::Transport;
use crate::{ClientBuilder, Error, Messages, RequestOptions};

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

pub(crate) struct Shared {
    /// Without a slash at its end.
    pub(crate) base_url: String,
    pub(crate) credential: Credential,
    pub(crate) version: HeaderValue,
    pub(crate) options: RequestOptions,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) retry_bucket: RetryBucket,
}

impl Client {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

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
        ClientBuilder::new()
    }

    /// Messages: stream them, create them.
    pub fn messages(&self) -> Messages {
        Messages::new(self.clone())
    }

    /// Where the client sends its requests.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    pub(crate) fn options(&self) -> &RequestOptions {
        &self.shared.options
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.shared.transport
    }

    pub(crate) fn retry_bucket(&self) -> &RetryBucket {
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
        let uri = Uri::try_from(format!("{}{target}", self.shared.base_url))
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
            .field("base_url", &self.shared.base_url)
            .field("credential", &self.shared.credential)
            .field("version", &self.shared.version)
            .field("options", &self.shared.options)
            .field("transport", &self.shared.transport)
            .finish_non_exhaustive()
    }
}
