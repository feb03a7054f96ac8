//! `POST /v1/messages`: the path of a request, in order.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;

use crate::refusal::{Refusal, RequestId};
use crate::relay::Relay;
use crate::request::{self, Wish};
use crate::service::Service;
use crate::{fold, headers, pass};

pub(crate) async fn create(State(service): State<Arc<Service>>, request: Request) -> Response {
    let id = RequestId::new();
    match answer(&service, &id, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.response(&id),
    }
}

async fn answer(service: &Service, id: &RequestId, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();

    // 1. Who asks. Before the body is read: a stranger's bytes cost nothing.
    service.access.admit(&head.headers)?;

    // 2. The whole body, within its limit, so that the upstream never waits for a slow client.
    let body = request::read(body, service.limits.body, &service.clocks).await?;

    // 3. What is wanted. A message is asked for as a stream, since a stream does not time out on the way.
    let (wants_message, body) = match Wish::of(&head.headers, &body)? {
        Wish::Message(streaming) => (true, streaming),
        Wish::Stream | Wish::Unknown => (false, body),
    };

    // 4. Up, with the right key, and else as it came. From here on the upstream's connection belongs to this request: when the client
    //    leaves, the server drops the request, and the connection with it, whatever it waits for.
    let answer = service.up(&head, body).await?;

    // 5. Down. What is no stream of events (an error, JSON, a compressed body) is passed on as it is.
    if !headers::is_event_stream(answer.headers()) || !answer.status().is_success() {
        return Ok(pass::down(answer));
    }
    let (up, stream) = answer.into_parts();
    let id = RequestId::of(&up.headers, id);
    let ending = service.ending.clone().cancelled_owned();
    if wants_message {
        return fold::answer(stream, &up.headers, service.clocks, ending, id).await;
    }
    let mut response = Response::new(Body::new(Relay::new(stream, service.clocks, ending, id)));
    *response.status_mut() = up.status;
    *response.headers_mut() = headers::down_streaming(&up.headers);
    Ok(response)
}
