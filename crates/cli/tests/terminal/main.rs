//! `perennial ask` as somebody sees it: in a terminal of its own, in pipes, and with a history. Each test is named after what it
//! shows, row by row; `docs/terminal.md` has the table.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it skipped")]

mod chat;
#[path = "../../../../tests/rigs/door.rs"]
mod door;
mod flags;
mod history;
mod layout;
mod pane;
mod pipes;
#[path = "../command/rig.rs"]
#[allow(dead_code, reason = "the rig of the other tests; these need a part of it")]
mod rig;
mod safety;
mod streaming;
mod thinking;
