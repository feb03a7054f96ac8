//! One event of a stream as it will be written, with what the pace and the journal want to know about it.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

/// One event, framed with LF line ends.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The `event:` name; empty for what is no event (a comment, garbage).
    pub(crate) name: Cow<'static, str>,
    /// The exact bytes, blank line included.
    pub(crate) bytes: Bytes,
    /// Output tokens that had to be generated for it.
    pub(crate) tokens: u64,
    /// Output tokens of the whole answer, where the event says so.
    pub(crate) total: Option<u64>,
    /// What it adds to the content of the answer.
    pub(crate) piece: Option<Piece>,
}

/// The part of a content block that one delta carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Index of the block.
    pub(crate) index: u64,
    /// `text`, `thinking` or `input`.
    pub(crate) kind: &'static str,
    /// The characters.
    pub(crate) text: String,
}

/// All that is sent on one connection for one answer, in order.
pub(crate) type Frames = Box<dyn Iterator<Item = Frame> + Send>;

impl Frame {
    /// An event around JSON text, as it is.
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, json: &str) -> Self {
        let name = name.into();
        let mut bytes = Vec::with_capacity(name.len() + json.len() + 17);
        for part in ["event: ", &name, "\ndata: ", json, "\n\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
        Self { name, bytes: bytes.into(), tokens: 0, total: None, piece: None }
    }

    /// The service's sign of life, with its unusual blank after the colon.
    pub(crate) fn ping() -> Self {
        Self::new("ping", r#"{"type": "ping"}"#)
    }

    /// The service's in-band error.
    pub(crate) fn error(error_type: &str, message: &str, request_id: &str) -> Self {
        let body = serde_json::json!({
            "type": "error",
            "error": {"details": null, "type": error_type, "message": message},
            "request_id": request_id,
        });
        Self::new("error", &body.to_string())
    }

    /// Whatever bytes, which are no event.
    pub(crate) fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { name: Cow::Borrowed(""), bytes: bytes.into(), tokens: 0, total: None, piece: None }
    }

    /// A frame of somebody else's making: its bytes stay, the rest is found out where it can be.
    pub(crate) fn foreign(name: &str, data: &[u8], bytes: Bytes) -> Self {
        let delta = data.windows(6).any(|window| window == b"_delta");
        let event = delta.then(|| serde_json::from_slice::<Value>(data).ok()).flatten().unwrap_or_default();
        let piece = Piece::of(&event);
        let tokens = piece.as_ref().map_or(0, |piece| crate::mind::tokens::count(&piece.text));
        let total = event.pointer("/usage/output_tokens").and_then(Value::as_u64);
        Self { name: Cow::Owned(name.to_owned()), bytes, tokens, total, piece }
    }

    pub(crate) fn costing(mut self, tokens: u64) -> Self {
        self.tokens = tokens;
        self
    }

    pub(crate) fn totalling(mut self, tokens: u64) -> Self {
        self.total = Some(tokens);
        self
    }

    pub(crate) fn carrying(mut self, piece: Piece) -> Self {
        self.piece = Some(piece);
        self
    }

    /// The JSON text of the `data:` line, where there is exactly one.
    pub(crate) fn data(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        let at = if text.starts_with("data: ") { 6 } else { text.find("\ndata: ")? + 7 };
        Some(text[at..].trim_end_matches('\n'))
    }
}

impl Piece {
    fn of(event: &Value) -> Option<Self> {
        let delta = event.get("delta")?;
        let (kind, field) = match delta.get("type")?.as_str()? {
            "text_delta" => ("text", "text"),
            "thinking_delta" => ("thinking", "thinking"),
            "input_json_delta" => ("input", "partial_json"),
            _ => return None,
        };
        let text = delta.get(field)?.as_str()?.to_owned();
        Some(Self { index: event.get("index")?.as_u64()?, kind, text })
    }
}
