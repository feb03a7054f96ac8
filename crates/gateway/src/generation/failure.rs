//! Failures: why an attempt came to nothing, whether another may do better, and what readers are told if none does.

use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use perennial_log::{Entry, Outcome};
use perennial_protocol::{ApiError, ErrorKind};
use perennial_recovery::{is_retryable_answer, is_retryable_in_band, retry_after};

use super::Opened;
use super::mending::{OnClock, Recovery};
use crate::record::{Cut, EndError, Ending};
use crate::refusal::Refusal;
use crate::request_id::RequestId;

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The upstream could not be asked, or said nothing that is an answer.
    Refused(Refusal, Why),
    /// It answered with an error.
    Answer(Box<Parts>, Bytes),
    /// Its stream broke.
    Cut(Cut),
    /// It said in its stream that it failed: its own event.
    InBand(Box<ApiError>, Entry),
    /// What it said cannot be joined to what readers have.
    NoProof(String),
}

/// Why there was no answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// No connection, or one that broke: it may be better the next time.
    Connection,
    /// No head of an answer in time.
    FirstByte,
    /// Something that asking again does not change.
    Lasting,
    /// All that could be asked are known to be down.
    Down,
}

/// How a stream ends of which no attempt is left.
#[derive(Debug)]
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) error: EndError,
    /// The upstream's own event says it.
    pub(super) event: Option<Entry>,
}

impl Failure {
    /// In a word, for notes.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Refused(_, Why::Connection) => "connection".to_owned(),
            Self::Refused(_, Why::FirstByte) => "first_byte".to_owned(),
            Self::Refused(_, Why::Lasting) => "unusable".to_owned(),
            Self::Refused(_, Why::Down) => "breaker_open".to_owned(),
            Self::Answer(head, body) => api_error(body)
                .map_or_else(|| head.status.as_str().to_owned(), |error| error.kind.to_string()),
            Self::Cut(cut) => cut.word().to_owned(),
            Self::InBand(error, _) => error.kind.to_string(),
            Self::NoProof(_) => "seam_refused".to_owned(),
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Answer(head, _) => Some(head.status.as_u16()),
            _ => None,
        }
    }

    /// Whether another attempt may do better.
    pub(super) fn may_be_mended(&self, recovery: &Recovery) -> bool {
        if self.action(recovery) == OnClock::Fail {
            return false;
        }
        match self {
            Self::Refused(_, why) => matches!(why, Why::Connection | Why::FirstByte),
            Self::Answer(head, body) => {
                is_retryable_answer(head.status.as_u16(), &head.headers, api_error(body).as_ref())
            }
            Self::Cut(cut) => cut.may_be_mended(),
            Self::InBand(error, _) => is_retryable_in_band(error),
            Self::NoProof(_) => true,
        }
    }

    /// Whether it is trouble of upstreams, for which a client is not to blame.
    pub(super) fn is_trouble(&self) -> bool {
        match self {
            Self::Refused(_, why) => *why != Why::Lasting,
            Self::Answer(head, _) => matches!(head.status.as_u16(), 408 | 429 | 500..),
            Self::Cut(cut) => cut.may_be_mended(),
            Self::InBand(error, _) => is_retryable_in_band(error),
            Self::NoProof(_) => false,
        }
    }

    /// What is to be done where a clock rang.
    pub(super) fn action(&self, recovery: &Recovery) -> OnClock {
        match self {
            Self::Refused(_, Why::FirstByte) => recovery.on_first_byte,
            Self::Cut(Cut::Silence) => recovery.on_silence,
            Self::Cut(Cut::Progress) => recovery.on_progress,
            Self::Cut(Cut::Slow) => recovery.on_floor,
            _ => OnClock::Recover,
        }
    }

    /// Whether it tells something about the upstream's health; a client's own mistakes and limits do not.
    pub(super) fn is_the_upstreams(&self) -> bool {
        match self {
            Self::Refused(_, why) => matches!(why, Why::Connection | Why::FirstByte),
            Self::Answer(head, _) => head.status.as_u16() >= 500,
            Self::Cut(cut) => cut.is_the_upstreams(),
            Self::InBand(error, _) => is_retryable_in_band(error) && error.kind != ErrorKind::RateLimit,
            Self::NoProof(_) => false,
        }
    }

    /// The wait that the upstream asked for.
    pub(super) fn asked_wait(&self) -> Option<Duration> {
        match self {
            Self::Answer(head, _) => retry_after(&head.headers),
            _ => None,
        }
    }

    /// What readers are told.
    pub(super) fn end(&self, id: &RequestId) -> End {
        let failed = |error| End { outcome: Outcome::Failed, error, event: None };
        match self {
            Self::Refused(refusal, _) => failed(EndError::of_refusal(refusal, id)),
            Self::Answer(head, body) => failed(EndError::of_answer(head.status.as_u16(), body, id)),
            Self::Cut(cut) => End { outcome: cut.outcome(), error: cut.error(Some(id)), event: None },
            Self::InBand(error, event) => End {
                event: Some(event.clone()),
                ..failed(EndError {
                    status: error.status().unwrap_or(502),
                    kind: error.kind.clone(),
                    message: error.message.clone(),
                    request_id: error.request_id.clone(),
                })
            },
            Self::NoProof(_) => {
                End { outcome: Outcome::Interrupted, error: Cut::Upstream.error(Some(id)), event: None }
            }
        }
    }

    /// What the client that asked is told, if it has been told nothing yet.
    pub(super) fn opened(self, id: &RequestId) -> Opened {
        match self {
            Self::Refused(refusal, _) => Opened::Refused(refusal),
            Self::Answer(head, body) => Opened::Error(head, body),
            other => {
                let error = other.end(id).error;
                Opened::Refused(Refusal::new(error.status, error.kind, error.message).quoting())
            }
        }
    }
}

impl End {
    /// With the reason why nothing more could be done.
    pub(super) fn because(mut self, reason: &str) -> Self {
        if self.event.is_none() && !reason.is_empty() {
            self.error.message = format!("{} (it could not be mended: {reason})", self.error.message);
        }
        self
    }

    /// The last records.
    pub(super) fn entries(self, ending: Ending) -> Vec<Entry> {
        let ending = Ending { in_band: self.event.is_some(), error: Some(self.error), ..ending };
        self.event.into_iter().chain([ending.entry(self.outcome)]).collect()
    }
}

fn api_error(body: &[u8]) -> Option<ApiError> {
    ApiError::from_body(std::str::from_utf8(body).ok()?)
}
