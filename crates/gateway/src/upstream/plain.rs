//! Plain HTTP/1.1 to the upstream, in the task of the request.
//!
//! hyper's clients usually run each connection in a task of its own, which hands over the body chunk by chunk: every event of a fast stream then costs
//! two switches of tasks and a write. Here the request's task drives the connection itself. Whatever one read brought can be taken without a
//! switch, and dropping the body closes the socket there and then.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::runtime::{self, Handle};
use tokio::time::Instant;

use crate::limits::BUFFER_BYTES;

use super::{IDLE_SPAN, UpstreamBody, UpstreamFailure};

/// Idle connections kept; more are closed.
const MOST_IDLE: usize = 64;
const HTTP_PORT: u16 = 80;

/// Connections to one upstream.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    host: String,
    port: u16,
    host_header: HeaderValue,
    connect: Duration,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that waits for another request, on the runtime that has its events.
#[derive(Debug)]
struct Idle {
    since: Instant,
    runtime: runtime::Id,
    wire: Wire,
}

/// One connection, with its two ends.
#[derive(Debug)]
struct Wire {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<TokioIo<TcpStream>, Full<Bytes>>,
}

/// A body that drives the connection it comes from.
#[derive(Debug)]
pub(crate) struct PlainBody {
    body: Incoming,
    /// `None` once the connection is over or given back.
    wire: Option<Wire>,
    /// Why the connection ended, if it broke.
    failure: Option<hyper::Error>,
    pool: Pool,
}

impl Pool {
    pub(crate) fn new(authority: &Authority, connect: Duration) -> Self {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let host_header = HeaderValue::from_str(authority.as_str()).expect("an authority is a header value");
        let port = authority.port_u16().unwrap_or(HTTP_PORT);
        Self { shared: Arc::new(Shared { host, port, host_header, connect, idle: Mutex::default() }) }
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: PathAndQuery,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<UpstreamBody>, UpstreamFailure> {
        headers.insert(HOST, self.shared.host_header.clone());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.into();
        *request.headers_mut() = headers;
        while let Some(wire) = self.take() {
            match wire.send(request).await {
                Ok((wire, answer)) => return Ok(self.answer(wire, answer)),
                // The upstream closed it while it was idle, and nothing was sent: another will do.
                Err((_, Some(unsent))) => request = *unsent,
                Err((error, None)) => return Err(UpstreamFailure::Broken(error)),
            }
        }
        let wire = self.connect().await?;
        let (wire, answer) = wire.send(request).await.map_err(|(error, _)| UpstreamFailure::Broken(error))?;
        Ok(self.answer(wire, answer))
    }

    async fn connect(&self) -> Result<Wire, UpstreamFailure> {
        let connecting = async {
            let socket = TcpStream::connect((&*self.shared.host, self.shared.port)).await?;
            socket.set_nodelay(true)?;
            Ok::<_, io::Error>(socket)
        };
        let socket = tokio::time::timeout(self.shared.connect, connecting)
            .await
            .map_err(|_| UpstreamFailure::ConnectTimeout)?
            .map_err(|error| UpstreamFailure::Connect(Box::new(error)))?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(UpstreamFailure::Broken)?;
        Ok(Wire { sender, connection })
    }

    fn answer(&self, wire: Option<Wire>, answer: Response<Incoming>) -> Response<UpstreamBody> {
        answer.map(|body| {
            UpstreamBody::Plain(Box::new(PlainBody { body, wire, failure: None, pool: self.clone() }))
        })
    }

    /// An idle connection of this runtime that is still open: another's would wake another thread at every event.
    fn take(&self) -> Option<Wire> {
        let here = Handle::current().id();
        loop {
            // Taken out of the lock before it is looked at, and before it is closed.
            let mut idle = {
                let mut idle = self.shared.idle.lock();
                let last = idle.iter().rposition(|idle| idle.runtime == here)?;
                idle.remove(last)
            };
            if idle.since.elapsed() < IDLE_SPAN && idle.wire.is_ready() {
                return Some(idle.wire);
            }
        }
    }

    fn give_back(&self, wire: Wire) {
        let mut idle = self.shared.idle.lock();
        if idle.len() < MOST_IDLE {
            idle.push(Idle { since: Instant::now(), runtime: Handle::current().id(), wire });
        }
    }
}

impl Wire {
    /// Whether the connection is open and has nothing to do. Looking also notices that the upstream closed it.
    fn is_ready(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.connection).poll(&mut cx).is_pending() && self.sender.is_ready()
    }

    /// Sends a request. The wire is gone from the answer where the connection ended with it.
    async fn send(
        self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Option<Self>, Response<Incoming>), (hyper::Error, Option<Box<Request<Full<Bytes>>>>)> {
        let Self { mut sender, mut connection } = self;
        let mut answer = std::pin::pin!(sender.try_send_request(request));
        let mut open = true;
        let answered = poll_fn(|cx| {
            loop {
                if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                    return Poll::Ready(answer);
                }
                if !open {
                    return Poll::Pending;
                }
                if Pin::new(&mut connection).poll(cx).is_pending() {
                    // Driving it may have brought the answer.
                    return answer.as_mut().poll(cx);
                }
                open = false;
            }
        });
        match answered.await {
            Ok(answer) => Ok((open.then_some(Self { sender, connection }), answer)),
            Err(mut error) => {
                let unsent = error.take_message().map(Box::new);
                Err((error.into_error(), unsent))
            }
        }
    }
}

impl PlainBody {
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UpstreamFailure>>> {
        let mut driven = false;
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                    _ => continue,
                },
                Poll::Ready(Some(Err(error))) => {
                    self.wire = None;
                    let error = self.failure.take().unwrap_or(error);
                    return Poll::Ready(Some(Err(UpstreamFailure::Broken(error))));
                }
                Poll::Ready(None) => {
                    self.give_back();
                    return Poll::Ready(None);
                }
                Poll::Pending => {}
            }
            if driven {
                return Poll::Pending;
            }
            if let Some(wire) = &mut self.wire
                && let Poll::Ready(over) = Pin::new(&mut wire.connection).poll(cx)
            {
                self.failure = over.err();
                self.wire = None;
            }
            driven = true;
        }
    }

    fn give_back(&mut self) {
        if let Some(mut wire) = self.wire.take()
            && wire.is_ready()
        {
            self.pool.give_back(wire);
        }
    }
}
