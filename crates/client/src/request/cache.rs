//! Prompt caching: which prefix of a request is kept by the service, and for how long.

use serde::{Serialize, Serializer};

/// A cache breakpoint: the request up to and including what carries it is kept by the service for this long.
///
/// The figures in [`Usage`](perennial_protocol::Usage) tell what it did: `cache_creation_input_tokens` the first time,
/// `cache_read_input_tokens` when the same prefix came again. Where a form comes that is not here, set the field `cache_control` by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Cache {
    /// Kept for five minutes after the last use.
    #[default]
    FiveMinutes,
    /// Kept for an hour after the last use; writing costs more.
    OneHour,
}

impl Serialize for Cache {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // The service's default is left unsaid.
            Self::FiveMinutes => serializer.collect_map([("type", "ephemeral")]),
            Self::OneHour => serializer.collect_map([("type", "ephemeral"), ("ttl", "1h")]),
        }
    }
}
