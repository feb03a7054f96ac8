//! The gateway in front of the simulator, asked over real sockets.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it skipped")]

mod access;
mod cancel;
mod message;
mod odd;
mod openapi;
mod paths;
mod rig;
mod settle;
mod shutdown;
mod socket;
mod truth;
mod verbatim;
