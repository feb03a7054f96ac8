//! The body of a request: read whole, and looked into for one thing only, whether a stream is wanted.
//!
//! Requests are never written anew. Where a stream is to be asked for in place of a message, the one value is spliced in and every
//! other byte stays: caches and the signatures of thinking depend on them.

use std::fmt;
use std::ops::Range;

use axum::body::Body;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use perennial_protocol::ErrorKind;
use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::headers;
use crate::limits::{Clocks, MaxBodyBytes};
use crate::refusal::Refusal;

/// What a request to `/v1/messages` wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A stream.
    Stream,
    /// A message; this is the body that asks for it as a stream.
    Message(Bytes),
    /// Not to be seen: the body is compressed, or `stream` is no boolean. The upstream is to judge.
    Unknown,
}

/// Reads the body, up to the limit.
pub(crate) async fn read(body: Body, limit: MaxBodyBytes, clocks: &Clocks) -> Result<Bytes, Refusal> {
    tokio::time::timeout(clocks.body, gather(body, limit, clocks)).await.unwrap_or_else(|_| {
        let message = format!("the body of the request did not come within {} s", clocks.body.as_secs());
        Err(Refusal::new(408, ErrorKind::Timeout, message))
    })
}

async fn gather(body: Body, limit: MaxBodyBytes, clocks: &Clocks) -> Result<Bytes, Refusal> {
    let too_large = || {
        let message = format!("the request is larger than this gateway's limit of {} bytes", limit.0);
        Refusal::new(413, ErrorKind::RequestTooLarge, message)
    };
    let announced = http_body::Body::size_hint(&body).lower();
    if announced > limit.0 as u64 {
        return Err(too_large());
    }
    let mut body = body;
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        let piece = tokio::time::timeout(clocks.body_read, body.frame()).await.map_err(|_| {
            let message =
                format!("the body of the request stopped coming for {} s", clocks.body_read.as_secs());
            Refusal::new(408, ErrorKind::Timeout, message)
        })?;
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|_| Refusal::invalid("the body of the request ended too early"))?;
        let Ok(data) = piece.into_data() else { continue };
        if first.len() + whole.len() + data.len() > limit.0 {
            return Err(too_large());
        }
        // Most bodies come in one piece, which then is not copied.
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.reserve(first.len() + data.len());
            whole.put(std::mem::take(&mut first));
            whole.put(data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

impl Wish {
    pub(crate) fn of(headers: &HeaderMap, body: &Bytes) -> Result<Self, Refusal> {
        if !headers::is_plain(headers) {
            return Ok(Self::Unknown);
        }
        let envelope = Envelope::read(body).map_err(|error| {
            Refusal::invalid(format!("the body of the request is not a JSON object: {error}"))
        })?;
        // Of several members of one name the last counts.
        Ok(match envelope.stream.last().map(|range| &body[range.clone()]) {
            Some(b"true") => Self::Stream,
            None | Some(b"false" | b"null") => Self::Message(envelope.streaming(body)),
            Some(_) => Self::Unknown,
        })
    }
}

/// Where in a body the values of `stream` stand.
#[derive(Debug)]
struct Envelope {
    stream: Vec<Range<usize>>,
    members: usize,
}

impl Envelope {
    fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let envelope = json.deserialize_map(Members { body })?;
        json.end()?;
        Ok(envelope)
    }

    /// `body` with `"stream": true`.
    fn streaming(&self, body: &[u8]) -> Bytes {
        let mut changed = BytesMut::with_capacity(body.len() + 16);
        let mut at = 0;
        if self.stream.is_empty() {
            at = body.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1);
            changed.put(&body[..at]);
            changed.put(if self.members == 0 { &b"\"stream\":true"[..] } else { b"\"stream\":true," });
        }
        for range in &self.stream {
            changed.put(&body[at..range.start]);
            changed.put(&b"true"[..]);
            at = range.end;
        }
        changed.put(&body[at..]);
        changed.freeze()
    }
}

struct Members<'a> {
    body: &'a [u8],
}

impl<'de> Visitor<'de> for Members<'de> {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
        let mut envelope = Envelope { stream: Vec::new(), members: 0 };
        while let Some(Name(is_stream)) = map.next_key()? {
            envelope.members += 1;
            if is_stream {
                let value: &'de RawValue = map.next_value()?;
                // The value is borrowed from the body, so its address tells its place.
                let start = value.get().as_ptr().addr() - self.body.as_ptr().addr();
                envelope.stream.push(start..start + value.get().len());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(envelope)
    }
}

/// The name of a member: whether it is `stream`.
struct Name(bool);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(Name(name == "stream"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(body: &str) -> Result<Wish, String> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Wish::of(&HeaderMap::new(), &body).map_err(|refusal| refusal.message().to_owned())
    }

    #[test]
    fn only_the_value_of_stream_is_changed() {
        for (body, streaming) in [
            (r#"{"model":"m", "n": 1.50 }"#, r#"{"stream":true,"model":"m", "n": 1.50 }"#),
            (r#" { } "#, r#" {"stream":true } "#),
            (r#"{"a":{"stream":false},"stream" : false }"#, r#"{"a":{"stream":false},"stream" : true }"#),
            (r#"{"stream":null,"é":"\u00e9"}"#, r#"{"stream":true,"é":"\u00e9"}"#),
            (r#"{"\u0073tream":false}"#, r#"{"\u0073tream":true}"#),
            (r#"{"stream":true,"x":[],"stream":false}"#, r#"{"stream":true,"x":[],"stream":true}"#),
        ] {
            assert_eq!(wish(body), Ok(Wish::Message(Bytes::from(streaming))), "{body}");
        }
    }

    #[test]
    fn a_stream_is_a_stream() {
        for body in [r#"{"stream":true}"#, r#"{"stream":false,"stream": true , "a":1}"#] {
            assert_eq!(wish(body), Ok(Wish::Stream), "{body}");
        }
        assert_eq!(wish(r#"{"stream":"yes"}"#), Ok(Wish::Unknown));
        let gzip = [(http::header::CONTENT_ENCODING, "gzip".parse().unwrap())].into_iter().collect();
        assert_eq!(Wish::of(&gzip, &Bytes::from_static(b"\x1f\x8b")).ok(), Some(Wish::Unknown));
    }

    #[test]
    fn what_is_no_object_is_refused_in_words() {
        for body in ["", "[]", "{\"a\":1", "{} {}", "null", "\u{1}"] {
            let message = wish(body).unwrap_err();
            assert!(
                message.starts_with("the body of the request is not a JSON object: "),
                "{body}: {message}"
            );
        }
    }
}
