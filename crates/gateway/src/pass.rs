//! Answers that are passed on as they are: errors, JSON, lists, result files, and what cannot be looked into.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http_body::Frame;

use crate::headers;
use crate::refusal::Refusal;
use crate::request;
use crate::request_id::RequestId;
use crate::service::Service;
use crate::upstream::{UpstreamBody, UpstreamFailure};

/// A request that goes up and an answer that comes down, both as they are.
pub(crate) async fn pass(State(service): State<Arc<Service>>, request: Request) -> Response {
    let id = RequestId::new();
    match passed(&service, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.response(&id),
    }
}

async fn passed(service: &Service, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    service.access.admit(&head.headers)?.may_pass(head.uri.path())?;
    let body = request::read(body, service.limits.body, &service.clocks).await?;
    let (headers, client) = (headers::up(&head.headers), service.access.credential(&head.headers));
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let answer = service.pass(head.method.clone(), path, headers, body, &client).await?;
    Ok(down(answer))
}

/// The answer as it is.
pub(crate) fn down(answer: http::Response<UpstreamBody>) -> Response {
    let (head, body) = answer.into_parts();
    let mut response = Response::new(Body::new(Passing(body)));
    *response.status_mut() = head.status;
    *response.headers_mut() = headers::down(&head.headers);
    response
}

/// The upstream's body. Where it breaks, ours breaks too.
struct Passing(UpstreamBody);

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = UpstreamFailure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFailure>>> {
        self.get_mut().0.poll_data(cx).map(|data| data.map(|data| data.map(Frame::data)))
    }
}
