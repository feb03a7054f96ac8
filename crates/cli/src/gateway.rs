//! A gateway, asked for what is no stream: JSON there and back.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exit::{Exit, Failure};

/// For a whole request.
const PATIENCE: Duration = Duration::from_secs(30);

/// One gateway, and who asks it.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    url: String,
    client: reqwest::Client,
    headers: HeaderMap,
    flags: Flags,
}

/// What says where a gateway is, and what to do where it wants a key.
#[derive(Clone, Copy, Debug)]
struct Flags {
    url: &'static str,
    key: &'static str,
}

/// Of the commands that need a gateway.
const OURS: Flags =
    Flags { url: "--url", key: "give the key that was asked with, by PERENNIAL_KEY or --key" };

/// Of those that need a service, which may be a gateway.
const OFFICIAL: Flags = Flags { url: "--base-url", key: "set ANTHROPIC_API_KEY to one" };

impl Gateway {
    /// The gateway at `url`, asked with these headers as any service would be.
    pub(crate) fn as_service(url: &str, headers: HeaderMap) -> Result<Self, Failure> {
        Self::new(url, headers, OFFICIAL)
    }

    fn new(url: &str, headers: HeaderMap, flags: Flags) -> Result<Self, Failure> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            // Whoever redirects is no gateway, and would get the key.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                Failure::new(Exit::Configuration, format!("no TLS client can be made: {error}"))
            })?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), client, headers, flags })
    }

    /// The gateway at `url`, asked with this key.
    pub(crate) fn with_key(url: &str, key: Option<&str>) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key.map(str::trim).filter(|key| !key.is_empty()) {
            put(&mut headers, "x-api-key", key)?;
        }
        Self::new(url, headers, OURS)
    }

    /// The address of something of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The text of what is there.
    pub(crate) async fn text(&self, path: &str) -> Result<String, Failure> {
        self.ask(Method::GET, path, None).await
    }

    /// What is there.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(&self.text(path).await?)
    }

    /// What comes of a request with this body.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<T, Failure> {
        self.read(&self.ask(method, path, Some(body)).await?)
    }

    /// Reads an answer of it.
    pub(crate) fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, Failure> {
        serde_json::from_str(text).map_err(|error| {
            let message = format!("the gateway at {} answered otherwise than expected: {error}", self.url);
            Failure::new(Exit::Other, message)
        })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<String, Failure> {
        let mut request = self.client.request(method, self.url(path)).headers(self.headers.clone());
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let network = |error: reqwest::Error| {
            let error = error.without_url();
            let mut message = format!("the gateway at {} cannot be asked: {error}", self.url);
            if error.is_connect() {
                message.push_str(&format!("; is it running there? {} says where it is", self.flags.url));
            }
            Failure::new(Exit::Network, message)
        };
        let answer = request.send().await.map_err(network)?;
        let status = answer.status();
        let text = answer.text().await.map_err(network)?;
        if status.is_success() { Ok(text) } else { Err(self.refused(status, &text)) }
    }

    fn refused(&self, status: StatusCode, body: &str) -> Failure {
        let body: Option<Value> = serde_json::from_str(body).ok();
        let message = body.as_ref().and_then(|body| body["error"]["message"].as_str());
        match (status, message) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, message) => {
                let message = message.unwrap_or("the gateway asks for a key");
                Failure::new(Exit::Configuration, format!("{message}; {}", self.flags.key))
            }
            (_, Some(message)) => Failure::new(Exit::Other, message),
            (status, None) => Failure::new(
                Exit::Other,
                format!("{status} came from there, and no reason: is it a gateway?"),
            ),
        }
    }
}

/// A header of every request.
pub(crate) fn put(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Failure> {
    let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
    let (name, value) = header.ok_or_else(|| {
        // The value may be a secret.
        Failure::new(Exit::Usage, format!("the header `{}` cannot be sent", name.escape_debug()))
    })?;
    headers.insert(name, value);
    Ok(())
}
