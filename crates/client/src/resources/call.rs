//! Plain calls: a request, one answer that is JSON or a body to be read on, with retries.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_core::Stream as _;
use http::Method;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout_at};

use crate::exchange::{Opened, exchange};
use crate::transport::Body;
use crate::{Client, Clock, Deadlines, Error, ErrorKind, Phase, RequestOptions, ResponseInfo, RetryPolicy};

/// The most bytes of an answer that is read as a whole. Lists are paged, so that none comes near.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// One call of the API.
pub(super) struct Call<'a> {
    client: &'a Client,
    options: &'a RequestOptions,
    request: Result<http::Request<Bytes>, Error>,
    repeat: Repeat,
}

/// When a call may be sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Whenever that may help: twice is as good as once.
    Always,
    /// Only where it certainly had no effect: no connection, or the service said no.
    IfRefused,
}

/// The attempts of a call.
struct Attempts {
    client: Client,
    policy: RetryPolicy,
    deadlines: Deadlines,
    total_at: Option<Instant>,
    repeat: Repeat,
    made: u32,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        client: &'a Client,
        options: &'a RequestOptions,
        method: Method,
        target: &str,
        body: Option<Bytes>,
    ) -> Self {
        let request = client.request(method, target, body, options);
        Self { client, options, request, repeat: Repeat::Always }
    }

    /// A header, unless the options have one of that name.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if !self.options.headers.contains_key(name) {
            self.request = self.request.and_then(|mut request| {
                let value = http::HeaderValue::try_from(value)
                    .map_err(|source| Error::request(format!("`{name}` cannot be sent")).caused_by(source))?;
                request.headers_mut().insert(name, value);
                Ok(request)
            });
        }
        self
    }

    pub(super) fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// The answer, read as JSON.
    pub(super) async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        Ok(self.json_with_head().await?.0)
    }

    /// The answer, read as JSON, and the head of its response.
    pub(super) async fn json_with_head<T: DeserializeOwned>(self) -> Result<(T, Arc<ResponseInfo>), Error> {
        let mut attempts = self.attempts();
        let request = self.request?;
        loop {
            let answer = match attempts.open(&request).await {
                Ok(opened) => read(opened, &attempts).await,
                Err(error) => Err(error),
            };
            let answer = answer.and_then(|(body, info)| match parse(&body) {
                Ok(answer) => Ok((answer, info)),
                Err(error) => Err(error.with_response(Some(info))),
            });
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => attempts.wait_after(error).await?,
            }
        }
    }

    /// The answer with its body unread.
    pub(super) async fn open(self) -> Result<Opened, Error> {
        let mut attempts = self.attempts();
        let request = self.request?;
        loop {
            match attempts.open(&request).await {
                Ok(opened) => return Ok(opened),
                Err(error) => attempts.wait_after(error).await?,
            }
        }
    }

    fn attempts(&self) -> Attempts {
        let deadlines = self.options.deadlines.unwrap_or_default();
        Attempts {
            client: self.client.clone(),
            policy: self.options.retries.unwrap_or_default(),
            deadlines,
            total_at: deadlines.total.and_then(|total| Instant::now().checked_add(total)),
            repeat: self.repeat,
            made: 0,
        }
    }
}

impl Attempts {
    async fn open(&mut self, request: &http::Request<Bytes>) -> Result<Opened, Error> {
        if self.made == 0 {
            self.client.retry_bucket().request();
        }
        self.made += 1;
        exchange(&self.client, request.clone(), &self.deadlines, self.total_at).await
    }

    /// Waits until the next attempt is due; gives the error back where there is to be none.
    async fn wait_after(&mut self, error: Error) -> Result<(), Error> {
        let error = error.with_attempts(self.made);
        let retries = self.made.saturating_sub(1);
        let had_no_effect = matches!(
            error.kind(),
            ErrorKind::Connect | ErrorKind::Deadline(Clock::Connect) | ErrorKind::Status
        );
        if !error.is_retryable() || (self.repeat == Repeat::IfRefused && !had_no_effect) {
            return Err(error);
        }
        let Some(delay) = self.policy.delay(retries, error.retry_after()) else { return Err(error) };
        let in_time = self.total_at.is_none_or(|total| Instant::now() + delay < total);
        if !in_time || !self.client.retry_bucket().retry() {
            return Err(error);
        }
        tracing::debug!(%error, ?delay, "the call is sent again");
        sleep(delay).await;
        Ok(())
    }
}

/// The next piece of a body, within the deadline for silence; `due` ends the whole.
pub(super) async fn next_piece(
    body: &mut Body,
    deadlines: &Deadlines,
    due: Option<Instant>,
) -> Option<Result<Bytes, Error>> {
    let silence = Instant::now().checked_add(deadlines.silence);
    let (at, clock) = match (silence, due) {
        (Some(silence), Some(due)) if due < silence => (Some(due), Clock::Total),
        (None, due) => (due, Clock::Total),
        (silence, _) => (silence, Clock::Silence),
    };
    let piece = poll_fn(|cx| Pin::new(&mut *body).poll_next(cx));
    let piece = match at {
        Some(at) => match timeout_at(at, piece).await {
            Ok(piece) => piece?,
            Err(_) => return Some(Err(Error::deadline(clock, deadlines.of(clock), Phase::Content))),
        },
        None => piece.await?,
    };
    Some(piece.map_err(|error| Error::transport(error, Phase::Content)))
}

async fn read(opened: Opened, attempts: &Attempts) -> Result<(Bytes, Arc<ResponseInfo>), Error> {
    let Opened { info, mut body, .. } = opened;
    let mut whole = BytesMut::new();
    while let Some(piece) = next_piece(&mut body, &attempts.deadlines, attempts.total_at).await {
        let piece = piece.map_err(|error| error.with_response(Some(info.clone())))?;
        if whole.len() + piece.len() > MAX_ANSWER_BYTES {
            let text = format!("the answer has more than {MAX_ANSWER_BYTES} bytes; ask for a shorter page");
            return Err(Error::unexpected_body(text).with_response(Some(info)));
        }
        whole.extend_from_slice(&piece);
    }
    Ok((whole.freeze(), info))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|source| {
        let excerpt = crate::excerpt::excerpt(&String::from_utf8_lossy(body));
        let text = if excerpt.is_empty() {
            "the answer has an empty body".to_owned()
        } else {
            format!("the answer is not the JSON it should be: {excerpt}")
        };
        Error::unexpected_body(text).caused_by(source)
    })
}

/// An id as a part of a path. Ids are the service's own words, but they may come from anywhere.
pub(super) fn segment(id: &str) -> Result<String, Error> {
    if matches!(id.trim(), "" | "." | "..") {
        return Err(Error::request(format!("`{id}` is no id")));
    }
    let mut path = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:@".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(path)
}
