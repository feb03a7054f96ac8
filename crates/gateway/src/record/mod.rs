//! Records: what the payloads of a stream's records say. Written by generations, read by faces and by whoever settles.

mod attempt;
mod cut;
mod ending;
mod frames;
mod order;
mod seam;

pub(crate) use self::attempt::{AttemptNote, Next};
pub(crate) use self::cut::Cut;
pub(crate) use self::ending::{EndError, Ending};
pub(crate) use self::frames::frames;
pub(crate) use self::order::{Idempotency, Order};
pub(crate) use self::seam::SeamNote;
