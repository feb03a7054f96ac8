//! Frames: what clients ask, and the words of answers.

use std::collections::HashMap;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use perennial_log::{After, StreamId};
use perennial_protocol::ErrorKind;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::FRAME_BYTES;
use crate::refusal::Refusal;
use crate::streams::lookup;

/// The most that is repeated of a frame.
const REF_BYTES: usize = 1024;

/// What a client asks.
#[derive(Debug)]
pub(super) enum Op {
    Subscribe { stream: StreamId, after: After, cap: Option<String> },
    Unsubscribe { stream: StreamId },
    Create { body: Bytes, headers: HeaderMap },
    Cancel { stream: StreamId, cap: Option<String> },
    Ping,
}

/// What an answer repeats of the frame that it answers.
#[derive(Debug, Default)]
pub(super) struct Echo {
    reference: Option<Box<RawValue>>,
    /// The operation, in errors.
    to: Option<&'static str>,
    /// As the client named it.
    stream: Option<String>,
}

/// A frame as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    op: String,
    #[serde(borrow, default, rename = "ref")]
    reference: Option<&'a RawValue>,
    stream: Option<String>,
    after: Option<String>,
    cap: Option<String>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    headers: Option<HashMap<String, String>>,
}

/// Of a frame that cannot be read, what may be repeated.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Unread<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
}

/// An answer as it is written.
#[derive(Serialize)]
struct Answer<'a> {
    op: &'a str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a str>,
    #[serde(flatten)]
    members: Value,
}

/// Reads a frame of text. The echo is there where it cannot be read, too, as far as it can.
pub(super) fn read(text: Utf8Bytes) -> (Echo, Result<Op, Refusal>) {
    let text = Bytes::from(text);
    let written: Written<'_> = match serde_json::from_slice(&text) {
        Ok(written) => written,
        Err(error) => {
            let unread: Unread<'_> = serde_json::from_slice(&text).unwrap_or_default();
            let echo = Echo { reference: repeated(unread.reference).unwrap_or_default(), ..Echo::default() };
            return (echo, Err(Refusal::invalid(format!("the frame is none that is known here: {error}"))));
        }
    };
    let reference = match repeated(written.reference) {
        Ok(reference) => reference,
        Err(refusal) => return (Echo::default(), Err(refusal)),
    };
    let to =
        ["subscribe", "unsubscribe", "create", "cancel", "ping"].into_iter().find(|op| *op == written.op);
    // What makes a stream is about none yet.
    let stream = written.stream.clone().filter(|_| to != Some("create"));
    let echo = Echo { reference, to, stream };
    (echo, written.read(&text))
}

impl Written<'_> {
    fn read(self, text: &Bytes) -> Result<Op, Refusal> {
        if text.len() > FRAME_BYTES && self.op != "create" {
            let message = format!("a frame has at most {FRAME_BYTES} bytes, but for `create`");
            return Err(Refusal::new(413, ErrorKind::RequestTooLarge, message));
        }
        let stream = || {
            let name = self
                .stream
                .as_deref()
                .ok_or_else(|| Refusal::invalid(format!("{}: `stream` is missing", self.op)));
            lookup::named(name?)
        };
        Ok(match self.op.as_str() {
            "subscribe" => {
                let after =
                    self.after.as_deref().filter(|after| !after.is_empty()).map(str::parse).transpose();
                let after = after
                    .map_err(|error: perennial_log::InvalidPosition| Refusal::invalid(error.to_string()))?;
                Op::Subscribe { stream: stream()?, after: after.unwrap_or_default(), cap: self.cap }
            }
            "unsubscribe" => Op::Unsubscribe { stream: stream()? },
            "create" => {
                let body = self.body.ok_or_else(|| Refusal::invalid("create: `body` is missing"))?;
                let headers = self.headers.map_or_else(|| Ok(HeaderMap::new()), read_headers)?;
                // The bytes of the body as they stand in the frame.
                Op::Create { body: text.slice_ref(body.get().as_bytes()), headers }
            }
            "cancel" => Op::Cancel { stream: stream()?, cap: self.cap },
            "ping" => Op::Ping,
            _ => {
                let message = "op: `subscribe`, `unsubscribe`, `create`, `cancel` or `ping`";
                return Err(Refusal::invalid(message));
            }
        })
    }
}

impl Echo {
    /// Of no frame: for what is said of a stream without having been asked.
    pub(super) fn about(stream: StreamId) -> Self {
        Self { stream: Some(stream.to_string()), ..Self::default() }
    }

    /// The answer to the frame.
    pub(super) fn answer(&self, op: &str, members: Value) -> Utf8Bytes {
        self.write(op, None, members)
    }

    /// Why the frame is not answered, or why a subscription goes no further.
    pub(super) fn refused(&self, refusal: &Refusal, more: Value) -> Utf8Bytes {
        let mut members = json!({
            "status": refusal.status().as_u16(),
            "error": {"type": refusal.kind(), "message": refusal.message()},
        });
        if let (Some(members), Value::Object(more)) = (members.as_object_mut(), more) {
            members.extend(more);
        }
        self.write("error", self.to, members)
    }

    fn write(&self, op: &str, to: Option<&str>, members: Value) -> Utf8Bytes {
        let stream = self.stream.as_deref();
        let answer = Answer { op, reference: self.reference.as_deref(), to, stream, members };
        // Strings and numbers are always JSON.
        serde_json::to_string(&answer).unwrap_or_default().into()
    }
}

fn repeated(reference: Option<&RawValue>) -> Result<Option<Box<RawValue>>, Refusal> {
    match reference {
        Some(reference) if reference.get().len() > REF_BYTES => {
            Err(Refusal::invalid(format!("ref: at most {REF_BYTES} bytes")))
        }
        reference => Ok(reference.map(ToOwned::to_owned)),
    }
}

fn read_headers(written: HashMap<String, String>) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let pair = (HeaderName::try_from(&name), HeaderValue::try_from(value));
        let (Ok(name), Ok(value)) = pair else {
            return Err(Refusal::invalid(format!("headers: `{name:.64}` is no header, or its value none")));
        };
        headers.insert(name, value);
    }
    Ok(headers)
}
