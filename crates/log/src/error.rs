//! What can go wrong with a stream's log, as one opaque type with questions.

use std::{error::Error as StdError, fmt, sync::Arc};

use crate::{Fence, MaxBatchBytes, Outcome, Position, StreamId};

/// Why an operation on a log was not done, or may not have been done.
///
/// Cheap to clone: one failed commit is told to all who waited for it.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    stream: Option<StreamId>,
    kind: Kind,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    NotFound,
    Gone,
    Exists,
    Fenced(Fence),
    Closed(Outcome),
    Diverged(Option<Position>),
    Refused(&'static str),
    TooLarge { bytes: usize, limit: MaxBatchBytes },
    Full,
    Unavailable { why: &'static str, full: bool },
    Unknown,
    Damaged(String),
}

impl Error {
    /// There never was such a stream here, as far as this log knows.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.0.kind == Kind::NotFound
    }

    /// The stream was deleted or has expired. It does not come back.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.kind == Kind::Gone
    }

    /// A stream of this name is there already.
    #[must_use]
    pub fn is_existing(&self) -> bool {
        self.0.kind == Kind::Exists
    }

    /// Somebody else writes this stream now, or it is longer than the writer thought. Nothing was written. A fenced writer stops
    /// at once and does not try again.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.fence().is_some()
    }

    /// What the stream's present writer believes, if the error is a [fence](Self::is_fenced).
    #[must_use]
    pub fn fence(&self) -> Option<Fence> {
        match self.0.kind {
            Kind::Fenced(fence) => Some(fence),
            _ => None,
        }
    }

    /// The stream has ended; nothing is ever added to it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.outcome().is_some()
    }

    /// How the stream ended, if it [has](Self::is_closed).
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.0.kind {
            Kind::Closed(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The reader knows another history than this log. What it has after [`last_common`](Self::last_common) is not part of this
    /// stream.
    #[must_use]
    pub fn is_diverged(&self) -> bool {
        matches!(self.0.kind, Kind::Diverged(_))
    }

    /// The last position that both histories have; `None` if they share nothing, or if the error is no
    /// [divergence](Self::is_diverged).
    #[must_use]
    pub fn last_common(&self) -> Option<Position> {
        match self.0.kind {
            Kind::Diverged(common) => common,
            _ => None,
        }
    }

    /// The batch breaks a rule or a limit; the message says which. Nothing was written, and trying again does not help.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.0.kind, Kind::Refused(_) | Kind::TooLarge { .. })
    }

    /// There is no room, and reading goes on. As long as the log is not [unavailable](Self::is_unavailable) too, nothing was
    /// written, endings are still accepted out of the reserve, and once there is room again so is everything else.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.0.kind, Kind::Full | Kind::Unavailable { full: true, .. })
    }

    /// The log takes nothing more until it is opened again: a write or a sync failed, or it was closed. Reading may go on. What
    /// was being appended may be there, whole, when it is opened again.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.0.kind, Kind::Unavailable { .. })
    }

    /// Whether the append was done is not known: the answer did not come. [`Writer`](crate::Writer) finds out by itself.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.0.kind == Kind::Unknown
    }

    /// What is stored is not what was written. Nothing of it is shown.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        matches!(self.0.kind, Kind::Damaged(_))
    }

    /// The stream in question, if it is about one.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        self.0.stream
    }
}

/// For stores.
impl Error {
    /// There is no such stream.
    #[must_use]
    pub fn not_found(stream: StreamId) -> Self {
        Self::of(stream, Kind::NotFound)
    }

    /// The stream was deleted or has expired.
    #[must_use]
    pub fn gone(stream: StreamId) -> Self {
        Self::of(stream, Kind::Gone)
    }

    /// There is such a stream already.
    #[must_use]
    pub fn existing(stream: StreamId) -> Self {
        Self::of(stream, Kind::Exists)
    }

    /// The writer is not, or not any more, the writer at this place.
    #[must_use]
    pub fn fenced(stream: StreamId, current: Fence) -> Self {
        Self::of(stream, Kind::Fenced(current))
    }

    /// The stream has ended.
    #[must_use]
    pub fn closed(stream: StreamId, outcome: Outcome) -> Self {
        Self::of(stream, Kind::Closed(outcome))
    }

    /// The reader knows another history.
    #[must_use]
    pub fn diverged(stream: StreamId, last_common: Option<Position>) -> Self {
        Self::of(stream, Kind::Diverged(last_common))
    }

    /// The batch breaks a rule: `why` says which.
    #[must_use]
    pub fn refused(stream: StreamId, why: &'static str) -> Self {
        Self::of(stream, Kind::Refused(why))
    }

    /// The batch has more payload than one append may have.
    #[must_use]
    pub fn too_large(stream: StreamId, bytes: usize, limit: MaxBatchBytes) -> Self {
        Self::of(stream, Kind::TooLarge { bytes, limit })
    }

    /// There is no room for this.
    #[must_use]
    pub fn full(stream: StreamId) -> Self {
        Self::of(stream, Kind::Full)
    }

    /// The log takes nothing more: `why` says so in a clause.
    #[must_use]
    pub fn unavailable(why: &'static str) -> Self {
        Self(Box::new(Inner { stream: None, kind: Kind::Unavailable { why, full: false }, source: None }))
    }

    /// The same error, if it came of a lack of room.
    #[must_use]
    pub fn for_lack_of_room(mut self) -> Self {
        if let Kind::Unavailable { full, .. } = &mut self.0.kind {
            *full = true;
        }
        self
    }

    /// No answer came.
    #[must_use]
    pub fn unknown(stream: StreamId) -> Self {
        Self::of(stream, Kind::Unknown)
    }

    /// What is stored is not what was written: `what` says what is wrong with it.
    #[must_use]
    pub fn damaged(stream: StreamId, what: impl Into<String>) -> Self {
        Self::of(stream, Kind::Damaged(what.into()))
    }

    /// The same error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    fn of(stream: StreamId, kind: Kind) -> Self {
        Self(Box::new(Inner { stream: Some(stream), kind, source: None }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stream) = self.0.stream {
            write!(f, "{stream}: ")?;
        }
        match &self.0.kind {
            Kind::NotFound => f.write_str("there is no such stream"),
            Kind::Gone => f.write_str("the stream was deleted or has expired"),
            Kind::Exists => f.write_str("there is a stream of this name already"),
            Kind::Fenced(fence) => {
                write!(
                    f,
                    "another writer has the stream: it is in epoch {}, next is record {}",
                    fence.epoch, fence.next
                )
            }
            Kind::Closed(outcome) => write!(f, "the stream has ended ({outcome}); nothing is added to it"),
            Kind::Diverged(Some(common)) => {
                write!(f, "the reader knows another history; the last common position is {common}")
            }
            Kind::Diverged(None) => f.write_str("the reader knows another history; nothing is common"),
            Kind::Refused(why) => f.write_str(why),
            Kind::TooLarge { bytes, limit } => {
                write!(
                    f,
                    "a batch of {bytes} bytes is larger than the limit of {}: append it in parts",
                    limit.get()
                )
            }
            Kind::Full => f.write_str("no room for more records: free some space, or shorten the retention"),
            Kind::Unavailable { why, .. } => write!(f, "the log takes nothing more: {why}"),
            Kind::Unknown => f.write_str("no answer from the log; the append may have been done or not"),
            Kind::Damaged(what) => write!(f, "the stored records are damaged: {what}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("stream", &self.0.stream).field("kind", &self.0.kind);
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
