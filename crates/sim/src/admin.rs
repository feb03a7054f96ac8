//! `/sim/...`: what a test asks the simulator about itself, and how it arms faults. No key is needed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Refused;
use crate::desk::{Armed, Desk};
use crate::fault::{Expect, Fault};
use crate::mind::Manners;
use crate::orders::Orders;
use crate::pace::PaceChange;
use crate::reply;

/// The body of `POST /sim/faults`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arm {
    /// Orders, as in the header.
    faults: String,
    /// For how many requests; 0 is until they are taken back.
    #[serde(default = "one")]
    count: u64,
}

fn one() -> u64 {
    1
}

pub(crate) async fn health(State(desk): State<Arc<Desk>>) -> Response {
    Json(json!({
        "status": "ok",
        "simulator": "perennial-sim",
        "version": env!("CARGO_PKG_VERSION"),
        "seed": desk.seed,
        "uptime_s": desk.started.elapsed().as_secs(),
    }))
    .into_response()
}

pub(crate) async fn journal(State(desk): State<Arc<Desk>>) -> Response {
    Json(json!({"entries": desk.journal.entries()})).into_response()
}

pub(crate) async fn clear_journal(State(desk): State<Arc<Desk>>) -> Response {
    desk.journal.clear();
    StatusCode::NO_CONTENT.into_response()
}

pub(crate) async fn faults(State(desk): State<Arc<Desk>>) -> Response {
    let words = |words: &[(&str, &str, &str)]| -> Vec<Value> {
        let word =
            |(word, takes, about): &(&str, &str, &str)| json!({"word": word, "takes": takes, "about": about});
        words.iter().map(word).collect()
    };
    let catalogue: Vec<Value> = Fault::catalogue()
        .iter()
        .map(|named| {
            let expect = match named.expect {
                Expect::Whole => "whole",
                Expect::Retried => "retried",
                Expect::Refused => "refused",
                Expect::Cut => "cut",
                Expect::Overdue => "overdue",
            };
            json!({"name": named.name, "words": named.words, "about": named.about, "expect": expect})
        })
        .collect();
    Json(json!({
        "armed": desk.armed(),
        "catalogue": catalogue,
        "words": {"faults": words(Fault::WORDS), "pace": words(PaceChange::WORDS), "manners": words(Manners::WORDS)},
    }))
    .into_response()
}

pub(crate) async fn arm(State(desk): State<Arc<Desk>>, body: axum::body::Bytes) -> Response {
    let read = serde_json::from_slice::<Arm>(&body)
        .map_err(|error| format!("{error}; send for example {{\"faults\":\"fin@event=5\",\"count\":1}}"))
        .and_then(|arm| {
            arm.faults.parse::<Orders>().map_err(|error| format!("faults: {error}"))?;
            Ok(Armed { orders: arm.faults, left: (arm.count > 0).then_some(arm.count) })
        });
    match read {
        Ok(armed) => {
            desk.arm(armed);
            Json(json!({"armed": desk.armed()})).into_response()
        }
        Err(message) => reply::refusal(&Refused::invalid(message), &desk.request_id()),
    }
}

pub(crate) async fn disarm(State(desk): State<Arc<Desk>>) -> Response {
    desk.disarm();
    StatusCode::NO_CONTENT.into_response()
}
