//! Requests: typed builders that let anything unknown through.
//!
//! Everything known has a method; everything else goes through `field("name", value)` on the request, a block or a tool, or is given raw and
//! sent as given. Equal calls make equal bytes, since the service's prompt cache works on prefixes. Checked here is only what can
//! never be right; what a model accepts changes faster than a library.
//!
//! ```
//! use perennial::request::{MessageRequest, models};
//!
//! let request = MessageRequest::new(models::CLAUDE_SONNET_5_5, 1024)
//!     .system("Answer in one sentence.")
//!     .user("Why is the sky blue?")
//!     .field("speed", "fast");
//! assert!(request.check().is_ok());
//! ```

mod block;
mod body;
mod cache;
mod error;
mod input_message;
mod message_request;
pub mod models;
mod object;
mod output;
mod schema;
#[cfg(test)]
mod tests;
mod thinking;
mod tool;

pub use block::{Block, Content, Source};
pub use cache::Cache;
pub use error::{RequestError, RequestErrorKind};
pub use input_message::InputMessage;
pub use message_request::{Effort, MessageRequest, ServiceTier};
pub use output::{OutputError, ParseOutput};
pub use thinking::{Display, Thinking};
pub use tool::{Tool, ToolChoice};
