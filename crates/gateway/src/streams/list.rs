//! `GET /v1/streams`: the caller's streams, the newest first.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::lookup;
use super::object::{self, Object};
use super::query::Query;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::service::Service;

const MOST: usize = 1000;
const USUAL: usize = 20;
/// So many streams of others are passed over in one request, so that it ends soon whoever asks.
const LOOKED_AT: usize = 5000;

#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    limit: Option<usize>,
    after_id: Option<String>,
}

pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> Response {
    listed(&service, page, &headers).await.unwrap_or_else(|refusal| refusal.response(&RequestId::new()))
}

async fn listed(service: &Service, page: Page, headers: &HeaderMap) -> Result<Response, Refusal> {
    let caller = service.access.admit(headers)?;
    let limit = page.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Refusal::invalid(format!("limit: 1 to {MOST}")));
    }
    let mut before = page.after_id.as_deref().map(lookup::named).transpose()?;
    let mut data = Vec::new();
    let mut looked_at = 0;
    // The last of the caller's own, and the last that was looked at.
    let (mut last, mut seen) = (None, None);
    let has_more = loop {
        let part = service.log.list(before, limit).await.map_err(|error| Refusal::of_log(&error))?;
        for head in &part.heads {
            if data.len() == limit {
                break;
            }
            seen = Some(head.stream);
            looked_at += 1;
            // One that was deleted meanwhile is not there.
            let Ok(Some(order)) = lookup::order(service, head.stream).await else { continue };
            if caller.may_have(&order.owner) {
                last = seen;
                data.push(Object::in_list(service, head, order.model, order.policy.to_string()));
            }
        }
        let more_here = part.heads.last().is_some_and(|head| Some(head.stream) != seen);
        if data.len() == limit {
            break more_here || part.next.is_some();
        }
        if looked_at >= LOOKED_AT {
            // The one place where somebody else's name is told: the search goes on behind it.
            last = seen;
            break part.next.is_some();
        }
        before = part.next;
        if before.is_none() {
            break false;
        }
    };
    let last = last.map(|stream| stream.to_string());
    Ok(object::json(StatusCode::OK, &json!({"data": data, "has_more": has_more, "last_id": last})))
}
