//! The one error of the library: opaque, with questions.
//!
//! Whatever went wrong, the answer so far is in it. Nothing of a key, a header or a prompt is.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use perennial_protocol::{ApiError, DecodeError, End, Place, Transcript};

use crate::transport::{TransportError, TransportErrorKind};
use crate::{Position, ResponseInfo};

mod outcome;

/// What went wrong. Cloning is cheap: the partial answer is shared.
///
/// ```no_run
/// # async fn run(client: perennial::Client, request: serde_json::Value) {
/// match client.messages().create(request).await {
///     Ok(message) => println!("{}", message.text()),
///     Err(error) => {
///         // One line that says what happened and what to do.
///         eprintln!("{error}");
///         if let Some(partial) = error.partial() {
///             println!("so far: {}", partial.text());
///         }
///     }
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Box<Repr>);

#[derive(Clone)]
struct Repr {
    kind: ErrorKind,
    phase: Phase,
    what: String,
    retryable: bool,
    attempts: u32,
    api: Option<ApiError>,
    last_common: Option<Position>,
    hint: Option<&'static str>,
    response: Option<Arc<ResponseInfo>>,
    partial: Option<Arc<Transcript>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client cannot be built as asked.
    Config,
    /// The request cannot be sent as it is.
    Request,
    /// No connection came about.
    Connect,
    /// A deadline passed.
    Deadline(Clock),
    /// The service answered with an error status; see [`Error::status`] and [`Error::api_error`].
    Status,
    /// The service reported an error within the stream; see [`Error::api_error`].
    InStream,
    /// The connection broke before the answer was complete.
    Lost,
    /// The answer ended, in good order, before it was complete.
    Truncated,
    /// An event is not what it should be, so that the answer cannot be whole.
    Malformed,
    /// An event is larger than [`MaxEventBytes`](crate::MaxEventBytes).
    EventTooLarge,
    /// The body is nothing that the Messages API sends, such as a page of a proxy.
    UnexpectedBody,
    /// Somebody stopped the stream at the gateway.
    Cancelled,
    /// The gateway lost the answer in the middle, mostly by a crash.
    Interrupted,
    /// The reader has something that the gateway's log does not have; see [`Error::last_common`].
    Diverged,
    /// The gateway cannot read the stream at present.
    Unreadable,
}

/// The clocks of a stream; see [`Deadlines`](crate::Deadlines).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Clock {
    /// Until there is a connection.
    Connect,
    /// Until the first byte of the answer's body.
    FirstByte,
    /// Between two bytes.
    Silence,
    /// Between two pieces of content.
    Progress,
    /// The whole, retries included.
    Total,
}

/// How far the answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Nothing was sent.
    Request,
    /// There was no connection yet.
    Connect,
    /// Nothing of the answer had come.
    FirstByte,
    /// The answer had begun, without content: it can be asked for again without anyone noticing.
    BeforeContent,
    /// In the middle of the content.
    Content,
    /// The stop reason had come, so the content is whole; only the end marker is missing.
    AfterContent,
}

impl Error {
    fn new(kind: ErrorKind, phase: Phase, what: impl Into<String>) -> Self {
        Self(Box::new(Repr {
            kind,
            phase,
            what: what.into(),
            retryable: false,
            attempts: 0,
            api: None,
            last_common: None,
            hint: None,
            response: None,
            partial: None,
            source: None,
        }))
    }

    pub(crate) fn config(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, Phase::Request, what)
    }

    /// The request cannot be sent as it is. For what only the caller can put right.
    pub fn request(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Request, Phase::Request, what)
    }

    pub(crate) fn transport(error: TransportError, phase: Phase) -> Self {
        let reason = error.reason();
        let (kind, phase, what) = match error.kind() {
            TransportErrorKind::Request => {
                (ErrorKind::Request, Phase::Request, format!("the request cannot be sent: {reason}"))
            }
            TransportErrorKind::Connect => {
                (ErrorKind::Connect, Phase::Connect, format!("cannot connect: {reason}"))
            }
            TransportErrorKind::ConnectTimeout => (
                ErrorKind::Deadline(Clock::Connect),
                Phase::Connect,
                "no connection within the connect deadline".to_owned(),
            ),
            TransportErrorKind::Lost => {
                (ErrorKind::Lost, phase, format!("the connection was lost: {reason}"))
            }
        };
        let retryable = kind != ErrorKind::Request;
        Self::new(kind, phase, what).retryable(retryable).caused_by(error)
    }

    pub(crate) fn deadline(clock: Clock, limit: Duration, phase: Phase) -> Self {
        let what = match clock {
            Clock::Connect => "no connection",
            Clock::FirstByte => "no byte of the answer came",
            Clock::Silence => "not a byte came",
            Clock::Progress => "only signs of life and no content came",
            Clock::Total => "the answer was not complete",
        };
        Self::new(ErrorKind::Deadline(clock), phase, format!("{what} within {limit:?} ({clock} deadline)"))
            .retryable(clock != Clock::Total)
    }

    pub(crate) fn error_status(status: u16, api: Option<ApiError>, body_excerpt: &str) -> Self {
        let what = match &api {
            Some(api) => format!("the service answered {status}, {api}"),
            None if body_excerpt.is_empty() => format!("the answer is HTTP {status} with an empty body"),
            None => format!(
                "the answer is HTTP {status}, not from the Messages API but from something before it: {body_excerpt}"
            ),
        };
        let mut error = Self::new(ErrorKind::Status, Phase::FirstByte, what);
        error.0.api = api;
        error
    }

    pub(crate) fn in_stream(api: ApiError, phase: Phase) -> Self {
        let what = format!("the service reported {api}");
        let retryable = perennial_recovery::is_retryable_in_band(&api);
        let mut error = Self::new(ErrorKind::InStream, phase, what).retryable(retryable);
        error.0.api = Some(api);
        error
    }

    pub(crate) fn truncated(end: &End, phase: Phase) -> Self {
        Self::new(ErrorKind::Truncated, phase, format!("the answer ended early: {end}")).retryable(true)
    }

    pub(crate) fn malformed(error: DecodeError, phase: Phase) -> Self {
        let kind = if error.is_too_large() { ErrorKind::EventTooLarge } else { ErrorKind::Malformed };
        Self::new(kind, phase, error.to_string()).retryable(kind == ErrorKind::Malformed).caused_by(error)
    }

    /// The end marker came, but nothing said why the answer ended: an event was lost on the way.
    pub(crate) fn no_stop_reason(phase: Phase) -> Self {
        Self::new(ErrorKind::Malformed, phase, "the answer ended without a stop reason").retryable(true)
    }

    /// A body other than an answer's ended early.
    pub(crate) fn cut(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Truncated, Phase::Content, what).retryable(true)
    }

    pub(crate) fn unexpected_body(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::UnexpectedBody, Phase::FirstByte, what)
    }

    pub(crate) fn too_large(limit: crate::MaxEventBytes) -> Self {
        let what =
            format!("the answer is larger than the limit of {} bytes; raise MaxEventBytes", limit.get());
        Self::new(ErrorKind::EventTooLarge, Phase::FirstByte, what)
    }

    pub(crate) fn response_arc(&self) -> Option<Arc<ResponseInfo>> {
        self.0.response.clone()
    }

    pub(crate) fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    pub(crate) fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn with_response(mut self, response: Option<Arc<ResponseInfo>>) -> Self {
        self.0.response = self.0.response.or(response);
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_partial(mut self, partial: Arc<Transcript>) -> Self {
        self.0.partial = Some(partial);
        self
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// How far the answer was.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.0.phase
    }

    /// Whether the same request may succeed if it is sent again. The library has done so already where nothing of the content had been
    /// handed out, see [`attempts`](Self::attempts); after that it is the caller's choice, and paid for twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// How often the request was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The status that tells what went wrong: that of an error response, or the one that an error within the stream would have had
    /// before it (529 for `overloaded_error`). `None` for everything else; [`response`](Self::response) has the HTTP status.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.0.kind {
            ErrorKind::Status => self.0.response.as_ref().map(|response| response.status()),
            ErrorKind::InStream => self.0.api.as_ref().and_then(ApiError::status),
            _ => None,
        }
    }

    /// What the service said, as far as it said something.
    #[must_use]
    pub fn api_error(&self) -> Option<&ApiError> {
        self.0.api.as_ref()
    }

    /// What happened, without the request's id and what to do: for who says these in words of their own.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// The id of the request, to be quoted to support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0
            .response
            .as_ref()
            .and_then(|response| response.request_id())
            .or_else(|| self.0.api.as_ref()?.request_id.as_deref())
    }

    /// How long the service asked to wait, as it said it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.response.as_ref()?.retry_after()
    }

    /// The response that this belongs to.
    #[must_use]
    pub fn response(&self) -> Option<&ResponseInfo> {
        self.0.response.as_deref()
    }

    /// The answer as far as it came. Tool calls that were cut are marked unusable in it.
    #[must_use]
    pub fn partial(&self) -> Option<&Transcript> {
        self.0.partial.as_deref()
    }

    /// Where the answer stopped; with a [`partial`](Self::partial) only.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.partial().map(Transcript::end)
    }

    /// What to do, in a few words.
    fn hint(&self) -> Option<&'static str> {
        if self.0.hint.is_some() {
            return self.0.hint;
        }
        Some(match self.0.kind {
            ErrorKind::Config | ErrorKind::Request => return None,
            ErrorKind::Connect => "check the base URL, the network and the proxy settings",
            ErrorKind::Deadline(Clock::Connect) => "check the network, or raise Deadlines::connect",
            ErrorKind::Deadline(Clock::FirstByte) => "try again, or raise Deadlines::first_byte",
            ErrorKind::Deadline(Clock::Silence) => {
                "the connection is probably dead: try again, or raise Deadlines::silence where the service sends no pings"
            }
            ErrorKind::Deadline(Clock::Progress) => {
                "try again, or raise Deadlines::progress for long thinking"
            }
            ErrorKind::Deadline(Clock::Total) => "raise Deadlines::total or ask for less",
            ErrorKind::Status => match self.status()? {
                401 => "check the API key",
                402 => "check the billing of the account",
                403 => "the key may not do this: check its workspace and permissions",
                404 => "check the model's name, and that the base URL does not end in /v1",
                408 => "try again",
                409 => "try again",
                413 => "send less",
                429 if self.is_spend_limit() => "raise the spend limit; waiting does not help",
                429 => "slow down",
                529 => "the service has no capacity right now: try again later",
                300..=399 => "redirects are not followed: set the base URL to where it points",
                500..=599 => "trouble at the service: try again later",
                _ => return None,
            },
            ErrorKind::InStream if self.0.retryable => "trouble at the service: try again later",
            ErrorKind::InStream => return None,
            ErrorKind::Lost | ErrorKind::Truncated if self.0.phase == Phase::AfterContent => {
                "the content is whole, only its end marker is missing"
            }
            ErrorKind::Lost | ErrorKind::Truncated if self.0.phase == Phase::Content => {
                "what came is kept in the error; ask again or continue from it"
            }
            ErrorKind::Lost | ErrorKind::Truncated => "try again",
            ErrorKind::Malformed => "something between here and the service garbles the stream",
            ErrorKind::EventTooLarge => return None,
            ErrorKind::Cancelled => "what came is kept in the error",
            ErrorKind::Interrupted => "what came is kept in the error; ask again or continue from it",
            ErrorKind::Diverged => "keep what is common, and read the stream anew",
            ErrorKind::Unreadable => "try again later",
            ErrorKind::UnexpectedBody => "check the base URL and what stands between here and the service",
        })
    }

    /// A 429 that waiting does not cure (`protocol.md` §2).
    pub(crate) fn is_spend_limit(&self) -> bool {
        let code = self.0.api.as_ref().and_then(|api| api.code.as_deref());
        code.is_some_and(|code| code.ends_with("spend_limit_reached"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        match (self.request_id(), self.0.attempts) {
            (Some(id), 2..) => write!(f, " [{id}, attempt {}]", self.0.attempts)?,
            (Some(id), _) => write!(f, " [{id}]")?,
            (None, 2..) => write!(f, " [attempt {}]", self.0.attempts)?,
            (None, _) => {}
        }
        match (self.retry_after(), self.hint()) {
            (Some(wait), _) if self.0.retryable => write!(f, "; try again in {wait:?}"),
            (_, Some(hint)) => write!(f, "; {hint}"),
            (_, None) => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    /// Without the partial answer, which is content and may be large.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repr { kind, phase, what, retryable, attempts, api, partial, source, .. } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("phase", phase)
            .field("what", what)
            .field("retryable", retryable)
            .field("attempts", attempts)
            .field("request_id", &self.request_id())
            .field("api_error", &api.as_ref().map(|api| &api.kind))
            .field("end", &partial.as_ref().map(|partial| partial.end().to_string()))
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&**self.0.source.as_ref()?)
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::FirstByte => "first-byte",
            Self::Silence => "silence",
            Self::Progress => "progress",
            Self::Total => "total",
        })
    }
}

/// How far a stream with this transcript is, for an error that ends it.
pub(crate) fn phase_of(transcript: &Transcript, content: bool) -> Phase {
    match transcript.end() {
        End::Truncated(truncation) => match truncation.place {
            Place::BeforeStart => Phase::FirstByte,
            Place::BeforeStop => Phase::AfterContent,
            _ if content => Phase::Content,
            _ => Phase::BeforeContent,
        },
        _ if transcript.envelope().stop_reason.is_some() => Phase::AfterContent,
        _ if content => Phase::Content,
        _ => Phase::BeforeContent,
    }
}
