//! Which path is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::StatusCode;
use perennial_protocol::ErrorKind;

use crate::front;
use crate::messages;
use crate::pass::pass;
use crate::refusal::{Refusal, RequestId};
use crate::service::Service;
use crate::{cors, streams, web};

pub(crate) fn router(service: Arc<Service>) -> Router {
    let router = Router::new()
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/count_tokens", post(pass))
        .route("/v1/messages/batches", get(pass).post(pass))
        .route("/v1/messages/batches/{id}", get(pass).delete(pass))
        .route("/v1/messages/batches/{id}/cancel", post(pass))
        .route("/v1/messages/batches/{id}/results", get(pass))
        .route("/v1/streams", get(streams::list).post(streams::create))
        .route("/v1/streams/{id}", get(streams::show).delete(streams::delete))
        .route("/v1/streams/{id}/events", get(streams::events))
        .route("/v1/streams/{id}/message", get(streams::message))
        .route("/v1/streams/{id}/cancel", post(streams::cancel))
        .route("/v1/streams/{id}/links", post(streams::link))
        .route("/v1/events", get(streams::many_events))
        .route("/v1/ws", get(streams::socket))
        .route("/v1/models", get(pass))
        .route("/v1/models/{id}", get(pass))
        .route("/", get(front::page))
        // Clients ask for this to learn whether anyone is there; the upstream is not meant.
        .route("/api/hello", get(|| async { StatusCode::OK }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path);
    let router = web::routes(router);
    // Without allowed origins no header says anything about other pages, which is what keeps them out.
    let router = match cors::layer(&service.access.origins) {
        Some(layer) => router.layer(layer),
        None => router,
    };
    router.with_state(service)
}

async fn ready(State(service): State<Arc<Service>>) -> Response {
    if service.draining.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else {
        "ok\n".into_response()
    }
}

async fn wrong_method(request: Request) -> Response {
    let message = format!("{} does not take {}", request.uri().path(), request.method());
    Refusal::new(405, ErrorKind::InvalidRequest, message).response(&RequestId::new())
}

async fn unknown_path(request: Request) -> Response {
    let path = request.uri().path();
    let hint = if path.starts_with("/v1/v1/") { "; a base URL is given without /v1" } else { "" };
    let message = format!("{path} is no path of this gateway{hint}");
    Refusal::new(404, ErrorKind::NotFound, message).response(&RequestId::new())
}
