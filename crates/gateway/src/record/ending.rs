//! The ending: how a stream came to its end. The payload of its last record.

use bytes::Bytes;
use perennial_log::{Entry, Outcome};
use perennial_protocol::{ApiError, ErrorKind, Usage};
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::request_id::RequestId;

/// How a stream ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub(crate) stop_reason: Option<String>,
    pub(crate) usage: Option<Usage>,
    pub(crate) error: Option<EndError>,
    /// The upstream said so itself, in an `error` event that stands in the log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) in_band: bool,
}

/// Why a stream did not come to the end that the upstream meant it to have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndError {
    #[serde(rename = "type")]
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    /// The status that this would have been before the answer began.
    pub(crate) status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

impl EndError {
    /// The error as a body of the service.
    pub(crate) fn body(&self) -> serde_json::Value {
        serde_json::json!({
            "type": "error",
            "error": {"type": self.kind, "message": self.message},
            "request_id": self.request_id,
        })
    }

    pub(crate) fn of_refusal(refusal: &Refusal, id: &RequestId) -> Self {
        Self {
            kind: refusal.kind().clone(),
            message: refusal.message().to_owned(),
            status: refusal.status().as_u16(),
            request_id: Some(id.to_string()),
        }
    }

    /// What an upstream answered instead of a stream.
    pub(crate) fn of_answer(status: u16, body: &[u8], id: &RequestId) -> Self {
        let read = std::str::from_utf8(body).ok().and_then(ApiError::from_body);
        let (kind, message) = match read {
            Some(error) => (error.kind, error.message),
            None => (ErrorKind::Api, format!("the upstream answered {status}")),
        };
        Self { kind, message, status, request_id: Some(id.to_string()) }
    }
}

impl Ending {
    pub(crate) fn failed(error: EndError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    pub(crate) fn entry(&self, outcome: Outcome) -> Entry {
        Entry::terminal(outcome, serde_json::to_vec(self).unwrap_or_default())
    }

    /// What a terminal record says; nothing where another version wrote it.
    pub(crate) fn decode(payload: &Bytes) -> Self {
        serde_json::from_slice(payload).unwrap_or_default()
    }
}
