//! The ending: how a stream came to its end. The payload of its last record.

use bytes::Bytes;
use perennial_log::{Entry, Outcome};
use perennial_protocol::{ApiError, ErrorKind, Usage};
use serde::{Deserialize, Serialize};

use crate::refusal::{Refusal, RequestId};

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

/// Why an answer ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The upstream's body ended, or its connection broke.
    Upstream,
    /// The upstream was silent for too long.
    Silence,
    /// The gateway stops.
    Shutdown,
    /// The gateway was killed.
    Crash,
    /// An event is larger than can be kept.
    EventTooLarge,
    /// There is no room in the log.
    Full,
    /// Somebody asked to stop it.
    Asked,
    /// Nobody reads it any more.
    Left,
}

impl Cut {
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Upstream | Self::Silence | Self::Shutdown | Self::Crash => Outcome::Interrupted,
            Self::EventTooLarge | Self::Full => Outcome::Failed,
            Self::Asked | Self::Left => Outcome::Cancelled,
        }
    }

    pub(crate) fn error(self, id: Option<&RequestId>) -> EndError {
        let (status, kind, message) = match self {
            Self::Upstream => (
                502,
                ErrorKind::Api,
                "the connection to the upstream ended before the answer did: the answer is incomplete",
            ),
            Self::Silence => (
                504,
                ErrorKind::Timeout,
                "the upstream went silent before the answer ended: the answer is incomplete",
            ),
            Self::Shutdown => {
                (503, ErrorKind::Overloaded, "the gateway is shutting down: the answer is incomplete")
            }
            Self::Crash => (
                502,
                ErrorKind::Api,
                "the gateway was ended and started again while the answer came: the answer is incomplete",
            ),
            Self::EventTooLarge => (
                502,
                ErrorKind::Api,
                "the upstream sent an event that is too large to be kept: the answer is incomplete",
            ),
            Self::Full => (503, ErrorKind::Overloaded, "the gateway's log is full: the answer is incomplete"),
            Self::Asked => (499, ErrorKind::Api, "the stream was cancelled: the answer is incomplete"),
            Self::Left => (
                499,
                ErrorKind::Api,
                "the stream was cancelled, since nobody read it any more: the answer is incomplete",
            ),
        };
        EndError { kind, message: message.to_owned(), status, request_id: id.map(ToString::to_string) }
    }
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
