//! What to do about an answer that broke: whether to ask again, when, with what, and where to join.
//!
//! Pure: no sockets, no clocks of its own but for the retry budget. The gateway and the client library use the same rules. It never guesses: texts are joined where an
//! overlap proves the place, to the byte, and nowhere else; what is no text (the input of a tool, a thought) is never joined at all.
//!
//! | to do this | use |
//! |---|---|
//! | know whether, and when, to ask again | [`is_retryable_answer`], [`is_retryable_in_band`], [`RetryPolicy`], [`RetryBucket`] |
//! | keep what readers have | [`Told`] |
//! | know what to ask next | [`plan`] |
//! | join what comes | [`Splice`] |
#![forbid(unsafe_code)]

mod anchor;
mod frames;
mod mode;
mod overlap;
mod plan;
mod request;
mod retry;
mod splice;
mod told;

pub use mode::Mode;
pub use plan::{MaxHops, Plan, Reason, plan};
pub use request::is_of_old_generation;
pub use retry::{
    MaxRetryAfter, RetryBucket, RetryBudget, RetryPolicy, is_retryable_answer, is_retryable_in_band,
    retry_after,
};
pub use splice::{Joint, NoProof, Piece, Splice};
pub use told::Told;
