//! A gateway, asked for JSON, and for its feeds.

use std::collections::VecDeque;
use std::time::Duration;

use perennial_protocol::sse::Decoder;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exit::{Exit, Failure};

/// For a whole request.
const PATIENCE: Duration = Duration::from_secs(30);

/// For a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Between two signs of life of a feed: a gateway gives one every 15 s.
const SILENCE: Duration = Duration::from_secs(45);

/// One gateway, and who asks it.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    url: String,
    client: reqwest::Client,
    headers: HeaderMap,
    flags: Flags,
}

/// What a gateway tells as it happens.
#[derive(Debug)]
pub(crate) struct Feed {
    answer: reqwest::Response,
    decoder: Decoder,
    heard: VecDeque<String>,
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
        Ok(Self { url: url.trim_end_matches('/').to_owned(), client: client()?, headers, flags })
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

    /// What it tells there as it happens.
    pub(crate) async fn feed(&self, path: &str) -> Result<Feed, Failure> {
        let request = self.request(Method::GET, path).header("accept", "text/event-stream");
        let asked = tokio::time::timeout(PATIENCE, request.send()).await;
        let slow = || Failure::new(Exit::Network, format!("the gateway at {} does not answer", self.url));
        let answer = asked.map_err(|_| slow())?.map_err(|error| self.network(error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(Feed { answer, decoder: Decoder::new(), heard: VecDeque::new() });
        }
        let text = tokio::time::timeout(PATIENCE, answer.text()).await.map_err(|_| slow())?;
        Err(self.refused(status, &text.map_err(|error| self.network(error))?))
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<String, Failure> {
        let mut request = self.request(method, path).timeout(PATIENCE);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(|error| self.network(error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| self.network(error))?;
        if status.is_success() { Ok(text) } else { Err(self.refused(status, &text)) }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path)).headers(self.headers.clone())
    }

    fn network(&self, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let mut message = format!("the gateway at {} cannot be asked: {error}", self.url);
        if error.is_connect() {
            message.push_str(&format!("; is it running there? {} says where it is", self.flags.url));
        }
        Failure::new(Exit::Network, message)
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

impl Feed {
    /// The data of the next event; `None` where the feed has ended, or is dead.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Some(heard);
            }
            let piece = tokio::time::timeout(SILENCE, self.answer.chunk()).await.ok()?.ok()??;
            let mut input = &piece[..];
            while let Some(frame) = self.decoder.next_frame(&mut input) {
                // What is too long to be one of its events is none.
                let data = frame.ok().and_then(|frame| frame.data().map(|_| frame.data_lossy().into_owned()));
                self.heard.extend(data);
            }
        }
    }
}

/// The client of whatever is asked without the library. Each request has its own patience.
pub(crate) fn client() -> Result<reqwest::Client, Failure> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        // Whoever redirects is not whom somebody named, and would get the key.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Failure::new(Exit::Configuration, format!("no TLS client can be made: {error}")))
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
