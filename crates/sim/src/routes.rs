//! Which path is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;

use crate::answer::Refused;
use crate::desk::Desk;
use crate::{admin, batches, messages, models, reply};

pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/count_tokens", post(messages::count_tokens))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::get))
        .route("/api/hello", get(|| async { StatusCode::OK.into_response() }))
        .route("/v1/messages/batches", get(batches::list).post(batches::create))
        .route("/v1/messages/batches/{id}", get(batches::get).delete(batches::delete))
        .route("/v1/messages/batches/{id}/cancel", post(batches::cancel))
        .route("/v1/messages/batches/{id}/results", get(batches::results))
        .route("/sim/health", get(admin::health))
        .route("/sim/journal", get(admin::journal).delete(admin::clear_journal))
        .route("/sim/faults", get(admin::faults).post(admin::arm).delete(admin::disarm))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(desk)
}

async fn not_found(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let message = format!("Not found: {}", request.uri().path());
    reply::refusal(&Refused::not_found(message), &desk.request_id())
}

async fn not_allowed(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let message = format!("Method {} is not allowed for {}", request.method(), request.uri().path());
    reply::refusal(&Refused::new(405, "invalid_request_error", message), &desk.request_id())
}
