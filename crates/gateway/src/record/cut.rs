//! Cuts: why an answer ends before its end, and what its readers are told then.

use perennial_log::Outcome;
use perennial_protocol::ErrorKind;

use super::EndError;
use crate::refusal::Refusal;
use crate::request_id::RequestId;

/// Why an answer ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The upstream's body ended, or its connection broke.
    Upstream,
    /// The upstream sent an event that cannot be read: something of the answer is lost in it.
    Unreadable,
    /// The upstream left out what an answer must have: its beginning, or why it stopped.
    Gap,
    /// The upstream was silent for too long.
    Silence,
    /// The upstream gave signs of life for too long, and nothing of the answer.
    Progress,
    /// The upstream wrote so slowly that it is not worth waiting for.
    Slow,
    /// The answer took longer than answers may.
    Total,
    /// The answer goes round in circles.
    Repeating,
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
    /// What a client is told whose answer did not even begin.
    pub(crate) fn refusal(self) -> Refusal {
        let error = self.error(None);
        Refusal::new(error.status, error.kind, error.message)
    }

    /// Whether another attempt may mend it: it is the upstream's failing, and not a wish.
    pub(crate) fn may_be_mended(self) -> bool {
        self.is_the_upstreams() || self == Self::Crash
    }

    /// Whether it tells something about the upstream's health.
    pub(crate) fn is_the_upstreams(self) -> bool {
        matches!(
            self,
            Self::Upstream | Self::Unreadable | Self::Gap | Self::Silence | Self::Progress | Self::Slow
        )
    }

    /// In a word, for notes.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Upstream => "cut",
            Self::Unreadable => "unreadable",
            Self::Gap => "gap",
            Self::Silence => "silence",
            Self::Progress => "progress",
            Self::Slow => "slow",
            Self::Total => "total",
            Self::Repeating => "repeating",
            Self::Shutdown => "shutdown",
            Self::Crash => "takeover",
            Self::EventTooLarge => "event_too_large",
            Self::Full => "full",
            Self::Asked => "asked",
            Self::Left => "unread",
        }
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Upstream
            | Self::Unreadable
            | Self::Gap
            | Self::Silence
            | Self::Progress
            | Self::Slow
            | Self::Shutdown
            | Self::Crash => Outcome::Interrupted,
            Self::Total | Self::Repeating | Self::EventTooLarge | Self::Full => Outcome::Failed,
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
            Self::Unreadable => (
                502,
                ErrorKind::Api,
                "the upstream sent an event that cannot be read: the answer is incomplete",
            ),
            Self::Gap => (
                502,
                ErrorKind::Api,
                "the upstream left out how the answer begins or why it stopped: the answer may be incomplete",
            ),
            Self::Silence => (
                504,
                ErrorKind::Timeout,
                "the upstream went silent before the answer ended: the answer is incomplete",
            ),
            Self::Progress => (
                504,
                ErrorKind::Timeout,
                "the upstream gave signs of life only, and nothing of the answer, for too long: the answer is incomplete",
            ),
            Self::Slow => (
                504,
                ErrorKind::Timeout,
                "the upstream wrote more slowly than answers are waited for here: the answer is incomplete",
            ),
            Self::Total => {
                (504, ErrorKind::Timeout, "the answer took longer than answers may here: it is incomplete")
            }
            Self::Repeating => (
                502,
                ErrorKind::Api,
                "the answer repeated itself over and over, and was stopped: it is incomplete",
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
