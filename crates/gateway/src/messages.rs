//! `POST /v1/messages`: the path of a request, in order.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use perennial_protocol::ErrorKind;

use crate::headers::Kind;
use crate::refusal::{Refusal, RequestId};
use crate::relay::Relay;
use crate::request::{self, Wish};
use crate::service::Service;
use crate::upstream::UpstreamBody;
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

    // 5. Down. Errors, and JSON where a stream was asked for, are passed on as they are; what cannot be an answer is none.
    match headers::kind(answer.headers()) {
        _ if !answer.status().is_success() => return Ok(pass::down(answer)),
        Kind::Events => {}
        Kind::Json => return Ok(pass::down(answer)),
        // Its reader takes it apart; here its events cannot be seen.
        Kind::CompressedEvents if !wants_message => return Ok(pass::down(answer)),
        Kind::CompressedEvents | Kind::Other => return Err(no_answer(&answer)),
    }
    let (up, stream) = answer.into_parts();
    let id = RequestId::of(&up.headers, id);
    let ending = service.ending.clone().cancelled_owned();
    if wants_message {
        let folded = fold::answer(stream, &up.headers, service.clocks, ending, id.clone()).await;
        // The upstream's id and limits belong to its failure as well.
        return Ok(
            folded.unwrap_or_else(|refusal| refusal.response_over(headers::down_folded(&up.headers), &id))
        );
    }
    let mut response = Response::new(Body::new(Relay::new(stream, service.clocks, ending, id)));
    *response.status_mut() = up.status;
    *response.headers_mut() = headers::down_streaming(&up.headers);
    Ok(response)
}

/// A 200 that is neither a stream nor JSON: the page of a proxy, mostly. Passed on, some clients would take it for an empty answer.
fn no_answer(answer: &http::Response<UpstreamBody>) -> Refusal {
    let media = headers::content_type(answer.headers());
    let media = if media.is_empty() { "no content type" } else { media };
    let encoded = if headers::is_plain(answer.headers()) { "" } else { ", compressed" };
    let status = answer.status().as_u16();
    let message = format!(
        "the upstream answered {status} with {media:.60}{encoded}: neither a stream of events nor JSON; is its address right?"
    );
    Refusal::new(502, ErrorKind::Api, message)
}
