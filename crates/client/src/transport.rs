//! The transport: what carries a request to the service and its answer back.
//!
//! The seam is one call wide, so that the library works over any HTTP stack, in tests over none. A transport carries bytes. It
//! retries nothing, follows no redirect (that would hand the key to another host) and undoes no compression.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use futures_core::future::BoxFuture;

#[cfg(feature = "reqwest")]
mod default;
#[cfg(feature = "reqwest")]
mod direct;
#[cfg(feature = "reqwest")]
mod reqwest;

#[cfg(feature = "reqwest")]
pub use self::default::for_url;
#[cfg(feature = "reqwest")]
pub use self::direct::DirectTransport;
#[cfg(feature = "reqwest")]
pub use self::reqwest::ReqwestTransport;

/// Carries requests. Implement it to bring your own HTTP stack.
///
/// ```
/// use bytes::Bytes;
/// use futures_core::future::BoxFuture;
/// use perennial::transport::{Body, Transport, TransportError};
///
/// /// Answers every request with the same bytes.
/// #[derive(Debug)]
/// struct Canned(&'static str);
///
/// impl Transport for Canned {
///     fn send(&self, _: http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Body>, TransportError>> {
///         let response = http::Response::builder()
///             .header("content-type", "text/event-stream")
///             .body(Body::full(self.0))
///             .expect("these parts are valid");
///         Box::pin(async { Ok(response) })
///     }
/// }
///
/// let client = perennial::Client::builder().transport(Canned("")).build()?;
/// # Ok::<(), perennial::Error>(())
/// ```
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends the request and resolves once the response's headers are here. Dropping the future, or later the body, must close what it uses
    /// of the connection.
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, TransportError>>;
}

/// The body of a response: pieces of bytes as they arrive. Dropping it ends the request.
pub struct Body(Kind);

enum Kind {
    Full(Option<Bytes>),
    #[cfg(feature = "reqwest")]
    Reqwest(::reqwest::Body),
    #[cfg(feature = "reqwest")]
    Direct(Box<direct::DirectBody>),
    Stream(Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>),
}

/// Why a transport failed.
#[derive(Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`TransportError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The request could not be formed; sending it again is useless.
    Request,
    /// No connection came about.
    Connect,
    /// No connection came about in the time given.
    ConnectTimeout,
    /// The connection broke, before or within the body.
    Lost,
}

impl Body {
    /// A body that is here already.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Full(Some(bytes.into())))
    }

    /// A body that arrives piece by piece.
    #[must_use]
    pub fn stream(pieces: impl Stream<Item = Result<Bytes, TransportError>> + Send + 'static) -> Self {
        Self(Kind::Stream(Box::pin(pieces)))
    }
}

impl Stream for Body {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.get_mut().0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(Ok)),
            #[cfg(feature = "reqwest")]
            Kind::Reqwest(body) => reqwest::poll_body(body, cx),
            #[cfg(feature = "reqwest")]
            Kind::Direct(body) => body.poll_piece(cx),
            Kind::Stream(pieces) => pieces.as_mut().poll_next(cx),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl TransportError {
    /// An error of the given kind with what caused it.
    #[must_use]
    pub fn new(kind: TransportErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// What kind of error.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// The innermost cause in words, such as `connection refused`.
    pub(crate) fn reason(&self) -> String {
        let mut reason = None;
        let mut cause = self.source();
        while let Some(error) = cause {
            reason = Some(error);
            cause = error.source();
        }
        reason.map_or_else(|| self.to_string(), ToString::to_string)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::Request => "the request cannot be sent",
            TransportErrorKind::Connect => "no connection",
            TransportErrorKind::ConnectTimeout => "no connection in the time given",
            TransportErrorKind::Lost => "the connection was lost",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&**self.source.as_ref()?)
    }
}
