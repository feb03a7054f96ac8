//! Options of one request, over those of the client.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Deadlines, Error, MaxEventBytes, MaxHops, ReconnectPolicy, RetryPolicy};

/// What one request is to have otherwise than its client.
///
/// ```
/// use std::time::Duration;
/// use perennial::{Deadlines, RequestOptions, RetryPolicy};
///
/// let options = RequestOptions::new()
///     .beta("context-management-2025-06-27")
///     .header("x-trace", "42")
///     .deadlines(Deadlines { total: Some(Duration::from_secs(20)), ..Deadlines::default() })
///     .retries(RetryPolicy::none());
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct RequestOptions {
    pub(crate) headers: HeaderMap,
    pub(crate) betas: Vec<String>,
    pub(crate) deadlines: Option<Deadlines>,
    pub(crate) retries: Option<RetryPolicy>,
    pub(crate) reconnects: Option<ReconnectPolicy>,
    pub(crate) max_event_bytes: Option<MaxEventBytes>,
    pub(crate) grace: Option<Duration>,
    pub(crate) hops: Option<MaxHops>,
    invalid: Option<String>,
}

impl RequestOptions {
    /// Nothing otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// A header, in place of one of the same name that the client sends. One that cannot be sent fails the request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match parse_header(name, value) {
            Ok((name, value)) => drop(self.headers.insert(name, value)),
            Err(what) => self.invalid = Some(what),
        }
        self
    }

    /// A value for the `anthropic-beta` header, beside those of the client.
    pub fn beta(mut self, beta: impl Into<String>) -> Self {
        self.betas.push(beta.into());
        self
    }

    /// Deadlines in place of the client's.
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = Some(deadlines);
        self
    }

    /// A retry policy in place of the client's.
    pub fn retries(mut self, retries: RetryPolicy) -> Self {
        self.retries = Some(retries);
        self
    }

    /// How an attached stream comes back, in place of the client's way.
    pub fn reconnects(mut self, reconnects: ReconnectPolicy) -> Self {
        self.reconnects = Some(reconnects);
        self
    }

    /// Reads a stream on where its connection broke, if a gateway keeps it: the gateway is asked to wait `grace` for its reader to come back
    /// (whole seconds, at most 600), and the reader comes back like one that is
    /// [attached](crate::resources::Streams::attach).
    ///
    /// Whoever drops the stream stops it all the same. Where no gateway answers, nothing changes.
    pub fn resuming(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Goes on with an answer that breaks in the middle of its text, at most so often: the rest is asked for, and handed out where it is proven to the byte that the
    /// two are one. Off by default, since each further request is paid for. `MaxHops(0)` turns it off for one request.
    ///
    /// It is for streams that are read directly from the service; a gateway goes on by itself. Tool calls, thoughts and whatever cannot be proven end with the error
    /// that they end with otherwise. [`StreamEvent::Continuing`](crate::StreamEvent::Continuing) and [`StreamEvent::Seam`](crate::StreamEvent::Seam) tell of it.
    ///
    /// ```
    /// use perennial::{MaxHops, RequestOptions};
    ///
    /// let options = RequestOptions::new().continuing(MaxHops::default());
    /// ```
    pub fn continuing(mut self, hops: MaxHops) -> Self {
        self.hops = Some(hops);
        self
    }

    /// The limit on one event in place of the client's.
    pub fn max_event_bytes(mut self, limit: MaxEventBytes) -> Self {
        self.max_event_bytes = Some(limit);
        self
    }

    /// These options, with what `over` says in their place.
    pub(crate) fn overridden_by(&self, over: &Self) -> Self {
        let mut options = self.clone();
        for (name, value) in &over.headers {
            options.headers.insert(name, value.clone());
        }
        options.betas.extend(over.betas.iter().cloned());
        options.deadlines = over.deadlines.or(options.deadlines);
        options.retries = over.retries.or(options.retries);
        options.reconnects = over.reconnects.or(options.reconnects);
        options.max_event_bytes = over.max_event_bytes.or(options.max_event_bytes);
        options.grace = over.grace.or(options.grace);
        options.hops = over.hops.or(options.hops);
        options.invalid = over.invalid.clone().or(options.invalid);
        options
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.invalid.as_ref().map_or(Ok(()), |what| Err(Error::request(what.clone())))
    }

    /// The value of `anthropic-beta`, each beta once; `None` for none.
    pub(crate) fn beta_header(&self) -> Result<Option<HeaderValue>, Error> {
        let mut seen: Vec<&str> = Vec::new();
        for beta in self.betas.iter().flat_map(|betas| betas.split(',')).map(str::trim) {
            if !beta.is_empty() && !seen.contains(&beta) {
                seen.push(beta);
            }
        }
        if seen.is_empty() {
            return Ok(None);
        }
        HeaderValue::from_str(&seen.join(","))
            .map(Some)
            .map_err(|_| Error::request("a beta name has characters that a header cannot have"))
    }
}

/// A header from text. Values never appear in what is said about them, since they may be secret.
pub(crate) fn parse_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed_name =
        HeaderName::try_from(name).map_err(|_| format!("`{}` is no header name", name.escape_debug()))?;
    let mut parsed_value = HeaderValue::try_from(value)
        .map_err(|_| format!("the value of header `{name}` has characters that a header cannot have"))?;
    parsed_value.set_sensitive(true);
    Ok((parsed_name, parsed_value))
}
