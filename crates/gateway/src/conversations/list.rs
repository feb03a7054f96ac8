//! `GET /v1/conversations`: those changed last, or those in which something is found.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use perennial_history::Query as Pages;
use serde::Deserialize;
use serde_json::json;

use super::{Visit, answered, refused};
use crate::refusal::Refusal;
use crate::service::Service;
use crate::streams::{self, Query};

/// The most of one page.
const MAX_PAGE: usize = 1_000;
const USUAL_PAGE: usize = 50;

/// Which conversations are wanted.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    q: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    answered(async {
        let Visit { conversations, .. } = Visit::of(&service, &headers)?;
        let mut pages = Pages::default();
        pages.limit = asked.limit.unwrap_or(USUAL_PAGE);
        if !(1..=MAX_PAGE).contains(&pages.limit) {
            return Err(Refusal::invalid(format!("limit: 1 to {MAX_PAGE}")));
        }
        pages.after = asked.after;
        let words = asked.q.as_deref().map(str::trim).filter(|words| !words.is_empty());
        let Some(words) = words else {
            let page = conversations.list(&pages).await.map_err(|error| refused(&error))?;
            return Ok(streams::json(StatusCode::OK, &page));
        };
        let page = conversations.search(words, &pages).await.map_err(|error| refused(&error))?;
        // A conversation stands in the page once, with the first place where something was found.
        let mut seen = HashSet::new();
        let found: Vec<_> = page.data.iter().filter(|hit| seen.insert(hit.conversation.id.as_str())).collect();
        let data: Vec<_> = found.iter().map(|hit| &hit.conversation).collect();
        let hits: Vec<_> = found
            .iter()
            .map(|hit| json!({"conversation": hit.conversation.id, "turn": hit.turn, "snippet": hit.snippet, "marks": hit.marks}))
            .collect();
        Ok(streams::json(StatusCode::OK, &json!({"data": data, "has_more": page.has_more, "hits": hits})))
    })
    .await
}
