//! Where traces go.

use http::HeaderName;

use crate::access::Key;

/// Where traces go: to whatever takes OTLP over HTTP, such as an OpenTelemetry collector.
///
/// Each stream that has ended is a span `chat MODEL` with the names of the GenAI conventions, and each attempt a span below it. A request's `traceparent`
/// is its parent, and its wish not to be sampled is heeded; without one the trace's id is that of the stream, without `strm_` and dashes.
///
/// ```
/// use perennial_gateway::{Gateway, TraceOptions};
///
/// let traces = TraceOptions::new("http://127.0.0.1:4318").service_name("gateway-1");
/// let gateway = Gateway::builder("https://api.anthropic.com").traces(traces).build()?;
/// # Ok::<(), perennial_gateway::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TraceOptions {
    pub(super) endpoint: String,
    pub(super) service_name: String,
    pub(super) headers: Vec<(HeaderName, Key)>,
}

impl TraceOptions {
    /// To the collector at `endpoint`. Where that has no path, `/v1/traces` is put behind it.
    #[must_use]
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self { endpoint: endpoint.into(), service_name: "perennial".to_owned(), headers: Vec::new() }
    }

    /// What this service is called there. `perennial`.
    #[must_use]
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = name.into();
        self
    }

    /// A header of each request, such as `authorization`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: Key) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Where spans are sent.
    pub(super) fn url(&self) -> Result<String, String> {
        let url = reqwest::Url::parse(self.endpoint.trim()).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("it must begin with http:// or https://".to_owned());
        }
        let mut url = url;
        if url.path() == "/" {
            url.set_path("/v1/traces");
        }
        Ok(url.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_with_or_without_a_path() {
        for (endpoint, url) in [
            ("http://127.0.0.1:4318", Some("http://127.0.0.1:4318/v1/traces")),
            ("https://otel.example/", Some("https://otel.example/v1/traces")),
            ("https://otel.example/in/traces", Some("https://otel.example/in/traces")),
            ("127.0.0.1:4318", None),
            ("grpc://x", None),
            ("", None),
        ] {
            assert_eq!(TraceOptions::new(endpoint).url().ok().as_deref(), url, "{endpoint}");
        }
    }
}
