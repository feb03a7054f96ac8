//! The default transport: plain connections directly, everything else through reqwest.

use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::uri::Scheme;

use super::direct::Direct;
use super::{Body, ReqwestTransport, Transport, TransportError};

/// Where a proxy for plain connections may be named.
const PROXY_VARIABLES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// What a client uses unless told otherwise.
///
/// `https://` goes through [reqwest](ReqwestTransport): TLS with the system's certificates, HTTP/2, proxies. `http://` goes directly, over
/// connections that the reader of a stream drives himself, which halves the cost of an event; with a proxy in the environment
/// it goes through reqwest as well.
#[derive(Debug, Clone)]
pub struct DefaultTransport {
    direct: Option<Direct>,
    reqwest: ReqwestTransport,
}

impl DefaultTransport {
    /// A transport with a connection pool of its own. `connect` is the most time that a new connection may take, TLS included.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new(connect: Duration) -> Result<Self, TransportError> {
        let proxy = PROXY_VARIABLES.iter().any(|name| std::env::var_os(name).is_some());
        let direct = (!proxy).then(|| Direct::new(connect));
        Ok(Self { direct, reqwest: ReqwestTransport::new(connect)? })
    }
}

impl Transport for DefaultTransport {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, TransportError>> {
        match &self.direct {
            Some(direct) if request.uri().scheme() == Some(&Scheme::HTTP) => direct.send(request),
            _ => self.reqwest.send(request),
        }
    }
}
