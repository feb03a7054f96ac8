//! Notes about attempts: what each upstream that was asked did, for those who look into a stream afterwards.

use perennial_log::{Entry, Kind};
use perennial_protocol::Usage;
use serde::{Deserialize, Serialize};

/// One thing that happened to an attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AttemptNote {
    /// 1 for the first.
    pub(crate) attempt: u32,
    /// The name of the upstream.
    pub(crate) upstream: String,
    /// Since the request went up.
    pub(crate) elapsed_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// Why it is no good; absent for the beginning of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// What is done about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Next>,
    /// Why nothing can be done, or why the texts could not be joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) because: Option<String>,
    /// How its upstream's breaker stands, where this changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) breaker: Option<String>,
    /// What the attempt used, as far as the upstream said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<Usage>,
}

/// What is done about an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Next {
    /// The same is asked again.
    Retry,
    /// The rest of the answer is asked for.
    Continue,
    /// All of the answer is there; its end marker is set.
    Finish,
    /// Nothing.
    GiveUp,
}

impl AttemptNote {
    /// With what is done, and why not more.
    pub(crate) fn with(mut self, next: Next, because: &str) -> Self {
        self.next = Some(next);
        self.because = (!because.is_empty()).then(|| because.to_owned());
        self
    }

    pub(crate) fn entry(&self) -> Entry {
        Entry::new(Kind::Attempt, serde_json::to_vec(self).unwrap_or_default())
    }

    /// What a record says; nothing where another version wrote it.
    pub(crate) fn decode(payload: &[u8]) -> Self {
        serde_json::from_slice(payload).unwrap_or_default()
    }
}
