//! (under construction)
#![forbid(unsafe_code)]

pub mod request;

pub use request::{MessageRequest, ParseOutput};
