//! The transport over reqwest: rustls, proxies from the environment, HTTP/1.1.
//!
//! Each stream has a connection of its own. Over HTTP/2 all streams of a client would share one: its limit of about a hundred streams, its window, which one
//! slow reader can use up, and its end.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http_body::Body as _;

use super::{Body, Kind, Transport, TransportError, TransportErrorKind};

/// A dead peer is noticed in these intervals even while nobody writes.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A [`Transport`] over [reqwest](::reqwest).
#[derive(Clone)]
pub struct ReqwestTransport {
    client: reqwest::Client,
}

impl ReqwestTransport {
    /// A transport with a connection pool of its own. `connect` is the most time that a new connection may take, TLS included.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new(connect: Duration) -> Result<Self, TransportError> {
        let client = reqwest::Client::builder()
            .http1_only()
            .connect_timeout(connect)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEPALIVE)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Retries are decided in one place, with a budget; see `RetryPolicy`.
            .retry(reqwest::retry::never())
            .build()
            .map_err(|source| TransportError::new(TransportErrorKind::Request, source))?;
        Ok(Self { client })
    }

    /// A transport over a client of your own, for proxies, certificates and the like.
    ///
    /// Give it a connect timeout, no other timeout (see [`Deadlines`](crate::Deadlines)), no redirects and no retries.
    #[must_use]
    pub fn with_client(client: reqwest::Client) -> Self {
        Self { client }
    }
}

impl Transport for ReqwestTransport {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, TransportError>> {
        let client = self.client.clone();
        Box::pin(async move {
            let request = request.try_into().map_err(classify)?;
            let response = client.execute(request).await.map_err(classify)?;
            Ok(http::Response::from(response).map(|body| Body(Kind::Reqwest(body))))
        })
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport").finish_non_exhaustive()
    }
}

/// The next piece of the body; trailers say nothing here.
pub(super) fn poll_body(
    body: &mut reqwest::Body,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, TransportError>>> {
    loop {
        match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(classify(error)))),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Poll::Ready(Some(Ok(bytes)));
                }
            }
        }
    }
}

fn classify(error: reqwest::Error) -> TransportError {
    let kind = if error.is_builder() {
        TransportErrorKind::Request
    } else if error.is_connect() && error.is_timeout() {
        TransportErrorKind::ConnectTimeout
    } else if error.is_connect() {
        TransportErrorKind::Connect
    } else {
        TransportErrorKind::Lost
    };
    // The URL may hold a password.
    TransportError::new(kind, error.without_url())
}
