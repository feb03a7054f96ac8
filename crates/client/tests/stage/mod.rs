//! A transport that plays what a test has written, in the time of the test's clock.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::stream;
use parking_lot::Mutex;
use perennial::transport::{Body, Transport, TransportError, TransportErrorKind};
use perennial::{Client, ClientBuilder};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// What happens to one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// The transport fails.
    Refuse(TransportErrorKind),
    /// No response ever comes.
    Hang,
    /// A response comes.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Vec<Piece> },
}

/// What a body does next.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Bytes(Bytes),
    Wait(Duration),
    Lost,
    Hang,
}

/// Plays acts, one for each request; the last one again and again.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    acts: Arc<Mutex<VecDeque<Act>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
    /// Bodies that were not read to their end and not dropped.
    pub(crate) open: Arc<AtomicU32>,
}

/// A request as it was sent, and when.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) headers: http::HeaderMap,
    pub(crate) uri: String,
    pub(crate) body: Bytes,
}

struct Open(Arc<AtomicU32>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stage {
    pub(crate) fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        Self {
            acts: Arc::new(Mutex::new(acts.into_iter().collect())),
            sent: Arc::default(),
            open: Arc::default(),
        }
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder().transport(self.clone())
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().clone()
    }

    /// How long after the first request each of the others was sent.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        let sent = self.sent.lock();
        sent.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }
}

impl Transport for Stage {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, TransportError>> {
        self.sent.lock().push(Sent {
            at: Instant::now(),
            headers: request.headers().clone(),
            uri: request.uri().to_string(),
            body: request.body().clone(),
        });
        let act = {
            let mut acts = self.acts.lock();
            if acts.len() > 1 { acts.pop_front() } else { acts.front().cloned() }.expect("a stage has acts")
        };
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(Arc::clone(&self.open));
        Box::pin(async move {
            match act {
                Act::Refuse(kind) => Err(TransportError::new(kind, "the stage refused")),
                Act::Hang => {
                    std::future::pending::<()>().await;
                    drop(open);
                    unreachable!()
                }
                Act::Answer { status, headers, body } => {
                    let pieces =
                        stream::unfold((VecDeque::from(body), open), |(mut body, open)| async move {
                            loop {
                                match body.pop_front()? {
                                    Piece::Bytes(bytes) => return Some((Ok(bytes), (body, open))),
                                    Piece::Wait(time) => sleep(time).await,
                                    Piece::Hang => std::future::pending().await,
                                    Piece::Lost => {
                                        let lost = TransportError::new(
                                            TransportErrorKind::Lost,
                                            "reset by the stage",
                                        );
                                        return Some((Err(lost), (VecDeque::new(), open)));
                                    }
                                }
                            }
                        });
                    let mut response = http::Response::builder().status(status);
                    for (name, value) in headers {
                        response = response.header(name, value);
                    }
                    Ok(response.body(Body::stream(pieces)).unwrap())
                }
            }
        })
    }
}

impl Act {
    /// A stream with these pieces.
    pub(crate) fn stream(body: impl IntoIterator<Item = Piece>) -> Self {
        let headers =
            vec![("content-type", "text/event-stream".to_owned()), ("request-id", "req_stage".to_owned())];
        Self::Answer { status: 200, headers, body: body.into_iter().collect() }
    }

    /// A stream with these events, each a piece of its own.
    pub(crate) fn events(events: impl IntoIterator<Item = String>) -> Self {
        Self::stream(events.into_iter().map(Piece::from))
    }

    /// A whole answer that says `text`.
    pub(crate) fn whole(text: &str) -> Self {
        Self::events(whole("msg_1", text))
    }

    /// An error of the service.
    pub(crate) fn error(status: u16, kind: &str) -> Self {
        let body =
            json!({"type": "error", "error": {"type": kind, "message": "staged"}, "request_id": "req_error"});
        Self::Answer {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: vec![Piece::from(body.to_string())],
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    pub(crate) fn code(self, code: &str) -> Self {
        let Self::Answer { status, headers, .. } = self else { return self };
        let body = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "staged", "details": {"error_code": code}}});
        Self::Answer { status, headers, body: vec![Piece::from(body.to_string())] }
    }

    pub(crate) fn body(self, text: &str) -> Self {
        let Self::Answer { status, headers, .. } = self else { return self };
        Self::Answer { status, headers, body: vec![Piece::from(text.to_owned())] }
    }
}

impl From<String> for Piece {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

pub(crate) fn request() -> Value {
    json!({"model": "claude-test", "max_tokens": 16, "messages": [{"role": "user", "content": "go"}]})
}

/// An event as the service writes it.
pub(crate) fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

pub(crate) fn start(id: &str) -> String {
    event(&json!({"type": "message_start", "message": {
        "id": id, "type": "message", "role": "assistant", "model": format!("model-of-{id}"), "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 1}}}))
}

pub(crate) fn block(index: u64) -> String {
    event(
        &json!({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}),
    )
}

pub(crate) fn text(index: u64, text: &str) -> String {
    event(
        &json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}),
    )
}

pub(crate) fn block_stop(index: u64) -> String {
    event(&json!({"type": "content_block_stop", "index": index}))
}

pub(crate) fn message_delta(stop_reason: &str) -> String {
    event(
        &json!({"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": null}, "usage": {"output_tokens": 7}}),
    )
}

pub(crate) fn message_stop() -> String {
    event(&json!({"type": "message_stop"}))
}

pub(crate) fn ping() -> String {
    event(&json!({"type": "ping"}))
}

pub(crate) fn error(kind: &str) -> String {
    event(&json!({"type": "error", "error": {"type": kind, "message": "staged"}}))
}

/// The events of a whole answer.
pub(crate) fn whole(id: &str, said: &str) -> Vec<String> {
    vec![start(id), block(0), ping(), text(0, said), block_stop(0), message_delta("end_turn"), message_stop()]
}
