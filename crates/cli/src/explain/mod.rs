//! `perennial explain`: what happened to a stream, when.

mod account;

use std::time::Duration;

use clap::Args;
use reqwest::StatusCode;
use serde_json::Value;

use crate::exit::{EXIT_CODES, Exit, Failure};
use crate::output::Answer;
use crate::{Run, listen};

/// For the whole request.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ExplainArgs {
    /// The stream, as the header `perennial-stream` has it: strm_...; or a link to it, with the right that is in the link
    #[arg(value_name = "ID")]
    stream: String,
    /// Where the gateway is, without /v1
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8787", env = "PERENNIAL_GATEWAY")]
    gateway: String,
    /// The key that the stream was asked for with, or an operator's (better in the environment than here)
    #[arg(long, value_name = "KEY", env = "PERENNIAL_KEY", hide_env_values = true)]
    key: Option<String>,
    /// The timeline as the gateway gives it: JSON
    #[arg(long)]
    json: bool,
}

/// Where the timeline is, and with which right it is read.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    gateway: String,
    stream: String,
    capability: Option<String>,
}

pub(crate) fn run(args: &ExplainArgs) -> Run {
    let place = Place::of(&args.stream, &args.gateway)?;
    let timeline = listen::runtime()?.block_on(fetch(&place, args.key.as_deref()))?;
    let mut answer = Answer::new();
    if args.json {
        answer.json(&timeline)?;
    } else {
        answer.write(account::account(&timeline).as_bytes())?;
    }
    answer.flush()?;
    Ok(Exit::Done)
}

impl Place {
    fn of(stream: &str, gateway: &str) -> Result<Self, Failure> {
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

    fn url(&self) -> String {
        let right =
            self.capability.as_ref().map(|capability| format!("?cap={capability}")).unwrap_or_default();
        format!("{}/v1/streams/{}/timeline{right}", self.gateway, self.stream)
    }
}

async fn fetch(place: &Place, key: Option<&str>) -> Result<Value, Failure> {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        // Whoever redirects is no gateway, and would get the key.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Failure::new(Exit::Configuration, format!("no TLS client can be made: {error}")))?;
    let mut request = client.get(place.url());
    if let Some(key) = key.filter(|key| !key.trim().is_empty()) {
        request = request.header("x-api-key", key.trim());
    }
    let network = |error: reqwest::Error| {
        let error = error.without_url();
        let hint = if error.is_connect() { "; is it running there? --gateway says where it is" } else { "" };
        Failure::new(
            Exit::Network,
            format!("the gateway at {} cannot be asked: {error}{hint}", place.gateway),
        )
    };
    let answer = request.send().await.map_err(network)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(network)?;
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    match json {
        Some(timeline) if status == StatusCode::OK && timeline.get("entries").is_some() => Ok(timeline),
        json => Err(refused(status, json.as_ref())),
    }
}

fn refused(status: StatusCode, body: Option<&Value>) -> Failure {
    let message = body.and_then(|body| body["error"]["message"].as_str());
    match (status, message) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, message) => {
            let message = message.unwrap_or("the gateway asks for a key");
            Failure::new(
                Exit::Configuration,
                format!("{message}; give the key of the stream with PERENNIAL_KEY or --key"),
            )
        }
        (_, Some(message)) => Failure::new(Exit::Other, message),
        (status, None) => {
            let message = format!("{status} and no timeline came from there: is it a gateway?");
            Failure::new(Exit::Other, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_by_its_id_or_by_a_link() {
        let place = |text: &str| Place::of(text, "http://g:1/").map(|place| place.url()).ok();
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
