//! `POST /v1/conversations`: an empty conversation.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use perennial_history::NewConversation;
use serde::Deserialize;

use super::settings::{Settings, USUAL_MODEL};
use super::{Visit, answered, read, refused};
use crate::request;
use crate::service::Service;
use crate::streams::json;

/// What a new conversation is to be.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    model: Option<String>,
    system: Option<String>,
    settings: Settings,
    title: String,
}

pub(crate) async fn create(State(service): State<Arc<Service>>, request: Request) -> Response {
    answered(async {
        let (head, body) = request.into_parts();
        let Visit { rooms, conversations, .. } = Visit::of(&service, &head.headers)?;
        let body = request::read(body, service.limits.body, &service.clocks).await?;
        let asked: Asked = read(&body)?;
        let mut new = NewConversation::with_model(asked.model.as_deref().unwrap_or(USUAL_MODEL));
        new.settings = asked.settings.check()?;
        new.system = asked.system;
        new.title = asked.title;
        let conversation = rooms
            .to_the_end({
                let rooms = Arc::clone(&rooms);
                async move {
                    let made = conversations.create(&new).await.map_err(|error| refused(&error))?;
                    rooms.changes.tell(&conversations, &made.id).await;
                    Ok(made)
                }
            })
            .await?;
        let mut response = json(StatusCode::CREATED, &conversation);
        if let Ok(location) = HeaderValue::try_from(format!("/v1/conversations/{}", conversation.id)) {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    })
    .await
}
