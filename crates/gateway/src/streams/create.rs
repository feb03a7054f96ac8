//! `POST /v1/streams`: a stream that nobody needs to wait for.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use perennial_log::StreamId;
use perennial_protocol::ErrorKind;

use super::object::{self, Object};
use super::order::ordered;
use crate::access::Caller;
use crate::generation::{Begun, Live};
use crate::headers;
use crate::policy::OnDisconnect;
use crate::refusal::Refusal;
use crate::request::{self, Wish};
use crate::request_id::RequestId;
use crate::service::Service;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub(crate) async fn create(State(service): State<Arc<Service>>, request: Request) -> Response {
    let id = RequestId::new();
    match answer(&service, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.response(&id),
    }
}

async fn answer(service: &Arc<Service>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let caller = service.access.admit(&head.headers)?;
    let body = request::read(body, service.limits.body, &service.clocks).await?;
    let (stream, is_new) = begin(service, &caller, &head.headers, head.uri.query(), &body).await?;
    let object = Object::of(service, stream).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = object::json(status, &object);
    if let Ok(location) = HeaderValue::try_from(format!("/v1/streams/{stream}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Begins a stream, or finds the one that the same request began before: its name, and whether it is new.
///
/// Who stops waiting stops nothing: a key that made a stream is remembered, since that client will ask again.
pub(crate) async fn begin(
    service: &Arc<Service>,
    caller: &Caller,
    from: &HeaderMap,
    query: Option<&str>,
    body: &bytes::Bytes,
) -> Result<(StreamId, bool), Refusal> {
    if !from.contains_key(IDEMPOTENCY_KEY) {
        return begin_once(service, caller, from, query, body).await;
    }
    let (service, caller, from) = (Arc::clone(service), caller.clone(), from.clone());
    let (query, body) = (query.map(str::to_owned), body.clone());
    let begun =
        tokio::spawn(async move { begin_once(&service, &caller, &from, query.as_deref(), &body).await });
    begun.await.unwrap_or_else(|_| Err(Refusal::new(500, ErrorKind::Api, "the stream could not be begun")))
}

async fn begin_once(
    service: &Arc<Service>,
    caller: &Caller,
    from: &HeaderMap,
    query: Option<&str>,
    body: &bytes::Bytes,
) -> Result<(StreamId, bool), Refusal> {
    let streaming = match Wish::of(from, body)? {
        Wish::Message(streaming) => streaming,
        Wish::Stream => body.clone(),
        Wish::Unknown => {
            let message = "`stream` must be true, false or absent, and the body must not be compressed";
            return Err(Refusal::invalid(message));
        }
    };
    let path = query.map_or("/v1/messages".to_owned(), |query| format!("/v1/messages?{query}"));
    let mut order = ordered(service, from, caller.owner.clone(), path, streaming, OnDisconnect::Detach)?;
    if order.policy == OnDisconnect::Cancel {
        // It would be stopped before anybody could come.
        let message = "a stream of its own has no reader at first: ask for `detach` or `grace=SECONDS`";
        return Err(Refusal::invalid(format!("{}: {message}", headers::ON_DISCONNECT)));
    }
    let credential = service.access.credential(from);
    let Some(key) = from.get(IDEMPOTENCY_KEY) else {
        return Ok((kept(Live::begin(service, order, credential, caller.key.as_ref(), false)?).await?, true));
    };
    order.headers.remove(IDEMPOTENCY_KEY);
    // Held until the stream is in the log, so that of two that come at once one makes it and the other finds it.
    let mut keys = service.idempotency.lock(service).await?;
    let repeated = keys.look(&caller.owner, key, body)?;
    if let Some(stream) = repeated.stream {
        return Ok((stream, false));
    }
    order.idempotency = Some(repeated.as_order());
    let stream = kept(Live::begin(service, order, credential, caller.key.as_ref(), false)?).await?;
    let head = service.log.head(stream).await.map_err(|error| Refusal::of_log(&error))?;
    keys.remember(repeated, &head);
    Ok((head.stream, true))
}

/// The name of a stream whose request is in the log.
async fn kept(begun: Begun) -> Result<StreamId, Refusal> {
    begun.kept.wait().await?;
    Ok(begun.running.id)
}
