//! Cuts for fuzz targets.
//!
//! The places are drawn from the input itself, not from bytes of it that are set aside, so that any captured stream is a
//! seed as it is, and a crash file is the stream that crashes.

/// The bytes in pieces of many sizes, one byte often among them.
pub fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut draw = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut rest = bytes;
    std::iter::from_fn(move || {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = match draw >> 60 {
            0..6 => 1,
            6..12 => 1 + (draw >> 32) as usize % 8,
            12..15 => 1 + (draw >> 32) as usize % 64,
            _ => 1 + (draw >> 32) as usize % 4096,
        };
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The same for text: cut between characters only.
pub fn text_pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut end = 0;
    let mut start = 0;
    let mut sizes = pieces(text.as_bytes()).map(<[u8]>::len);
    std::iter::from_fn(move || {
        loop {
            end += sizes.next()?;
            if text.is_char_boundary(end) {
                let piece = &text[start..end];
                start = end;
                return Some(piece);
            }
        }
    })
}
