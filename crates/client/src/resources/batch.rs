//! A message batch and what its requests gave.

use perennial_protocol::{ApiError, ErrorKind, Message, Raw};
use serde::{Deserialize, Deserializer};

use super::received::received;

received! {
    /// A message batch: requests that are worked off within a day, at half the price.
    pub struct Batch {
        /// `msgbatch_...`
        pub id: String,
        /// How far it is.
        pub processing_status: BatchStatus,
        /// How many of its requests are how far. All are `processing` until the whole batch ended.
        pub request_counts: RequestCounts,
        /// When it was made, RFC 3339.
        pub created_at: String,
        /// When it ended.
        pub ended_at: Option<String>,
        /// When it ends at the latest.
        pub expires_at: Option<String>,
        /// When its results go or went.
        pub archived_at: Option<String>,
        /// When it was cancelled.
        pub cancel_initiated_at: Option<String>,
        /// Where its results are, once it ended.
        pub results_url: Option<String>,
    }
}

/// How far a batch is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchStatus {
    /// It is being worked off.
    #[default]
    InProgress,
    /// It was cancelled and some of its requests still run.
    Canceling,
    /// It is over; the results can be read.
    Ended,
    /// A state that came after this version.
    Other(String),
}

/// How many requests of a batch are how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RequestCounts {
    /// Not done yet.
    pub processing: u64,
    /// Answered.
    pub succeeded: u64,
    /// Failed.
    pub errored: u64,
    /// Not begun when the batch was cancelled.
    pub canceled: u64,
    /// Not begun when the batch expired.
    pub expired: u64,
}

/// What one request of a batch gave. They come in any order: go by [`custom_id`](Self::custom_id).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BatchResult {
    /// The id that the request was given.
    pub custom_id: String,
    /// What it gave.
    pub outcome: BatchOutcome,
}

/// What a request of a batch gave.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum BatchOutcome {
    /// An answer. Look at its stop reason as at any other's.
    Succeeded(Box<Message>),
    /// An error; not billed.
    Errored(Box<ApiError>),
    /// Nothing: the batch was cancelled before. Not billed.
    Canceled,
    /// Nothing: the batch expired before. Not billed.
    Expired,
    /// An outcome that came after this version.
    Other(Raw),
}

impl Batch {
    /// Whether the results can be read.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.processing_status == BatchStatus::Ended
    }
}

impl RequestCounts {
    /// All requests of the batch.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.processing + self.succeeded + self.errored + self.canceled + self.expired
    }
}

impl BatchOutcome {
    /// The answer, if there is one.
    #[must_use]
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::Succeeded(message) => Some(message),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for BatchStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "in_progress" => Self::InProgress,
            "canceling" => Self::Canceling,
            "ended" => Self::Ended,
            _ => Self::Other(text),
        })
    }
}

impl<'de> Deserialize<'de> for BatchResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Line {
            custom_id: String,
            result: Raw,
        }
        let line = Line::deserialize(deserializer)?;
        let outcome = BatchOutcome::read(line.result).map_err(serde::de::Error::custom)?;
        Ok(Self { custom_id: line.custom_id, outcome })
    }
}

impl BatchOutcome {
    fn read(raw: Raw) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Known {
            #[serde(rename = "type")]
            kind: String,
            message: Option<Raw>,
            error: Option<Raw>,
        }
        let Known { kind, message, error } = raw.parse()?;
        Ok(match (kind.as_str(), message, error) {
            ("succeeded", Some(message), _) => Self::Succeeded(Box::new(message.parse()?)),
            ("errored", _, Some(error)) => Self::Errored(Box::new(
                ApiError::from_body(error.get())
                    .unwrap_or_else(|| ApiError::new(ErrorKind::Api, error.get())),
            )),
            ("canceled", ..) => Self::Canceled,
            ("expired", ..) => Self::Expired,
            _ => Self::Other(raw),
        })
    }
}
