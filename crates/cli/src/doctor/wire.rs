//! Requests as they go over the wire, and what comes back, without the library in between: a doctor must not trust the patient.

use std::time::Duration;

use perennial::{DEFAULT_BASE_URL, DEFAULT_VERSION};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::gateway::client;

/// The whole of one request; answers here are short.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Debug)]
pub(super) struct Wire {
    http: reqwest::Client,
    base: String,
    key: Credential,
    custom: HeaderMap,
}

/// The credential of the environment.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    None,
    ApiKey(String),
    AuthToken(String),
}

impl Wire {
    pub(super) fn from_env(base: Option<&str>) -> Result<Self, Failure> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let base = base
            .map(str::to_owned)
            .or_else(|| set("ANTHROPIC_BASE_URL"))
            .unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let key = match (set("ANTHROPIC_API_KEY"), set("ANTHROPIC_AUTH_TOKEN")) {
            (Some(key), _) => Credential::ApiKey(key.trim().to_owned()),
            (None, Some(token)) => Credential::AuthToken(token.trim().to_owned()),
            (None, None) => Credential::None,
        };
        let mut custom = HeaderMap::new();
        for line in
            set("ANTHROPIC_CUSTOM_HEADERS").unwrap_or_default().lines().filter(|line| !line.trim().is_empty())
        {
            let header = line.split_once(':').and_then(|(name, value)| {
                let name: HeaderName = name.trim().parse().ok()?;
                Some((name, HeaderValue::from_str(value.trim()).ok()?))
            });
            let (name, value) = header.ok_or_else(|| {
                Failure::new(Exit::Configuration, "a line of ANTHROPIC_CUSTOM_HEADERS is not `name: value`")
            })?;
            custom.insert(name, value);
        }
        let http = client()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), key, custom })
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn key(&self) -> &Credential {
        &self.key
    }

    pub(super) fn custom_headers(&self) -> usize {
        self.custom.len()
    }

    pub(super) fn is_claude_api(&self) -> bool {
        self.base == DEFAULT_BASE_URL
    }

    /// The Claude API answers nobody without a key; whether another service does is its own business.
    pub(super) fn lacks_key(&self) -> bool {
        self.key == Credential::None && self.is_claude_api()
    }

    pub(super) async fn get(&self, path: &str) -> Result<reqwest::Response, reqwest::Error> {
        self.dressed(self.http.get(format!("{}{path}", self.base)), &self.key).send().await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        key: Option<&Credential>,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let request = self.http.post(format!("{}{path}", self.base)).body(body.to_string());
        let request = request.header("content-type", "application/json");
        self.dressed(request, key.unwrap_or(&self.key)).send().await
    }

    fn dressed(&self, request: reqwest::RequestBuilder, key: &Credential) -> reqwest::RequestBuilder {
        let request = request
            .timeout(PATIENCE)
            .header("anthropic-version", DEFAULT_VERSION)
            .header("accept-encoding", "identity")
            .header("user-agent", concat!("perennial-doctor/", env!("CARGO_PKG_VERSION")))
            .headers(self.custom.clone());
        match key {
            Credential::None => request,
            Credential::ApiKey(key) => request.header("x-api-key", key),
            Credential::AuthToken(token) => request.bearer_auth(token),
        }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::ApiKey(_) => "ApiKey(hidden)",
            Self::AuthToken(_) => "AuthToken(hidden)",
        })
    }
}
