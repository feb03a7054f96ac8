//! `GET /v1/ws`: streams over a WebSocket, read, made and stopped.
//!
//! One task for each socket. A subscription is a reader of the log like any other: what is written of a record is what the line-by-line face
//! writes, so that the law of faces holds. The handshake itself asks for no right: each frame is about one stream, and may bring its own.

mod frame;
mod operation;
mod session;
mod subscription;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, ORIGIN};

use self::session::Session;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::seat::Seat;
use crate::service::Service;

/// The largest frame of a client, but for those that make a stream; the largest of all where the handshake shows no right to make one.
const FRAME_BYTES: usize = 64 * 1024;
/// So much is gathered before it is written, and is the most that waits for a client that does not read, but for one record.
const WRITE_BYTES: usize = 32 * 1024;
/// For one read of the socket.
const READ_BYTES: usize = 8 * 1024;

pub(crate) async fn socket(
    State(service): State<Arc<Service>>,
    Extension(seat): Extension<Arc<Seat>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        let message = "this path is a WebSocket: it takes the handshake of RFC 6455 and nothing else";
        return Refusal::invalid(message).response(&RequestId::new());
    };
    let handshake = of_the_caller(&headers);
    // A stranger's bytes cost nothing.
    let may_create = service.access.admit(&handshake).is_ok();
    let most = FRAME_BYTES + if may_create { service.limits.body.0 } else { 0 };
    upgrade
        .max_frame_size(most)
        .max_message_size(most)
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .on_failed_upgrade(|error| tracing::debug!(%error, "a connection did not become a WebSocket"))
        .on_upgrade(move |socket| Box::pin(Session::new(service, seat, handshake, socket).run()))
}

/// What of a handshake says who asks.
fn of_the_caller(headers: &HeaderMap) -> HeaderMap {
    let names = [HOST, ORIGIN, AUTHORIZATION, http::HeaderName::from_static("x-api-key")];
    names
        .into_iter()
        .filter_map(|name| Some((headers.get(&name)?.clone(), name)))
        .map(|(value, name)| (name, value))
        .collect()
}
