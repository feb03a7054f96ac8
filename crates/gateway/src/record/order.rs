//! The order: what was asked, by whom and under which policy. The payload of a stream's first record.
//!
//! It is a line of JSON, and after it the body as it goes up, byte for byte, so that the request can be sent again. There is no
//! credential in it, neither the client's nor the gateway's: a log is read by more eyes than a configuration.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::access::Owner;
use crate::policy::OnDisconnect;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) owner: Owner,
    pub(crate) policy: OnDisconnect,
    /// An answer that breaks may be gone on with.
    pub(crate) recover: bool,
    /// It answers in a conversation of the gateway's own.
    pub(crate) in_conversation: bool,
    /// For lists; whatever the body says.
    pub(crate) model: Option<String>,
    pub(crate) idempotency: Option<Idempotency>,
    /// The path and the query of the request that goes up.
    pub(crate) path: String,
    /// The headers that go up, without credentials.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Under which key a client may repeat its request, hashed, and what the request was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Idempotency {
    pub(crate) key: String,
    pub(crate) request: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    owner: Owner,
    policy: String,
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    recover: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    in_conversation: bool,
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency: Option<Idempotency>,
    path: String,
    headers: Vec<(String, String)>,
}

impl Order {
    pub(crate) fn encode(&self) -> Bytes {
        let line = Line {
            owner: self.owner.clone(),
            policy: self.policy.to_string(),
            recover: self.recover,
            in_conversation: self.in_conversation,
            model: self.model.clone(),
            idempotency: self.idempotency.clone(),
            path: self.path.clone(),
            headers: self.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        };
        let line = serde_json::to_vec(&line).unwrap_or_default();
        let mut bytes = BytesMut::with_capacity(line.len() + 1 + self.body.len());
        bytes.put(&line[..]);
        bytes.put_u8(b'\n');
        bytes.put(&self.body[..]);
        bytes.freeze()
    }

    /// `None` for what this version did not write.
    pub(crate) fn decode(payload: &Bytes) -> Option<Self> {
        let end = memchr::memchr(b'\n', payload)?;
        let line: Line = serde_json::from_slice(&payload[..end]).ok()?;
        let header =
            |(name, value): (String, String)| Some((name.parse::<HeaderName>().ok()?, bytes(&value)?));
        Some(Self {
            owner: line.owner,
            policy: line.policy.parse().ok()?,
            recover: line.recover,
            in_conversation: line.in_conversation,
            model: line.model,
            idempotency: line.idempotency,
            path: line.path,
            headers: line.headers.into_iter().map(header).collect::<Option<_>>()?,
            body: payload.slice(end + 1..),
        })
    }
}

fn yes() -> bool {
    true
}

/// A header value as text that loses none of its bytes: one character for each.
fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

fn bytes(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_written_and_holds_no_key() {
        let mut headers = HeaderMap::new();
        headers.append("anthropic-beta", HeaderValue::from_static("a"));
        headers.append("anthropic-beta", HeaderValue::from_static("b"));
        headers.append("x-odd", HeaderValue::from_bytes(b"\xff\xe9 ok").unwrap());
        let order = Order {
            owner: Owner::local(),
            policy: OnDisconnect::Detach,
            recover: false,
            in_conversation: true,
            model: Some("m".to_owned()),
            idempotency: Some(Idempotency { key: "k".to_owned(), request: "r".to_owned() }),
            path: "/v1/messages?beta=true".to_owned(),
            headers,
            body: Bytes::from_static(b"{\"model\":\n\"m\"}\n"),
        };
        let read = Order::decode(&order.encode()).unwrap();
        assert_eq!(read.body, order.body);
        assert_eq!(read.headers, order.headers);
        assert_eq!((&read.owner, read.policy, &read.model), (&order.owner, order.policy, &order.model));
        assert!(!read.recover && read.in_conversation);
        assert_eq!((read.idempotency, read.path), (order.idempotency, order.path));
        assert!(Order::decode(&Bytes::from_static(b"{}\nx")).is_none());
    }
}
