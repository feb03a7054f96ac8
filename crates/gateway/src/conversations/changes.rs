//! `GET /v1/conversations/events`: that a conversation has changed, as it happens.
//!
//! Nothing is repeated and nothing is kept: who hears `hello`, at first or because it was too slow, asks again for what it shows.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use perennial_history::Conversations;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{Visit, answered};
use crate::access::Owner;
use crate::face::{self, Face};
use crate::service::Service;

/// So many changes may come while somebody reads none; then it hears `hello` again.
const MAX_UNHEARD: usize = 1_024;
const HELLO: &str = "event: hello\ndata: {}\n\n";

/// Who is told of changes.
#[derive(Debug)]
pub(super) struct Changes(broadcast::Sender<Change>);

#[derive(Clone, Debug)]
struct Change {
    owner: Arc<str>,
    event: Bytes,
}

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(MAX_UNHEARD))
    }
}

impl Changes {
    /// A conversation has changed, or is no more.
    pub(super) async fn tell(&self, conversations: &Conversations, id: &str) {
        let (version, deleted) = match conversations.get(id).await {
            Ok(conversation) => (conversation.version, false),
            Err(error) if error.is_not_found() => (0, true),
            // Who reads cannot be told, and asks again when it comes back.
            Err(_) => return,
        };
        let data = json!({"id": id, "version": version, "deleted": deleted});
        let event = format!("event: conversation\ndata: {data}\n\n").into();
        // Nobody may listen.
        let _ = self.0.send(Change { owner: conversations.owner().into(), event });
    }
}

pub(crate) async fn events(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    answered(async {
        let Visit { rooms, caller, .. } = Visit::of(&service, &headers)?;
        let heard = rooms.changes.0.subscribe();
        let mut response = Response::new(Body::from_stream(feed(service, caller.owner, heard)));
        *response.headers_mut() = face::growing(Face::Sse);
        Ok(response)
    })
    .await
}

fn feed(
    service: Arc<Service>,
    owner: Owner,
    heard: broadcast::Receiver<Change>,
) -> impl stream::Stream<Item = Result<Bytes, Infallible>> + Send {
    let first = Some(Bytes::from_static(HELLO.as_bytes()));
    stream::unfold((service, owner, heard, first), |(service, owner, mut heard, first)| async move {
        if let Some(first) = first {
            return Some((Ok(first), (service, owner, heard, None)));
        }
        loop {
            let piece = tokio::select! {
                // A feed has no end of its own, and nobody is to wait for one.
                () = service.draining.cancelled() => return None,
                change = heard.recv() => match change {
                    Ok(change) if *change.owner == *owner.name() => change.event,
                    Ok(_) => continue,
                    Err(RecvError::Lagged(_)) => Bytes::from_static(HELLO.as_bytes()),
                    Err(RecvError::Closed) => return None,
                },
                () = tokio::time::sleep(service.clocks.ping) => Bytes::from_static(Face::Sse.sign_of_life()),
            };
            return Some((Ok(piece), (service, owner, heard, None)));
        }
    })
}
