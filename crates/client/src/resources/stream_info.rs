//! A stream that a gateway keeps, and what else it says about one.

use perennial_protocol::{Message, Raw, StopReason, Usage};
use serde::{Deserialize, Deserializer};

use super::received::received;
use crate::Position;

received! {
    /// A stream of a gateway: one answer, while it is made and afterwards.
    pub struct StreamInfo {
        /// `strm_...`
        pub id: String,
        /// How far it is.
        pub state: StreamState,
        /// The model that answers.
        pub model: String,
        /// When it was made, RFC 3339.
        pub created_at: String,
        /// When it is forgotten, RFC 3339.
        pub expires_at: Option<String>,
        /// Of its last record.
        pub position: Option<Position>,
        /// What becomes of it when nobody reads it: `cancel`, `grace=SECONDS` or `detach`.
        pub on_disconnect: Option<String>,
        /// How many read it now.
        pub readers: u64,
        /// Tokens, as the service last said it. Lists have none.
        pub usage: Option<Usage>,
        /// Whether they are the service's last word. Before that, output is a placeholder that says nothing about the bill.
        pub usage_is_final: bool,
        /// How it ended, once it has.
        pub outcome: Option<StreamOutcome>,
    }
}

received! {
    /// How a stream ended.
    pub struct StreamOutcome {
        /// `completed`, `cancelled`, `failed` or `interrupted`.
        pub state: StreamState = "type",
        /// Why the model stopped, where it did.
        pub stop_reason: Option<StopReason>,
        /// What went wrong, as in an error body of the service: `type` and `message`.
        pub error: Option<Raw>,
    }
}

received! {
    /// A capability: whoever has it may read this stream, without a key.
    pub struct StreamLink {
        /// Path and query of the stream's events, below the gateway's address.
        pub url: String,
        /// The capability itself; see [`Streams::capability`](super::Streams::capability).
        pub cap: String,
        /// Until when, RFC 3339.
        pub expires_at: Option<String>,
    }
}

/// How far a stream is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamState {
    /// The answer is being made.
    #[default]
    Running,
    /// The answer is being made, after something went wrong.
    Recovering,
    /// The answer is whole.
    Completed,
    /// Somebody stopped it.
    Cancelled,
    /// The service failed.
    Failed,
    /// It was lost in the middle, mostly by a crash of the gateway.
    Interrupted,
    /// A state that came after this version.
    Other(String),
}

/// The message of a stream as far as it is there.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StreamMessage {
    /// The message. Without a stop reason while it is being made.
    pub message: Message,
    /// How far the stream is.
    pub state: StreamState,
}

/// What a capability allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkScope {
    /// To read the stream.
    Read,
    /// To read it and to stop it.
    Cancel,
}

impl StreamState {
    /// Whether nothing follows.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed | Self::Interrupted)
    }

    /// The state as it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Running => "running",
            Self::Recovering => "recovering",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Other(state) => state,
        }
    }
}

impl From<&str> for StreamState {
    fn from(state: &str) -> Self {
        match state {
            "running" => Self::Running,
            "recovering" => Self::Recovering,
            "completed" => Self::Completed,
            "cancelled" => Self::Cancelled,
            "failed" => Self::Failed,
            "interrupted" => Self::Interrupted,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for StreamState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*String::deserialize(deserializer)?))
    }
}

impl std::fmt::Display for StreamState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl LinkScope {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Cancel => "cancel",
        }
    }
}
