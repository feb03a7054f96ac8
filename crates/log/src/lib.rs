//! Stream logs: fenced appends, readers as cursors, memory and disk.
//!
//! A stream is an append-only log of [`Record`]s. One [`Writer`] appends, every [`Reader`] is a cursor over the same log, and
//! everything else (resuming, fan-out, replay, recovery) follows from that. What a record says is not looked at here.
//!
//! - [`Log`] is the contract of a store; [`MemoryLog`] and [`DiskLog`] keep it.
//! - [`Position`] is a record's number and epoch. A reader that comes back with a position which the log does not have with that
//!   epoch is told that it [diverged](Error::is_diverged), never given a mixture of two histories.
//! - [`Durability`] says what is survived; nothing is visible before it is durable in that sense.
//!
//! The layout on disk, the loss windows and the limits are in `docs/log.md`.
#![forbid(unsafe_code)]

mod disk;
mod durability;
mod error;
mod expiry;
mod frame;
mod head;
mod id;
mod limits;
mod log;
mod memory;
mod position;
mod reader;
mod record;
mod tail;
mod time;
mod waiters;
mod writer;

pub use disk::{DiskLog, DiskOptions, OpenError};
pub use durability::{Durability, InvalidDurability};
pub use error::Error;
pub use head::{Fence, Head, Term};
pub use id::{InvalidStreamId, StreamId};
pub use limits::{MaxBatchBytes, MemoryBytes, PendingBytes, ReadBytes, ReserveBytes, Retention, RingBytes};
pub use log::{Answer, Log, Page};
pub use memory::{MemoryLog, MemoryOptions};
pub use position::{After, Epoch, InvalidPosition, Position, Seq};
pub use reader::{Reader, SoFar};
pub use record::{Entry, Kind, Outcome, Record, Run};
pub use tail::Tail;
pub use time::{Clock, Time};
pub use writer::Writer;
