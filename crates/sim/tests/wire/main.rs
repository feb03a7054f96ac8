//! The simulator as seen on a raw socket: no HTTP client in between that could hide what was sent.

mod answers;
mod raw;
