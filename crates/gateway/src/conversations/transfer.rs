//! `GET /v1/conversations/{id}/export` and `POST /v1/conversations/import`: conversations as one JSON document.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use perennial_history::Document;
use serde_json::json;

use super::{Visit, answered, refused};
use crate::refusal::Refusal;
use crate::request;
use crate::service::Service;
use crate::streams;

pub(crate) async fn export(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    answered(async {
        let Visit { conversations, .. } = Visit::of(&service, &headers)?;
        let document = conversations.export(&id).await.map_err(|error| refused(&error))?;
        let text = document.to_json().map_err(|error| refused(&error))?;
        let mut response = Response::new(Body::from(text));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"{id}.json\"")) {
            headers.insert(CONTENT_DISPOSITION, name);
        }
        Ok(response)
    })
    .await
}

pub(crate) async fn import(State(service): State<Arc<Service>>, request: Request) -> Response {
    answered(async {
        let (head, body) = request.into_parts();
        let Visit { rooms, conversations, .. } = Visit::of(&service, &head.headers)?;
        let body = request::read(body, service.limits.body, &service.clocks).await?;
        let text =
            std::str::from_utf8(&body).map_err(|_| Refusal::invalid("the document is not UTF-8 text"))?;
        let document = Document::from_json(text).map_err(|error| refused(&error))?;
        let imported = conversations.import(&document).await.map_err(|error| refused(&error))?;
        for one in &imported {
            rooms.changes.tell(&conversations, &one.id).await;
        }
        Ok(streams::json(StatusCode::CREATED, &json!({"data": imported})))
    })
    .await
}
