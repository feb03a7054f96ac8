//! `PATCH` and `DELETE /v1/conversations/{id}`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use perennial_history::{Patch, State as TurnState, Turn};
use serde::{Deserialize, Deserializer};

use super::settings::Settings;
use super::trim::Keep;
use super::{Visit, answered, read, refused, stop};
use crate::request;
use crate::service::Service;
use crate::streams::json;

/// What is to be otherwise; what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    title: Option<String>,
    model: Option<String>,
    #[serde(deserialize_with = "there")]
    system: Option<Option<String>>,
    settings: Option<Settings>,
    #[serde(deserialize_with = "there")]
    head: Option<Option<String>>,
}

/// A member that is there, if only as `null`.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

pub(crate) async fn change(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answered(async {
        let (head, body) = request.into_parts();
        let Visit { rooms, conversations, .. } = Visit::of(&service, &head.headers)?;
        let body = request::read(body, service.limits.body, &service.clocks).await?;
        let asked: Asked = read(&body)?;
        let mut patch = Patch::default();
        patch.title = asked.title;
        patch.model = asked.model;
        patch.system = asked.system;
        patch.settings = asked.settings.map(|settings| settings.check()).transpose()?;
        patch.head = asked.head;
        let changed = conversations.patch(&id, &patch).await.map_err(|error| refused(&error))?;
        rooms.changes.tell(&conversations, &id).await;
        Ok(json(StatusCode::OK, &changed))
    })
    .await
}

pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    answered(async {
        let Visit { rooms, conversations, .. } = Visit::of(&service, &headers)?;
        let turns = match conversations.turns(&id).await {
            // Deleted already: that is what was wanted.
            Err(error) if error.is_not_found() => Vec::new(),
            turns => turns.map_err(|error| refused(&error))?,
        };
        // What nobody will see is not to be paid for: what waits goes first, so that it does not begin; then what runs, or whose tools do.
        let is_open = |turn: &&Turn| !turn.state.is_end() || rooms.watched(&turn.id).is_some();
        let mut open: Vec<&Turn> = turns.iter().filter(is_open).collect();
        open.sort_by_key(|turn| turn.state != TurnState::Queued);
        for turn in open {
            stop::halt(&service, &rooms, &conversations, turn, Keep::Everything).await?;
        }
        match conversations.delete(&id).await {
            Err(error) if error.is_not_found() => {}
            deleted => deleted.map_err(|error| refused(&error))?,
        }
        rooms.changes.tell(&conversations, &id).await;
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    })
    .await
}
