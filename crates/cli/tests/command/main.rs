//! The command as people and scripts run it: the binary, its two outputs, its exit code.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it skipped")]

mod ask;
mod chat;
mod config;
mod conversations;
mod decode;
mod doctor;
#[path = "../../../../tests/rigs/door.rs"]
mod door;
mod explain;
mod log;
mod logs;
mod money;
mod recordings;
mod render;
mod rig;
mod services;
mod shell;
mod streams;
mod there;
mod tls;
