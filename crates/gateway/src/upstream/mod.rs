//! The upstream: where requests go, and the body that comes back.
//!
//! Over plain HTTP the gateway speaks hyper itself, in the task of the request ([`plain`]). Over TLS it leaves certificates and proxies to reqwest.
//! Both speak HTTP/1.1, one connection for each stream that runs. Over HTTP/2 all streams would share a single connection: what exceeds its limit of
//! about a hundred streams would wait without a word, clients that do not read would use up the window of the others, and one lost connection
//! would cut them all.

mod breaker;
mod fleet;
mod plain;
mod whole;

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Uri};
use http_body::Body as _;

pub use self::breaker::BreakerPolicy;
pub(crate) use self::breaker::Permit;
pub use self::fleet::UpstreamOptions;
pub(crate) use self::fleet::{Choice, Fleet, Tried};
use self::plain::{PlainBody, Pool};
pub(crate) use self::whole::events as events_of_message;
use crate::fallback::KeptBody;

/// Idle connections older than this are not used again: servers close them soon.
const IDLE_SPAN: Duration = Duration::from_secs(30);

/// Where requests go.
#[derive(Debug)]
pub(crate) struct Upstream {
    authority: Authority,
    /// What stands before the path of every request; without a slash at its end.
    prefix: String,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Plain(Pool),
    Tls(reqwest::Client),
}

/// The body of an answer. Dropped before its end, it closes the connection.
#[derive(Debug)]
pub(crate) enum UpstreamBody {
    Plain(Box<PlainBody>),
    Tls(Pin<Box<reqwest::Body>>),
    /// No upstream's: what stands in for one.
    Kept(Box<KeptBody>),
}

/// Not the address of an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAnUpstream {
    #[error("it is no URL; give one like https://api.anthropic.com")]
    Url,
    #[error("it must begin with http:// or https://")]
    Scheme,
    #[error("it must not have a query or a user name")]
    Extra,
    #[error("no TLS client can be made: {0}")]
    Tls(#[source] reqwest::Error),
}

/// Why the upstream cannot be asked, or why its answer broke.
#[derive(Debug)]
pub(crate) enum UpstreamFailure {
    ConnectTimeout,
    Connect(Box<dyn StdError + Send + Sync>),
    /// No answer in time.
    FirstByte,
    /// The path makes no URL.
    Address,
    Broken(hyper::Error),
    Client(reqwest::Error),
}

impl Upstream {
    pub(crate) fn new(url: &str, connect: Duration) -> Result<Self, NotAnUpstream> {
        let uri: Uri = url.trim().parse().map_err(|_| NotAnUpstream::Url)?;
        let authority = uri.authority().cloned().ok_or(NotAnUpstream::Url)?;
        if uri.query().is_some() || authority.as_str().contains('@') {
            return Err(NotAnUpstream::Extra);
        }
        let way = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => Way::Plain(Pool::new(&authority, connect)),
            Some(scheme) if *scheme == Scheme::HTTPS => Way::Tls(
                reqwest::Client::builder()
                    .http1_only()
                    .pool_idle_timeout(IDLE_SPAN)
                    .connect_timeout(connect)
                    .tcp_nodelay(true)
                    // A redirect would take the key elsewhere.
                    .redirect(reqwest::redirect::Policy::none())
                    .build()
                    .map_err(NotAnUpstream::Tls)?,
            ),
            _ => return Err(NotAnUpstream::Scheme),
        };
        Ok(Self { authority, prefix: uri.path().trim_end_matches('/').to_owned(), way })
    }

    /// Sends a request and waits for the head of the answer. Dropped before, it closes the connection.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<UpstreamBody>, UpstreamFailure> {
        let path: PathAndQuery =
            format!("{}{path}", self.prefix).parse().map_err(|_| UpstreamFailure::Address)?;
        match &self.way {
            Way::Plain(pool) => pool.send(method, path, headers, body).await,
            Way::Tls(client) => {
                let url = format!("https://{}{path}", self.authority);
                let answer = client
                    .request(method, url)
                    .headers(headers)
                    .body(body)
                    .send()
                    .await
                    .map_err(UpstreamFailure::from_client)?;
                Ok(http::Response::from(answer).map(|body| UpstreamBody::Tls(Box::pin(body))))
            }
        }
    }
}

impl UpstreamBody {
    /// The next bytes; `None` at the end.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UpstreamFailure>>> {
        match self {
            Self::Plain(body) => body.poll_data(cx),
            Self::Kept(body) => body.poll_data(cx).map(|frame| frame.map(Ok)),
            Self::Tls(body) => loop {
                match std::task::ready!(body.as_mut().poll_frame(cx)) {
                    None => return Poll::Ready(None),
                    Some(Err(error)) => return Poll::Ready(Some(Err(UpstreamFailure::from_client(error)))),
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                        _ => {}
                    },
                }
            },
        }
    }

    /// All that matters was read: the connection may be used again if nothing is left on it.
    pub(crate) fn finish(mut self) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        // Reading the end gives the connection back; anything else closes it.
        drop(self.poll_data(&mut cx));
    }
}

impl UpstreamFailure {
    /// What it comes down to. The errors in between repeat each other, and some show the whole address.
    pub(crate) fn root(&self) -> &(dyn StdError + 'static) {
        let mut root: &(dyn StdError + 'static) = self;
        while let Some(source) = root.source() {
            root = source;
        }
        root
    }

    fn from_client(error: reqwest::Error) -> Self {
        match error {
            error if error.is_connect() && error.is_timeout() => Self::ConnectTimeout,
            error if error.is_connect() => Self::Connect(Box::new(error)),
            error => Self::Client(error),
        }
    }
}

impl fmt::Display for UpstreamFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectTimeout => "no connection in time",
            Self::Connect(_) => "no connection",
            Self::FirstByte => "no answer in time",
            Self::Address => "the path makes no URL",
            Self::Broken(_) | Self::Client(_) => "the connection broke",
        })
    }
}

impl StdError for UpstreamFailure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::ConnectTimeout | Self::FirstByte | Self::Address => None,
            Self::Connect(source) => Some(source.as_ref()),
            Self::Broken(source) => Some(source),
            Self::Client(source) => Some(source),
        }
    }
}
