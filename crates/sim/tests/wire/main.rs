//! The simulator as seen on a raw socket: no HTTP client in between that could hide what was sent.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod answers;
mod batches;
mod catalogue;
mod docs;
mod faults;
mod leaving;
mod pacing;
mod raw;
