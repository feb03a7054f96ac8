//! `POST /v1/streams/{id}/links`: a URL with which anyone may read, or stop, one stream for a while.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use perennial_log::Time;
use serde::Deserialize;
use serde_json::json;

use super::{lookup, object};
use crate::access::Scope;
use crate::limits::MaxBodyBytes;
use crate::refusal::Refusal;
use crate::request;
use crate::request_id::RequestId;
use crate::service::Service;

const BODY: MaxBodyBytes = MaxBodyBytes(64 * 1024);
const USUAL_SECONDS: u64 = 3600;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    scope: String,
    expires_in: u64,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { scope: "read".to_owned(), expires_in: USUAL_SECONDS }
    }
}

pub(crate) async fn link(
    State(service): State<Arc<Service>>,
    Path(stream): Path<String>,
    request: Request,
) -> Response {
    linked(&service, &stream, request).await.unwrap_or_else(|refusal| refusal.response(&RequestId::new()))
}

async fn linked(service: &Service, stream: &str, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let stream = lookup::named(stream)?;
    // A capability makes no capabilities: only who has a key may hand out rights.
    lookup::allowed(service, &head.headers, None, stream, Scope::Cancel).await?;
    let body = request::read(body, BODY, &service.clocks).await?;
    let wanted: Wanted = if body.is_empty() {
        Wanted::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            Refusal::invalid(format!(
                "the body is `{{\"scope\": \"read\" or \"cancel\", \"expires_in\": SECONDS}}`: {error}"
            ))
        })?
    };
    let scope = Scope::of(&wanted.scope).ok_or_else(|| Refusal::invalid("scope: `read` or `cancel`"))?;
    if wanted.expires_in == 0 {
        return Err(Refusal::invalid("expires_in: at least 1 second"));
    }
    let head = service.log.head(stream).await.map_err(|error| Refusal::of_log(&error))?;
    let expires = Time::now().plus(Duration::from_secs(wanted.expires_in)).min(head.expires);
    let capability = service.access.secret.grant(stream, scope, expires);
    let answer = json!({
        "url": format!("/v1/streams/{stream}/events?cap={capability}"),
        "cap": capability,
        "scope": scope.name(),
        "expires_at": object::written(expires),
    });
    Ok(object::json(StatusCode::CREATED, &answer))
}
