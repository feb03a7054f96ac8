//! Where a stream is: a gateway, the stream's name there, and the right to read it.

use clap::Args;
use perennial::resources::Streams;
use perennial::{Client, RetryPolicy};

use crate::exit::{Exit, Failure};

/// The gateway, and the key for it.
#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Where the gateway is, without /v1
    #[arg(
        long = "url",
        visible_alias = "gateway",
        value_name = "URL",
        default_value = "http://127.0.0.1:8787",
        env = "PERENNIAL_GATEWAY"
    )]
    pub(crate) url: String,
    /// The key that streams were asked for with, or an operator's (better in the environment than here)
    #[arg(long, value_name = "KEY", env = "PERENNIAL_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
}

/// One stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) gateway: String,
    pub(crate) stream: String,
    pub(crate) capability: Option<String>,
}

impl GatewayArgs {
    /// A client of the gateway at `url`.
    pub(crate) fn client(&self, url: &str) -> Result<Client, Failure> {
        let mut builder = Client::builder().base_url(url).retries(RetryPolicy::default());
        if let Some(key) = self.key.as_deref().map(str::trim).filter(|key| !key.is_empty()) {
            builder = builder.api_key(key);
        }
        builder.build().map_err(|error| Failure::new(Exit::Configuration, error))
    }

    /// The streams of this gateway.
    pub(crate) fn streams(&self) -> Result<Streams, Failure> {
        Ok(self.client(&self.url)?.streams())
    }
}

impl Place {
    /// A stream by its name, or by a link to it with the right that is in the link.
    pub(crate) fn of(stream: &str, gateway: &str) -> Result<Self, Failure> {
        let (mut gateway, mut path) = (gateway.trim_end_matches('/'), stream.trim());
        if let Some((before, after)) = path.split_once("/v1/streams/") {
            (gateway, path) = (if before.is_empty() { gateway } else { before }, after);
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let stream = path.split('/').next().unwrap_or_default();
        let is_name = |text: &str| {
            text.starts_with("strm_")
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        if !is_name(stream) {
            let message = "a stream is named strm_...; the header `perennial-stream` of its answer says how";
            return Err(Failure::new(Exit::Usage, message));
        }
        let capability = query.split('&').find_map(|pair| pair.strip_prefix("cap=")).map(str::to_owned);
        Ok(Self { gateway: gateway.to_owned(), stream: stream.to_owned(), capability })
    }

    /// The address of something about the stream.
    pub(crate) fn url(&self, below: &str) -> String {
        let right =
            self.capability.as_ref().map(|capability| format!("?cap={capability}")).unwrap_or_default();
        format!("{}/v1/streams/{}/{below}{right}", self.gateway, self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_by_its_id_or_by_a_link() {
        let place = |text: &str| Place::of(text, "http://g:1/").map(|place| place.url("timeline")).ok();
        for (text, url) in [
            ("strm_01", Some("http://g:1/v1/streams/strm_01/timeline")),
            (" strm_01\n", Some("http://g:1/v1/streams/strm_01/timeline")),
            ("/v1/streams/strm_01/events?cap=a.b", Some("http://g:1/v1/streams/strm_01/timeline?cap=a.b")),
            (
                "https://x.example/p/v1/streams/strm_01/events?after=1.1&cap=a",
                Some("https://x.example/p/v1/streams/strm_01/timeline?cap=a"),
            ),
            ("01", None),
            ("strm_01/../../x", Some("http://g:1/v1/streams/strm_01/timeline")),
            ("strm_%2e", None),
            ("", None),
        ] {
            assert_eq!(place(text).as_deref(), url, "{text}");
        }
    }
}
