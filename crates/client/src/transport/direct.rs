//! Plain HTTP/1.1, without TLS and without a task of its own: for a gateway next door.
//!
//! A connection is usually driven by a background task, which hands each piece of a body over through a channel of one place. For a
//! stream of small pieces that costs a round of the executor per event, more than all else together. Here the reader drives the
//! connection itself, so that all pieces of one read are taken in one go. Pieces and framing are hyper's work all the same.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Body, Kind, Transport, TransportError, TransportErrorKind};

/// A dead peer is noticed in these intervals even while nobody writes.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Servers close idle connections too; one that was idle longer is not worth the risk.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);
/// More than so many idle connections are closed.
const MAX_IDLE: usize = 32;
/// The most that is read at once. Larger reads save nothing and cost memory per stream.
const READ_BYTES: usize = 64 * 1024;

/// A [`Transport`] for `http://` addresses: HTTP/1.1 over connections of its own, pooled, without proxies.
#[derive(Clone)]
pub struct DirectTransport {
    connect: Duration,
    idle: Arc<Mutex<Vec<Idle>>>,
}

struct Idle {
    authority: Authority,
    since: Instant,
    line: Line,
}

/// A connection with its driver.
struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: http1::Connection<TokioIo<TcpStream>, Full<Bytes>>,
    /// The driver has ended: it must not be polled again.
    over: bool,
}

/// A body with the connection that it comes from.
pub(super) struct DirectBody {
    incoming: Incoming,
    line: Option<Line>,
    authority: Authority,
    idle: Arc<Mutex<Vec<Idle>>>,
}

impl DirectTransport {
    /// A transport with a connection pool of its own. `connect` is the most time that a new connection may take.
    #[must_use]
    pub fn new(connect: Duration) -> Self {
        Self { connect, idle: Arc::default() }
    }

    /// An idle connection that the server has not closed.
    fn checkout(&self, authority: &Authority) -> Option<Line> {
        loop {
            let mut idle = self.idle.lock();
            idle.retain(|idle| idle.since.elapsed() < MAX_IDLE_TIME);
            let at = idle.iter().rposition(|idle| idle.authority == *authority)?;
            let mut line = idle.swap_remove(at).line;
            drop(idle);
            // Nobody looked at it meanwhile: what the server said is still in the socket.
            line.drive(&mut Context::from_waker(Waker::noop()));
            if line.is_free() {
                return Some(line);
            }
        }
    }

    async fn connect(&self, authority: &Authority) -> Result<Line, TransportError> {
        let host = authority.host().trim_matches(['[', ']']);
        let port = authority.port_u16().unwrap_or(80);
        let socket = timeout(self.connect, TcpStream::connect((host, port)))
            .await
            .map_err(|late| TransportError::new(TransportErrorKind::ConnectTimeout, late))?
            .map_err(no_connection)?;
        socket.set_nodelay(true).map_err(no_connection)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
        SockRef::from(&socket).set_tcp_keepalive(&keepalive).map_err(no_connection)?;
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(READ_BYTES)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|source| TransportError::new(TransportErrorKind::Connect, source))?;
        Ok(Line { sender, driver, over: false })
    }
}

impl Transport for DirectTransport {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, TransportError>> {
        let this = self.clone();
        Box::pin(async move {
            let (authority, request) = origin_form(request)?;
            let mut line = match this.checkout(&authority) {
                Some(line) => line,
                None => this.connect(&authority).await?,
            };
            let sent = line.sender.send_request(request.map(Full::new));
            let mut sent = std::pin::pin!(sent);
            let response = poll_fn(|cx| {
                if let Poll::Ready(response) = sent.as_mut().poll(cx) {
                    return Poll::Ready(response);
                }
                line.drive(cx);
                sent.as_mut().poll(cx)
            })
            .await
            .map_err(lost)?;
            Ok(response.map(|incoming| {
                let body = DirectBody { incoming, line: Some(line), authority, idle: this.idle };
                Body(Kind::Direct(Box::new(body)))
            }))
        })
    }
}

impl Line {
    fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.over {
            // How it ended is told by the body or the response.
            self.over = Pin::new(&mut self.driver).poll(cx).is_ready();
        }
    }

    fn is_free(&self) -> bool {
        !self.over && self.sender.is_ready()
    }
}

impl DirectBody {
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        if let Poll::Ready(piece) = self.poll_incoming() {
            return Poll::Ready(piece);
        }
        if let Some(line) = &mut self.line {
            line.drive(cx);
        }
        self.poll_incoming()
    }

    fn poll_incoming(&mut self) -> Poll<Option<Result<Bytes, TransportError>>> {
        // Only the driver brings something, and it is polled with the reader's waker.
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut self.incoming).poll_frame(&mut cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.line = None;
                    return Poll::Ready(Some(Err(lost(error))));
                }
                Poll::Ready(None) => {
                    self.check_in();
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// The body has been read to its end: the connection is free for another request.
    fn check_in(&mut self) {
        let Some(mut line) = self.line.take() else { return };
        line.drive(&mut Context::from_waker(Waker::noop()));
        if line.is_free() {
            let mut idle = self.idle.lock();
            if idle.len() < MAX_IDLE {
                idle.push(Idle { authority: self.authority.clone(), since: Instant::now(), line });
            }
        }
    }
}

impl fmt::Debug for DirectTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectTransport").field("idle", &self.idle.lock().len()).finish_non_exhaustive()
    }
}

/// The request as a server wants it: the path in the first line, the host in a header.
fn origin_form(
    mut request: http::Request<Bytes>,
) -> Result<(Authority, http::Request<Bytes>), TransportError> {
    let wrong = |what: &'static str| TransportError::new(TransportErrorKind::Request, what);
    if request.uri().scheme() != Some(&Scheme::HTTP) {
        return Err(wrong("this transport only reaches http:// addresses"));
    }
    let authority = request.uri().authority().cloned().ok_or_else(|| wrong("the URL has no host"))?;
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    if !request.headers().contains_key(HOST) {
        let host = authority.as_str().parse().map_err(|_| wrong("the host is no header value"))?;
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = Uri::from(path);
    Ok((authority, request))
}

fn no_connection(source: std::io::Error) -> TransportError {
    TransportError::new(TransportErrorKind::Connect, source)
}

fn lost(source: hyper::Error) -> TransportError {
    TransportError::new(TransportErrorKind::Lost, source)
}
