//! `GET /v1/session`: what pages need to begin with.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::{answered, tools};
use crate::service::Service;
use crate::{headers, pass, streams};

/// A page does without the names of models rather than wait longer.
const PATIENCE: Duration = Duration::from_secs(3);
const MOST_BYTES: usize = 1 << 20;

pub(crate) async fn session(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    answered(async {
        let asks = service.access.asks_for_keys();
        let models = match service.access.admit(&headers) {
            Ok(_) => models(&service, &headers).await.unwrap_or_default(),
            // A page asks before anybody has typed a key in; a page of another origin gets nothing.
            Err(refusal) if !asks => return Err(refusal),
            Err(_) => Vec::new(),
        };
        let session = json!({
            "mode": service.mode.word(),
            "version": env!("CARGO_PKG_VERSION"),
            "models": models,
            "tools": tools::told(),
            "keys": asks,
            "conversations": service.rooms.is_some(),
        });
        Ok(streams::json(StatusCode::OK, &session))
    })
    .await
}

/// The models of the first upstream, as far as it names them.
async fn models(service: &Service, client: &HeaderMap) -> Option<Vec<Value>> {
    let asked = async {
        let up = headers::up(
            &[(
                http::HeaderName::from_static("anthropic-version"),
                http::HeaderValue::from_static("2026-10-21"),
            )]
            .into_iter()
            .collect(),
        );
        let answer =
            service.pass(Method::GET, "/v1/models?limit=100", up, Bytes::new(), client).await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let body = axum::body::to_bytes(pass::down(answer).into_body(), MOST_BYTES).await.ok()?;
        let list: Value = serde_json::from_slice(&body).ok()?;
        let models = list["data"].as_array()?.iter().filter_map(|model| {
            let id = model["id"].as_str()?;
            let name = model["display_name"].as_str().unwrap_or(id);
            let window =
                [&model["max_input_tokens"], &model["context_window"]].into_iter().find_map(Value::as_u64);
            Some(json!({"id": id, "display_name": name, "context_window": window}))
        });
        Some(models.collect())
    };
    tokio::time::timeout(PATIENCE, asked).await.ok()?
}
