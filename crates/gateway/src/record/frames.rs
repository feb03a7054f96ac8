//! The frames of a record: what its payload is to whoever decodes it by itself.
//!
//! It is one event, but for what may stand around it: where the two bytes of a line end came in two pieces, the second stands before the next event, and looks like a
//! blank line of its own. So nobody may take the first frame for all there is.

use perennial_protocol::sse::{Decoder, Frame};

/// Hands each frame of a payload to `each`.
pub(crate) fn frames(payload: &[u8], mut each: impl FnMut(Frame<'_>)) {
    let mut decoder = Decoder::new();
    let mut input = payload;
    while let Some(Ok(frame)) = decoder.next_frame(&mut input) {
        each(frame);
    }
}
