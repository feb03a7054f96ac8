//! The stream object: what there is to know of a stream, without its answer. And the answer, folded.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use perennial_log::{After, Head, Reader, StreamId, Time};
use perennial_protocol::Usage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lookup;
use super::query::Query;
use crate::access::Scope;
use crate::face;
use crate::generation::Progress;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::service::Service;

/// What there is to know of a stream.
#[derive(Debug, Serialize)]
pub(crate) struct Object {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    pub(crate) state: String,
    model: Option<String>,
    created_at: String,
    expires_at: String,
    position: String,
    on_disconnect: Option<String>,
    readers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_is_final: Option<bool>,
    outcome: Option<Value>,
}

/// The right that stands in a query.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Right {
    pub(crate) cap: Option<String>,
}

impl Object {
    pub(crate) async fn of(service: &Service, stream: StreamId) -> Result<Self, Refusal> {
        let head = service.log.head(stream).await.map_err(|error| Refusal::of_log(&error))?;
        Self::of_head(service, &head).await
    }

    /// For lists, without usage and how it ended in detail, since that is another record to read.
    pub(crate) fn in_list(service: &Service, head: &Head, model: Option<String>, policy: String) -> Self {
        let mut object = Self::bare(service, head);
        object.model = model;
        object.on_disconnect = Some(policy);
        object
    }

    async fn of_head(service: &Service, head: &Head) -> Result<Self, Refusal> {
        let mut object = Self::bare(service, head);
        if let Some(running) = service.live.get(head.stream) {
            object.model = running.model.clone();
            object.on_disconnect = Some(running.policy.to_string());
            let Progress { usage, is_final } = running.progress();
            (object.usage, object.usage_is_final) = (Some(usage), Some(is_final));
        } else if let Some(order) =
            lookup::order(service, head.stream).await.map_err(|error| Refusal::of_log(&error))?
        {
            object.model = order.model;
            object.on_disconnect = Some(order.policy.to_string());
        }
        if let Some((outcome, ending)) =
            lookup::ending(service, head).await.map_err(|error| Refusal::of_log(&error))?
        {
            let mut told = face::terminal_data(outcome, &ending);
            if let Some(told) = told.as_object_mut() {
                told.remove("usage");
                told.remove("outcome");
                told.insert("type".to_owned(), outcome.to_string().into());
            }
            object.outcome = Some(told);
            object.usage_is_final = Some(ending.stop_reason.is_some());
            object.usage = Some(ending.usage);
        }
        object.usage.get_or_insert_default();
        object.usage_is_final.get_or_insert_default();
        Ok(object)
    }

    fn bare(service: &Service, head: &Head) -> Self {
        let running = service.live.get(head.stream);
        let state = match (head.outcome, &running) {
            (Some(outcome), _) => outcome.to_string(),
            (None, Some(running)) if running.is_recovering() => "recovering".to_owned(),
            (None, _) => "running".to_owned(),
        };
        Self {
            id: head.stream.to_string(),
            kind: "stream",
            state,
            model: None,
            created_at: written(head.stream.time()),
            expires_at: written(head.expires),
            position: head.position().to_string(),
            on_disconnect: None,
            readers: running.filter(|_| head.outcome.is_none()).map_or(0, |running| running.readers()),
            usage: None,
            usage_is_final: None,
            outcome: None,
        }
    }
}

/// A time as RFC 3339 writes it.
pub(crate) fn written(time: Time) -> String {
    let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |time| time.to_string())
}

/// `GET /v1/streams/{id}`.
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(stream): Path<String>,
    Query(right): Query<Right>,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let stream = lookup::named(&stream)?;
        lookup::allowed(&service, &headers, right.cap.as_deref(), stream, Scope::Read).await?;
        Ok(json(StatusCode::OK, &Object::of(&service, stream).await?))
    };
    shown.await.unwrap_or_else(|refusal: Refusal| refusal.response(&RequestId::new()))
}

/// `GET /v1/streams/{id}/message`.
pub(crate) async fn message(
    State(service): State<Arc<Service>>,
    Path(stream): Path<String>,
    Query(right): Query<Right>,
    headers: HeaderMap,
) -> Response {
    let folded = async {
        let stream = lookup::named(&stream)?;
        lookup::allowed(&service, &headers, right.cap.as_deref(), stream, Scope::Read).await?;
        let reader = Reader::attach(&service.log, stream, After::Start)
            .await
            .map_err(|error| Refusal::of_log(&error))?;
        let (message, outcome) = face::message(reader).await?;
        let state = outcome.map_or("running".to_owned(), |outcome| outcome.to_string());
        let mut response = Response::new(Body::from(message));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(state) = HeaderValue::try_from(state) {
            headers.insert("perennial-state", state);
        }
        Ok(response)
    };
    folded.await.unwrap_or_else(|refusal: Refusal| refusal.response(&RequestId::new()))
}

/// A JSON answer that nothing on the way keeps.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut response = Response::new(Body::from(serde_json::to_vec(value).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
