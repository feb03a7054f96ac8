//! Server-sent events, sans I/O: bytes to frames and frames to bytes.
//!
//! The rules are those of the [WHATWG event-stream format]. The crate refuses to do three things: it opens no connection,
//! it never reconnects, and it does not look into the data. What it adds to the standard is what a relay and an observer
//! need: each frame's exact bytes, comments reported as signs of life, and a limit with a way back.
//!
//! ```
//! use perennial_sse::Decoder;
//!
//! let mut decoder = Decoder::new();
//! let mut seen = Vec::new();
//! // Pieces of any size: here one event arrives in two reads.
//! for chunk in [&b"event: ping\ndata: {\"ty"[..], &b"pe\":\"ping\"}\n\n"[..]] {
//!     let mut input = chunk;
//!     while let Some(frame) = decoder.next_frame(&mut input) {
//!         let frame = frame?;
//!         seen.push((frame.event_lossy().into_owned(), frame.data_lossy().into_owned()));
//!     }
//! }
//! assert_eq!(seen, [("ping".to_owned(), r#"{"type":"ping"}"#.to_owned())]);
//! # Ok::<(), perennial_sse::EventTooLarge>(())
//! ```
//!
//! [WHATWG event-stream format]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
#![forbid(unsafe_code)]

mod decoder;
mod encoder;
mod frame;
mod limit;
mod usual;

pub use decoder::Decoder;
pub use encoder::{InvalidField, Outgoing, write_comment};
pub use frame::Frame;
pub use limit::{EventTooLarge, MaxEventBytes};
