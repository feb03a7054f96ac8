//! Which path is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, patch, post};
use http::StatusCode;
use perennial_protocol::ErrorKind;

use crate::pass::pass;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::service::Service;
use crate::{conversations, cors, openapi, streams, web};
use crate::{messages, metrics};

/// One table, so that what is routed and what is documented can be compared.
macro_rules! routes {
    ($($method:ident $path:literal => $answer:expr;)*) => {
        /// Method and path of each route, but for those of the module for browsers.
        #[cfg(test)]
        pub(crate) const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),*];

        fn routes() -> Router<Arc<Service>> {
            Router::new()$(.route($path, $method($answer)))*
        }
    };
}

routes! {
    post "/v1/messages" => messages::create;
    post "/v1/messages/count_tokens" => pass;
    get "/v1/messages/batches" => pass;
    post "/v1/messages/batches" => pass;
    get "/v1/messages/batches/{id}" => pass;
    delete "/v1/messages/batches/{id}" => pass;
    post "/v1/messages/batches/{id}/cancel" => pass;
    get "/v1/messages/batches/{id}/results" => pass;
    get "/v1/streams" => streams::list;
    post "/v1/streams" => streams::create;
    get "/v1/streams/{id}" => streams::show;
    delete "/v1/streams/{id}" => streams::delete;
    get "/v1/streams/{id}/events" => streams::events;
    get "/v1/streams/{id}/message" => streams::message;
    get "/v1/streams/{id}/timeline" => streams::timeline;
    post "/v1/streams/{id}/cancel" => streams::cancel;
    post "/v1/streams/{id}/links" => streams::link;
    get "/v1/events" => streams::many_events;
    get "/v1/ws" => streams::socket;
    get "/v1/conversations" => conversations::list;
    post "/v1/conversations" => conversations::create;
    get "/v1/conversations/events" => conversations::events;
    post "/v1/conversations/import" => conversations::import;
    get "/v1/conversations/{id}" => conversations::show;
    patch "/v1/conversations/{id}" => conversations::change;
    delete "/v1/conversations/{id}" => conversations::delete;
    get "/v1/conversations/{id}/export" => conversations::export;
    post "/v1/conversations/{id}/turns" => conversations::create_turns;
    post "/v1/conversations/{id}/turns/{turn}/retry" => conversations::retry;
    post "/v1/conversations/{id}/turns/{turn}/continue" => conversations::go_on;
    post "/v1/conversations/{id}/turns/{turn}/stop" => conversations::stop;
    get "/v1/session" => conversations::session;
    get "/v1/models" => pass;
    get "/v1/models/{id}" => pass;
    get "/" => conversations::front;
    get "/c/{id}" => conversations::page;
    post "/c" => conversations::ask_form;
    get "/openapi.json" => openapi::document;
    // Clients ask for this to learn whether anyone is there; the upstream is not meant.
    get "/api/hello" => || async { StatusCode::OK };
    get "/healthz" => || async { "ok\n" };
    get "/readyz" => ready;
    get "/metrics" => metrics::page;
}

pub(crate) fn router(service: Arc<Service>) -> Router {
    let router = routes().method_not_allowed_fallback(wrong_method).fallback(unknown_path);
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
