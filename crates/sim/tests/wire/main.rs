//! The simulator as seen on a raw socket: no HTTP client in between that could hide what was sent.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say what they measured"
)]

mod answers;
mod batches;
mod catalogue;
mod docs;
mod faults;
mod leaving;
mod pacing;
mod raw;
