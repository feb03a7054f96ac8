//! `/sim/...`: what a test asks the simulator about itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::desk::Desk;

pub(crate) async fn health(State(desk): State<Arc<Desk>>) -> Response {
    let entries = desk.journal.entries().len();
    Json(json!({
        "status": "ok",
        "simulator": "perennial-sim",
        "version": env!("CARGO_PKG_VERSION"),
        "seed": desk.seed,
        "uptime_s": desk.started.elapsed().as_secs(),
        "journal_entries": entries,
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
