//! The simulator as seen on a raw socket: no HTTP client in between that could hide what was sent.

mod answers;
mod batches;
mod catalogue;
mod faults;
mod leaving;
mod pacing;
mod raw;
