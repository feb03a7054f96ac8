//! Lines of a body that arrives in pieces of any size, in linear time.

use std::fmt;

use bytes::{Buf as _, Bytes, BytesMut};

/// The most bytes that one line of a batch's results may have. Default 64 MiB, well over the longest answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxLineBytes(pub usize);

/// A line was longer than [`MaxLineBytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineTooLong(MaxLineBytes);

#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// How much of the buffer is known to have no line end, so that nothing is looked at twice.
    searched: usize,
    limit: MaxLineBytes,
}

impl Lines {
    pub(super) fn with_limit(limit: MaxLineBytes) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole line that is not blank, without its end.
    pub(super) fn next(&mut self) -> Option<Result<Bytes, LineTooLong>> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                return (self.searched > self.limit.0).then_some(Err(LineTooLong(self.limit)));
            };
            let line = self.buffer.split_to(self.searched + end).freeze();
            self.buffer.advance(1);
            self.searched = 0;
            if line.len() > self.limit.0 {
                return Some(Err(LineTooLong(self.limit)));
            }
            if !line.trim_ascii().is_empty() {
                return Some(Ok(line));
            }
        }
    }

    /// What is left at the end of the body: a line that lacks its end, if it is not blank.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        let rest = std::mem::take(&mut self.buffer).freeze();
        self.searched = 0;
        (!rest.trim_ascii().is_empty()).then_some(rest)
    }
}

impl Default for MaxLineBytes {
    fn default() -> Self {
        Self(64 * 1024 * 1024)
    }
}

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line of the results has more than {} bytes; raise MaxLineBytes", self.0.0)
    }
}

impl std::error::Error for LineTooLong {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &[u8], sizes: &[usize]) -> Vec<Bytes> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let mut rest = text;
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            lines.push(piece);
            while let Some(line) = lines.next() {
                found.push(line.unwrap());
            }
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        found.extend(lines.finish());
        found
    }

    proptest! {
        #[test]
        fn any_pieces_give_the_same_lines(
            text in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b' '), any::<u8>()], 0..200),
            sizes in prop::collection::vec(1_usize..20, 1..6),
        ) {
            let expected: Vec<&[u8]> =
                text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
            prop_assert_eq!(lines(&text, &sizes), expected);
        }
    }

    #[test]
    fn a_line_over_the_limit_is_an_error_before_it_ends() {
        let mut lines = Lines::with_limit(MaxLineBytes(4));
        lines.push(b"1234\n12345");
        assert_eq!(lines.next(), Some(Ok(Bytes::from_static(b"1234"))));
        assert_eq!(lines.next(), Some(Err(LineTooLong(MaxLineBytes(4)))));
    }
}
