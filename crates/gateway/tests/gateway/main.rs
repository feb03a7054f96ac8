//! The gateway in front of the simulator, asked over real sockets.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it skipped")]

mod access;
mod cancel;
mod conversations;
#[path = "../../../../tests/rigs/door.rs"]
mod door;
mod doored;
mod guard;
mod idempotency;
mod leak;
mod limits;
mod list;
mod message;
mod metrics;
mod money;
mod native;
mod odd;
mod openapi;
mod paths;
mod policy;
#[path = "../../../../tests/rigs/postgres.rs"]
mod postgres;
mod recover;
mod reload;
mod retry;
mod rig;
mod safety;
mod settle;
mod shutdown;
mod socket;
mod stop;
mod timeline;
#[cfg(feature = "otel")]
mod traces;
mod truth;
mod verbatim;
mod wire;
