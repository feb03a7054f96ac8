//! Streams from Claude that do not break: the client library.
//!
//! ```no_run
//! # async fn run() -> Result<(), perennial::Error> {
//! use futures_util::StreamExt as _;
//! use serde_json::json;
//!
//! let client = perennial::Client::from_env()?;
//! let mut stream = client.messages().stream(json!({
//!     "model": "claude-sonnet-5-5",
//!     "max_tokens": 1024,
//!     "messages": [{"role": "user", "content": "Why is the sky blue?"}],
//! }));
//! let mut text = stream.text_stream();
//! while let Some(piece) = text.next().await {
//!     print!("{}", piece?);
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod builder;
mod client;
mod continuing;
mod conversation;
mod course;
mod credential;
mod cursor;
mod deadlines;
mod encoding;
mod error;
mod event;
mod excerpt;
mod exchange;
mod linger;
mod messages;
mod options;
mod position;
mod reading;
mod reconnect;
pub mod request;
mod request_body;
pub mod resources;
mod response;
mod resume;
mod stream;
mod told;
mod tools;
pub mod transport;
mod view;
mod watch;

pub use builder::ClientBuilder;
pub use client::{Client, DEFAULT_BASE_URL, DEFAULT_VERSION};
pub use conversation::{Conversation, Next};
pub use deadlines::Deadlines;
pub use error::{Clock, Error, ErrorKind, Phase};
pub use event::{Continuing, LogEvent, Retrying, Seam, StreamEvent};
pub use messages::Messages;
pub use options::RequestOptions;
pub use perennial_protocol as protocol;
pub use perennial_protocol::sse::MaxEventBytes;
pub use perennial_protocol::{
    ApiError, BlockStatus, ContentBlock, End, Message, Place, Raw, StopReason, ToolInput, ToolUse,
    Transcript, Truncation, Turn, Usage,
};
pub use perennial_recovery::{MaxHops, MaxRetryAfter, Mode, RetryBudget, RetryPolicy};
pub use position::Position;
pub use reconnect::ReconnectPolicy;
pub use request::{MessageRequest, ParseOutput};
pub use request_body::{IntoRequest, RequestBody};
pub use response::{RateLimit, RateLimits, ResponseInfo};
pub use stream::{MessageStream, StreamUsage};
pub use tools::{AgentRun, IntoToolOutput, MaxTurns, RunEnd, Step, ToolOutput, ToolSet};
pub use view::{FrameStream, RawEvents, TextStream};
