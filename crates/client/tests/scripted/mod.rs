//! A transport that answers from a script and keeps what it was asked.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::stream;
use parking_lot::Mutex;
use perennial::transport::{Body, Transport, TransportError, TransportErrorKind};
use perennial::{Client, RetryPolicy};
use serde_json::{Value, json};

#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A request as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) betas: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) body: Value,
}

#[derive(Debug)]
enum Answer {
    Whole(u16, Vec<(&'static str, &'static str)>, Vec<Bytes>),
    /// The pieces come, then the connection breaks.
    Lost(Vec<Bytes>),
    /// The request goes out, and nothing comes back.
    LostBefore,
    Unreachable,
}

impl Script {
    pub(crate) fn json(self, body: &Value) -> Self {
        self.status(200, body)
    }

    pub(crate) fn status(self, status: u16, body: &Value) -> Self {
        self.add(Answer::Whole(
            status,
            vec![("content-type", "application/json")],
            vec![body.to_string().into()],
        ))
    }

    /// A success with one header and this body.
    pub(crate) fn with(self, name: &'static str, value: &'static str, body: &Value) -> Self {
        self.add(Answer::Whole(200, vec![(name, value)], vec![body.to_string().into()]))
    }

    /// A success without a body.
    pub(crate) fn nothing(self) -> Self {
        self.add(Answer::Whole(204, vec![], vec![]))
    }

    pub(crate) fn pieces(self, pieces: Vec<Bytes>) -> Self {
        self.add(Answer::Whole(200, vec![("request-id", "req_1")], pieces))
    }

    pub(crate) fn lost_after(self, pieces: Vec<Bytes>) -> Self {
        self.add(Answer::Lost(pieces))
    }

    pub(crate) fn lost_before(self) -> Self {
        self.add(Answer::LostBefore)
    }

    pub(crate) fn unreachable(self) -> Self {
        self.add(Answer::Unreachable)
    }

    /// A stream of an answer with these blocks.
    pub(crate) fn answer(self, blocks: &[Value], stop: &str) -> Self {
        let mut body = events(blocks);
        body += &event(
            &json!({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 3}}),
        );
        body += &event(&json!({"type": "message_stop"}));
        self.stream(body)
    }

    /// A stream of an answer that ends after these blocks.
    pub(crate) fn cut_answer(self, blocks: &[Value]) -> Self {
        self.stream(events(blocks))
    }

    fn stream(self, body: String) -> Self {
        self.add(Answer::Whole(200, vec![("content-type", "text/event-stream")], vec![body.into()]))
    }

    fn add(self, answer: Answer) -> Self {
        self.answers.lock().push_back(answer);
        self
    }

    pub(crate) fn client(&self) -> Client {
        let patient = RetryPolicy { first_delay: std::time::Duration::ZERO, ..RetryPolicy::default() };
        Client::builder().transport(self.clone()).retries(patient).build().unwrap()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        assert!(self.answers.lock().is_empty(), "not all answers were asked for");
        self.asked.lock().clone()
    }
}

impl Transport for Script {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, TransportError>> {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let asked = Asked {
            method: request.method().to_string(),
            target: request.uri().path_and_query().unwrap().to_string(),
            betas: header("anthropic-beta"),
            idempotency_key: header("idempotency-key"),
            body: serde_json::from_slice(request.body()).unwrap_or(Value::Null),
        };
        self.asked.lock().push(asked);
        let answer = self.answers.lock().pop_front().expect("the script has no further answer");
        let lost = || TransportError::new(TransportErrorKind::Lost, "reset");
        let (status, headers, body) = match answer {
            Answer::Whole(status, headers, pieces) => {
                (status, headers, Body::stream(stream::iter(pieces.into_iter().map(Ok))))
            }
            Answer::Lost(pieces) => {
                let pieces: Vec<_> = pieces.into_iter().map(Ok).chain([Err(lost())]).collect();
                (200, vec![], Body::stream(stream::iter(pieces)))
            }
            Answer::LostBefore => return Box::pin(std::future::ready(Err(lost()))),
            Answer::Unreachable => {
                let error = TransportError::new(TransportErrorKind::Connect, "refused");
                return Box::pin(std::future::ready(Err(error)));
            }
        };
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        Box::pin(std::future::ready(Ok(response.body(body).unwrap())))
    }
}

pub(crate) fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

/// Blocks as events. `text` and `input` come as deltas; `input` is a string of JSON, whole or not.
fn events(blocks: &[Value]) -> String {
    let start = json!({"id": "msg_1", "role": "assistant", "model": "m", "content": []});
    let mut body = event(&json!({"type": "message_start", "message": start}));
    for (index, block) in blocks.iter().enumerate() {
        let (mut start, mut delta) = (block.clone(), None);
        match block["type"].as_str().unwrap() {
            "text" => {
                delta = Some(json!({"type": "text_delta", "text": block["text"]}));
                start["text"] = json!("");
            }
            "tool_use" => {
                delta = Some(json!({"type": "input_json_delta", "partial_json": block["input"]}));
                start["input"] = json!({});
            }
            _ => {}
        }
        body += &event(&json!({"type": "content_block_start", "index": index, "content_block": start}));
        if let Some(delta) = delta {
            body += &event(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        body += &event(&json!({"type": "content_block_stop", "index": index}));
    }
    body
}

pub(crate) fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

pub(crate) fn call(id: &str, name: &str, input: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}
