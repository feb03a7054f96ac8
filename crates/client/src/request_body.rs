//! Request bodies: JSON that is written once and sent as written, on every attempt.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Error;

/// What can be sent to the Messages API: the typed builder, a JSON value, or bytes from elsewhere.
pub trait IntoRequest {
    /// The body, written.
    ///
    /// # Errors
    /// Where it cannot be written as a JSON object.
    fn into_request(self) -> Result<RequestBody, Error>;
}

/// A body, written. What it says is never changed but for the member `stream`, which the library sets where it asks for a stream.
#[derive(Debug, Clone)]
#[must_use]
pub struct RequestBody {
    json: Bytes,
    model: Option<String>,
    /// Where the value of each top-level `stream` stands.
    stream: Vec<std::ops::Range<usize>>,
    betas: Vec<String>,
}

impl RequestBody {
    /// Writes a value.
    ///
    /// # Errors
    /// Where it cannot be written as a JSON object.
    pub fn serialize(body: &impl Serialize) -> Result<Self, Error> {
        let json = serde_json::to_vec(body).map_err(|source| {
            Error::request(format!("the request cannot be written as JSON: {source}")).caused_by(source)
        })?;
        Self::from_json(json)
    }

    /// Takes JSON as it is.
    ///
    /// # Errors
    /// Where it is not a JSON object.
    pub fn from_json(json: impl Into<Bytes>) -> Result<Self, Error> {
        let json = json.into();
        let read = read_members(&json).map_err(|source| {
            Error::request(format!("the request is not a JSON object: {source}")).caused_by(source)
        })?;
        Ok(Self { json, model: read.model, stream: read.stream, betas: Vec::new() })
    }

    /// A value for the `anthropic-beta` header that this body needs.
    pub fn beta(mut self, beta: impl Into<String>) -> Self {
        self.betas.push(beta.into());
        self
    }

    /// The body as it was written.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The model it asks for.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    pub(crate) fn betas(&self) -> &[String] {
        &self.betas
    }

    /// The body with `"stream": true`, every other byte as it was.
    pub(crate) fn streaming(&self) -> Bytes {
        let json = &self.json[..];
        let mut out = Vec::with_capacity(json.len() + 16);
        let mut from = 0;
        for value in &self.stream {
            out.extend_from_slice(&json[from..value.start]);
            out.extend_from_slice(b"true");
            from = value.end;
        }
        if self.stream.is_empty() {
            let end = json.iter().rposition(|byte| *byte == b'}').expect("the body is a JSON object");
            let is_empty = json[..end].trim_ascii() == b"{";
            out.extend_from_slice(&json[..end]);
            out.extend_from_slice(if is_empty { br#""stream":true"# } else { br#","stream":true"# });
            from = end;
        }
        out.extend_from_slice(&json[from..]);
        out.into()
    }
}

impl IntoRequest for RequestBody {
    fn into_request(self) -> Result<RequestBody, Error> {
        Ok(self)
    }
}

impl IntoRequest for serde_json::Value {
    fn into_request(self) -> Result<RequestBody, Error> {
        RequestBody::serialize(&self)
    }
}

impl IntoRequest for &serde_json::Value {
    fn into_request(self) -> Result<RequestBody, Error> {
        RequestBody::serialize(self)
    }
}

#[derive(Default)]
struct Members {
    model: Option<String>,
    stream: Vec<std::ops::Range<usize>>,
}

fn read_members(json: &[u8]) -> Result<Members, serde_json::Error> {
    struct Read<'a>(&'a [u8]);

    impl<'de> Visitor<'de> for Read<'de> {
        type Value = Members;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
            let mut members = Members::default();
            while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
                let value = map.next_value::<&RawValue>()?.get();
                match &*name {
                    "stream" => {
                        // The value is a part of the body, so its place is the distance of the two addresses.
                        let start = value.as_ptr().addr() - self.0.as_ptr().addr();
                        members.stream.push(start..start + value.len());
                    }
                    "model" => members.model = serde_json::from_str(value).ok(),
                    _ => {}
                }
            }
            Ok(members)
        }
    }

    let mut reader = serde_json::Deserializer::from_slice(json);
    let members = reader.deserialize_map(Read(json))?;
    reader.end()?;
    Ok(members)
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        let body = RequestBody::from_json(body.to_owned()).expect(body);
        assert_eq!(std::str::from_utf8(&body.streaming()).unwrap(), expected);
    }

    #[test]
    fn only_the_member_stream_is_set() {
        check(r#"{"model":"m"}"#, r#"{"model":"m","stream":true}"#);
        check("{ }", r#"{ "stream":true}"#);
        check("{}\n", "{\"stream\":true}\n");
        check(r#"{"stream": false ,"a":1.50}"#, r#"{"stream": true ,"a":1.50}"#);
        check(r#"{"stream":true}"#, r#"{"stream":true}"#);
        check(r#"{"str\u0065am":null}"#, r#"{"str\u0065am":true}"#);
        // The service's reader takes the last of two; both are set so that it does not matter.
        check(
            r#"{"stream":false,"b":{"stream":false},"stream":0}"#,
            r#"{"stream":true,"b":{"stream":false},"stream":true}"#,
        );
        check(r#"{"b":"}","c":[{}]}"#, r#"{"b":"}","c":[{}],"stream":true}"#);
    }

    #[test]
    fn what_is_no_object_is_refused_with_a_reason() {
        for body in ["", "[]", "1", "{", "{}{}", r#"{"a":}"#, "\u{feff}{}"] {
            let error = RequestBody::from_json(body.to_owned()).expect_err(body);
            assert!(error.to_string().starts_with("the request is not a JSON object"), "{error}");
        }
    }

    #[test]
    fn the_model_is_read() {
        let body = RequestBody::from_json(r#"{"messages":[],"model":"claude-\u0078"}"#).unwrap();
        assert_eq!(body.model(), Some("claude-x"));
    }
}
