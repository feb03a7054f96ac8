//! A Claude to build and test against: pacing, scenarios, faults, journal.
//!
//! The simulator speaks the Messages API over HTTP, streams included, without a key, a network or a bill. In a test it runs
//! inside the process, on a port of its own, and stops with its handle:
//!
//! ```
//! use perennial_sim::{Pace, Simulator};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let simulator = Simulator::builder().seed(7).pace(Pace::instant()).spawn().await?;
//!
//! // Point any client at `simulator.url()`; then ask the journal what it did.
//! let response = reqwest::Client::new()
//!     .post(format!("{}/v1/messages", simulator.url()))
//!     .header("x-api-key", "any")
//!     .header("anthropic-version", "2026-10-21")
//!     .body(r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Say hello"}]}"#)
//!     .send()
//!     .await?;
//! assert!(response.text().await?.ends_with("}\n\n"));
//! let entry = simulator.journal().wait_for(|entry| entry.is_over()).await;
//! assert!(entry.billed.output_tokens > 0);
//! # Ok(())
//! # }
//! ```
//!
//! Layout: [`mind`] decides what is said (pure), [`answer`] is the seam, everything else puts it on the wire.
#![forbid(unsafe_code)]

mod admin;
pub mod answer;
mod batches;
mod bench;
mod call;
mod desk;
mod events;
mod fault;
mod frame;
mod journal;
mod line;
mod messages;
pub mod mind;
mod models;
mod nearest;
mod orders;
mod pace;
mod replay;
mod reply;
mod routes;
mod scenario;
mod server;
mod simulator;
mod source;
mod span;
mod stream;

pub use fault::{
    Clause, ErrorBody, Expect, Fault, Faults, Lines, Named, NotAFault, Pick, Place, Status, Unknown, Which,
    WrongBody,
};
pub use journal::{Billed, Entry, Journal, JournalLimits, Outcome, Phase, Written};
pub use orders::{ATTEMPT_HEADER, HEADER, NotAnOrder, Orders};
pub use pace::{Flush, NotAPace, Pace, PaceChange};
pub use scenario::{NotAScenario, Scenario};
pub use simulator::{BuildError, Builder, Handle, Simulator};
pub use span::{NotASpan, Span};
