//! How an attempt goes on.

use serde::Serialize;

/// How an attempt goes on with what another began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// The whole answer is asked for again.
    Restart,
    /// The model is given the beginning of its own turn.
    Prefill,
    /// The model is told in a user's turn what it said last.
    Quote,
    /// Nothing is asked for.
    Finish,
}
