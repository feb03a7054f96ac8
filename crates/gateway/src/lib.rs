//! The gateway: what SDKs and applications talk to instead of the Claude API.
//!
//! Requests go up and events come down unchanged. What the gateway adds is truth about the end: a stream that the upstream cut is ended with
//! an `error` event, so that no answer is cut short in silence; a client that left is noticed at once, and so is the upstream; a stream that is
//! silent is kept alive by pings. It refuses to rewrite anything, and to be open to other machines without keys of its own.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use perennial_gateway::Gateway;
//!
//! let gateway = Gateway::builder("https://api.anthropic.com").build()?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8787").await?;
//! gateway.run(listener, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod access;
mod clock;
mod fold;
mod front;
mod gateway;
mod headers;
mod limits;
mod messages;
mod outlet;
mod pass;
mod refusal;
mod relay;
mod request;
mod routes;
mod server;
mod service;
mod upstream;
mod watch;

pub use access::Key;
pub use gateway::{BuildError, Builder, Gateway, Handle, RunError};
pub use limits::{Clocks, Limits, MaxBodyBytes, MaxConnections};
