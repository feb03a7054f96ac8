//! Errors of streams that a gateway keeps: how they ended, or why they cannot be read on.

use std::time::Duration;

use perennial_protocol::{ApiError, End};
use perennial_recovery::NoProof;

use super::{Error, ErrorKind, Phase};
use crate::Position;

impl Error {
    /// Somebody stopped the stream.
    pub(crate) fn cancelled(reason: Option<&str>, phase: Phase) -> Self {
        let why = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        Self::new(ErrorKind::Cancelled, phase, format!("the stream was cancelled{why}"))
    }

    /// The writer of the stream was lost, and the answer with it.
    pub(crate) fn interrupted(api: Option<ApiError>, phase: Phase) -> Self {
        let why = api.as_ref().map(|api| format!(", {api}")).unwrap_or_default();
        let mut error = Self::new(ErrorKind::Interrupted, phase, format!("the stream was interrupted{why}"));
        error.0.api = api;
        error.retryable(true)
    }

    /// What the reader has is not what the log has.
    pub(crate) fn diverged(after: Position, last_common: Option<Position>, phase: Phase) -> Self {
        let common = match last_common {
            Some(position) => format!("what came after {position} is not part of it"),
            None => "nothing of what came is certainly part of it".to_owned(),
        };
        let what = format!("the stream does not have position {after} any more: {common}");
        let mut error = Self::new(ErrorKind::Diverged, phase, what);
        error.0.last_common = last_common;
        error
    }

    /// The gateway cannot read the stream on now.
    pub(crate) fn unreadable(api: Option<ApiError>, phase: Phase) -> Self {
        let why = api.as_ref().map(|api| format!(", {api}")).unwrap_or_default();
        let what = format!("the gateway cannot read the stream now{why}");
        let mut error = Self::new(ErrorKind::Unreadable, phase, what).retryable(true);
        error.0.api = api;
        error
    }

    /// The log says that the answer is complete, and it is not.
    pub(crate) fn incomplete(end: &End, phase: Phase) -> Self {
        let what = format!("the gateway calls the answer complete, but it is not: {end}");
        Self::new(ErrorKind::Malformed, phase, what)
    }

    /// A stream that is none of a gateway's.
    pub(crate) fn not_a_log(what: impl Into<String>, phase: Phase) -> Self {
        Self::new(ErrorKind::Malformed, phase, what)
    }

    /// What another attempt says cannot be joined to what came.
    pub(crate) fn not_joined(refused: &NoProof, phase: Phase) -> Self {
        let what = format!("what came for the rest cannot be joined: {refused}");
        Self::new(ErrorKind::Malformed, phase, what).retryable(true)
    }

    /// The same, and why the answer was not gone on with.
    pub(crate) fn not_continued(mut self, why: &str) -> Self {
        self.0.what = format!("{}; it was not gone on with: {why}", self.0.what);
        self
    }

    /// The same, after `limit` of fruitless reconnects.
    pub(crate) fn gave_up(mut self, limit: Duration) -> Self {
        self.0.what = format!("nothing new in {limit:?} of reconnecting: {}", self.0.what);
        self
    }

    /// Whether the stream itself has ended so, and not only its reading.
    pub(crate) fn is_of_the_stream(&self) -> bool {
        matches!(self.kind(), ErrorKind::InStream | ErrorKind::Cancelled | ErrorKind::Interrupted)
    }

    /// What a status means where a stream was asked for.
    pub(crate) fn about_a_stream(mut self) -> Self {
        self.0.hint = match self.status() {
            Some(404) => {
                Some("there is no such stream for this key, or the base URL is not that of a gateway")
            }
            Some(410) => Some("it was deleted or has expired"),
            _ => None,
        };
        self
    }

    /// Whether somebody stopped the stream. What came before is in [`partial`](Self::partial).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.kind() == ErrorKind::Cancelled
    }

    /// Whether the answer was lost in the middle, mostly by a crash of the gateway. What came before is in [`partial`](Self::partial).
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.kind() == ErrorKind::Interrupted
    }

    /// Whether the reader has something that the gateway's log does not have; see [`last_common`](Self::last_common).
    #[must_use]
    pub fn is_diverged(&self) -> bool {
        self.kind() == ErrorKind::Diverged
    }

    /// After a [divergence](Self::is_diverged): the last position that reader and log have in common, where that is known.
    #[must_use]
    pub fn last_common(&self) -> Option<Position> {
        self.0.last_common
    }
}
