//! The gateway: what SDKs and applications talk to instead of the Claude API.
//!
//! Requests go up and events come down unchanged. In between, every answer is a stream in a log: one generation makes it, and everybody who reads it,
//! on whatever face, is a cursor over the same records, so that a reader may come late, leave, and come back. What the gateway adds is truth
//! about the end: a stream that is cut says so, a stream that is silent is kept alive, and a stream that nobody wants any more is stopped. It refuses to rewrite
//! anything, and to be open to other machines without keys of its own.
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
mod builder;
mod clock;
mod conversations;
mod cors;
mod face;
mod fallback;
mod farewell;
mod front;
mod gateway;
mod generation;
mod grammars;
mod headers;
mod lanes;
mod limits;
mod messages;
mod metrics;
mod openapi;
mod outlet;
mod pass;
mod policy;
mod presence;
mod record;
mod refusal;
mod reload;
mod request;
mod request_id;
mod routes;
mod seat;
mod server;
mod service;
mod streams;
mod traces;
mod unable;
mod upstream;
mod web;

pub use access::{Key, Secret};
pub use builder::Builder;
pub use conversations::FetchPolicy;
pub use fallback::{CachePolicy, Fallback, MaxCachedAnswers, MaxCachedBytes};
pub use gateway::{Gateway, Handle};
pub use generation::{Guard, MaxRecoveryTokens, OnClock, Recovery};
pub use limits::{
    Clocks, Limits, MaxBodyBytes, MaxConnections, MaxDetachedTokens, MaxGrace, MaxReaders, MaxStreams,
    MaxStreamsPerKey, MaxUnread, MinTokens,
};
pub use perennial_recovery::{MaxHops, MaxRetryAfter, RetryBudget, RetryPolicy};
pub use policy::{InvalidPolicy, OnDisconnect};
pub use reload::Reloader;
pub use service::Mode;
#[cfg(feature = "otel")]
pub use traces::TraceOptions;
pub use unable::{BuildError, RunError};
pub use upstream::{BreakerPolicy, UpstreamOptions};
