//! `perennial explain`: what happened to a stream, when.

mod account;

use std::time::Duration;

use clap::Args;
use reqwest::StatusCode;
use serde_json::Value;

use crate::exit::{EXIT_CODES, Exit, Failure};
use crate::output::Answer;
use crate::place::{GatewayArgs, Place};
use crate::{Run, listen};

/// For the whole request.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ExplainArgs {
    /// The stream, as the header `perennial-stream` has it: strm_...; or a link to it, with the right that is in the link
    #[arg(value_name = "ID")]
    stream: String,
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The timeline as the gateway gives it: JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ExplainArgs) -> Run {
    let place = Place::of(&args.stream, &args.gateway.url)?;
    let timeline = listen::runtime()?.block_on(fetch(&place, args.gateway.key.as_deref()))?;
    let mut answer = Answer::new();
    if args.json {
        answer.json(&timeline)?;
    } else {
        answer.write(account::account(&timeline).as_bytes())?;
    }
    answer.flush()?;
    Ok(Exit::Done)
}

async fn fetch(place: &Place, key: Option<&str>) -> Result<Value, Failure> {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        // Whoever redirects is no gateway, and would get the key.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Failure::new(Exit::Configuration, format!("no TLS client can be made: {error}")))?;
    let mut request = client.get(place.url("timeline"));
    if let Some(key) = key.filter(|key| !key.trim().is_empty()) {
        request = request.header("x-api-key", key.trim());
    }
    let network = |error: reqwest::Error| {
        let error = error.without_url();
        let hint = if error.is_connect() { "; is it running there? --url says where it is" } else { "" };
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
