//! `POST /v1/messages`: the path of a request, in order.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::response::Parts;
use http::{HeaderValue, Uri};
use perennial_log::{After, Reader};
use perennial_protocol::ErrorKind;

use crate::face::{self, Cursor, Face, FaceBody};
use crate::generation::{Begun, Live, Opened};
use crate::headers::Kind;
use crate::refusal::Refusal;
use crate::request::{self, Wish};
use crate::request_id::RequestId;
use crate::service::Service;
use crate::streams::ordered;
use crate::upstream::UpstreamBody;
use crate::{headers, pass};

pub(crate) async fn create(State(service): State<Arc<Service>>, request: Request) -> Response {
    let id = RequestId::new();
    match answer(&service, &id, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.response(&id),
    }
}

async fn answer(service: &Arc<Service>, id: &RequestId, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();

    // 1. Who asks. Before the body is read: a stranger's bytes cost nothing.
    let caller = service.access.admit(&head.headers)?;

    // 2. The whole body, within its limit, so that the upstream never waits for a slow client.
    let body = request::read(body, service.limits.body, &service.clocks).await?;

    // 3. What is wanted. A message is asked for as a stream, since a stream does not time out on the way.
    let (wants_message, body) = match Wish::of(&head.headers, &body)? {
        Wish::Message(streaming) => (true, streaming),
        Wish::Stream | Wish::Unknown => (false, body),
    };

    // 4. A stream of it: the request into the log, and a generation that asks the upstream. From here on what becomes of it when the client
    //    leaves is the policy's to say: the server drops this future, or later the body, and the reader's presence with it.
    let path = upward(&head.uri);
    let on_disconnect = caller.on_disconnect(service.on_disconnect);
    let order = ordered(service, &head.headers, caller.owner.clone(), path, body, on_disconnect)?;
    let credential = service.access.credential(&head.headers);
    let Begun { running, presence, kept, opened } =
        Live::begin(service, order, credential, caller.key.as_ref(), true)?;

    // 5. What the upstream answers. Errors, and JSON that is no message, are passed on as they are; what cannot be an answer is none.
    let opened = tokio::time::timeout(service.clocks.early_open, opened);
    let up = match opened.await {
        Ok(Ok(Opened::Stream(up))) => up,
        Ok(Ok(Opened::Error(up, body))) => return Ok(named(error(&up, body), &running.id.to_string())),
        Ok(Ok(Opened::Other(answer))) => return other(*answer, wants_message),
        Ok(Ok(Opened::Refused(refusal))) => return Err(refusal),
        Ok(Err(_)) => return Err(Refusal::vanished()),
        // Nothing yet, and proxies on the way lose patience. The client gets its stream; what fails in it is told there.
        Err(_) => {
            // The log may take its time as well, and before it has the stream nobody can read it.
            kept.wait().await?;
            Box::new(headers::early())
        }
    };

    // 6. Down. The client reads the log like everybody else, from its beginning, on the face that it asked for.
    let id = RequestId::of(&up.headers, id);
    let reader = Reader::attach(&service.log, running.id, After::Start)
        .await
        .map_err(|error| Refusal::of_log(&error))?;
    let response = if wants_message {
        let folded = face::folded(reader, presence, &up.headers, service.clocks, id.clone()).await;
        // The upstream's id and limits belong to its failure as well.
        folded.unwrap_or_else(|refusal| refusal.response_over(headers::down_folded(&up.headers), &id))
    } else {
        let with_ids = head.headers.get(headers::EVENT_IDS).is_some_and(|value| value == "on");
        let face = if with_ids { Face::MessagesWithIds } else { Face::Messages };
        let body = FaceBody::new(Cursor::new(reader, None), face, None, service.clocks.ping, presence);
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = up.status;
        *response.headers_mut() = headers::down_streaming(&up.headers);
        response
    };
    Ok(named(response, &running.id.to_string()))
}

/// The path and the query that go up.
fn upward(uri: &Uri) -> String {
    uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()
}

/// The response with the name of its stream.
fn named(mut response: Response, stream: &str) -> Response {
    if let Ok(name) = HeaderValue::from_str(stream) {
        response.headers_mut().insert(headers::STREAM, name);
    }
    response
}

/// An error of the upstream as it is.
fn error(up: &Parts, body: bytes::Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = up.status;
    *response.headers_mut() = headers::down(&up.headers);
    response
}

/// An answer that is neither a stream that can be read nor an error.
fn other(answer: http::Response<UpstreamBody>, wants_message: bool) -> Result<Response, Refusal> {
    match headers::kind(answer.headers()) {
        Kind::Json => Ok(pass::down(answer)),
        // Its reader takes it apart; here its events cannot be seen.
        Kind::CompressedEvents if !wants_message => Ok(pass::down(answer)),
        _ => Err(no_answer(&answer)),
    }
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
