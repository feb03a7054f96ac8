//! Stopping a stream, and forgetting it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use perennial_log::{Entry, Error, Kind, StreamId, Writer};

use super::lookup;
use super::object::{self, Object, Right};
use super::query::Query;
use crate::access::Scope;
use crate::generation::Stop;
use crate::record::{Cut, Ending};
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::service::Service;

/// How long the answer waits for a generation that was asked to stop; it takes a fraction of a millisecond where the log answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// `POST /v1/streams/{id}/cancel`.
pub(crate) async fn cancel(
    State(service): State<Arc<Service>>,
    Path(stream): Path<String>,
    Query(right): Query<Right>,
    headers: HeaderMap,
) -> Response {
    let cancelled = async {
        let stream = lookup::named(&stream)?;
        lookup::allowed(&service, &headers, right.cap.as_deref(), stream, Scope::Cancel).await?;
        stop(&service, stream).await?;
        Ok(object::json(StatusCode::OK, &Object::of(&service, stream).await?))
    };
    cancelled.await.unwrap_or_else(|refusal: Refusal| refusal.response(&RequestId::new()))
}

/// `DELETE /v1/streams/{id}`.
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    Path(stream): Path<String>,
    headers: HeaderMap,
) -> Response {
    let deleted = async {
        let stream = lookup::named(&stream)?;
        match lookup::allowed(&service, &headers, None, stream, Scope::Cancel).await {
            // Forgotten already: that is what was wanted.
            Err(refusal) if refusal.status() == StatusCode::GONE => {}
            allowed => {
                allowed?;
                stop(&service, stream).await.or_else(|refusal| {
                    if refusal.status() == StatusCode::GONE { Ok(()) } else { Err(refusal) }
                })?;
                service.log.delete(stream).await.map_err(|error| Refusal::of_log(&error))?;
                service.idempotency.forget(stream).await;
            }
        }
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    };
    deleted.await.unwrap_or_else(|refusal: Refusal| refusal.response(&RequestId::new()))
}

/// Stops a stream, in whatever state it is; one that has ended stays as it is.
pub(crate) async fn stop(service: &Service, stream: StreamId) -> Result<(), Refusal> {
    let running = lookup::running(service, stream).await.map_err(|error| Refusal::of_log(&error))?;
    if let Some(running) = running {
        running.stop(Stop::Asked);
        // Where the log hangs the wish stands all the same; the upstream is closed before the end is written.
        let _ = tokio::time::timeout(PATIENCE, running.ended()).await;
        return Ok(());
    }
    let head = service.log.head(stream).await.map_err(|error| Refusal::of_log(&error))?;
    if head.outcome.is_some() {
        return Ok(());
    }
    // Nobody makes it any more, and it was not settled: it ends here.
    let ended = async {
        let mut writer =
            Writer::takeover(&service.log, stream, head.epoch(), br#"{"reason":"cancel"}"#).await?;
        let cancel = Entry::new(Kind::Cancel, r#"{"reason":"asked"}"#);
        let ending = Ending::failed(Cut::Asked.error(None));
        writer.append(&[cancel, ending.entry(Cut::Asked.outcome())]).await
    };
    match ended.await {
        Ok(_) => Ok(()),
        Err(error) if Error::is_closed(&error) => Ok(()),
        Err(error) => Err(Refusal::of_log(&error)),
    }
}
