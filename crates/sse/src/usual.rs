//! The usual form of a frame, recognised at once.
//!
//! Nearly all frames of a Claude stream are one `event:` and one `data:` line ended by LF. Reading them the general way costs twice as much
//! (`bench/decode`). This reads that form and nothing else; that both ways agree is what `tests/laws.rs` and the fuzz target hold.

use memchr::memchr2;

use crate::{Frame, MaxEventBytes};

/// What stands at the head of a piece, as far as the usual form goes.
pub(crate) enum Usual<'a> {
    /// A whole frame of the usual form, and where it ends.
    Whole(usize, Frame<'a>),
    /// The piece ends within a frame that may be of the usual form.
    Cut,
    /// Something else.
    Other,
}

impl<'a> Usual<'a> {
    pub(crate) fn whole(self) -> Option<(usize, Frame<'a>)> {
        match self {
            Self::Whole(end, frame) => Some((end, frame)),
            Self::Cut | Self::Other => None,
        }
    }
}

/// Reads the form that nearly all frames have, one `event:` and one `data:` line ended by LF: it is found by two searches, where the
/// general way keeps account of a dozen things.
#[inline]
pub(crate) fn usual(piece: &[u8], limit: MaxEventBytes) -> Usual<'_> {
    let Some(named) = piece.strip_prefix(b"event: ") else { return Usual::Other };
    // While a frame within the limit is cut it need not be looked at; a larger one must be, to be given up in time.
    let cut = || if piece.len() < limit.get() { Usual::Cut } else { Usual::Other };
    let Some(name) = name_end(named) else { return cut() };
    let Some(valued) = named[name..].strip_prefix(b"\ndata: ") else { return Usual::Other };
    let Some(value) = memchr2(b'\n', b'\r', valued) else { return cut() };
    let Some(rest) = valued[value..].strip_prefix(b"\n\n") else { return Usual::Other };
    let end = piece.len() - rest.len();
    // The blank line is not counted.
    if end - 1 > limit.get() {
        return Usual::Other;
    }
    let (event, data) = (&named[..name], Some(&valued[..value]));
    Usual::Whole(end, Frame { raw: &piece[..end], event, data, id: None, retry: None, comments: 0 })
}

/// Where the first line end stands. Names are short: eight bytes at a time beat a search that must first get going.
#[inline]
fn name_end(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const SHORT: usize = 32;
    let mut at = 0;
    while at < SHORT
        && let Some(word) = bytes[at..].first_chunk::<8>()
    {
        let word = u64::from_le_bytes(*word);
        let equal = |byte: u8| {
            let difference = word ^ (ONES * u64::from(byte));
            difference.wrapping_sub(ONES) & !difference
        };
        let found = (equal(b'\n') | equal(b'\r')) & (ONES * 0x80);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr2(b'\n', b'\r', &bytes[at..]).map(|found| at + found)
}
