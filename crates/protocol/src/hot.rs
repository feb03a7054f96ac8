//! The hot path: deltas in exactly the form in which the service writes them.
//!
//! Nine events of ten are text, thinking or tool-input deltas, and the service writes each with the same members in the same order. Comparing
//! that prefix costs a tenth of parsing it. Whatever differs by one byte goes the slow way; that both ways agree is a property test.

use std::borrow::Cow;

use memchr::memchr2;

use crate::{Delta, Event};

const EVENT: &[u8] = br#"{"type":"content_block_delta","index":"#;
const DELTA: &[u8] = br#","delta":{"type":""#;

/// What the frame of a delta begins with.
pub(crate) const HEAD: &[u8] = b"event: content_block_delta\ndata: ";

/// Reads a delta of the usual form; `None` sends it the slow way.
#[inline]
pub(crate) fn delta(data: &[u8]) -> Option<Event<'_>> {
    head(data).filter(|(_, length)| *length == data.len()).map(|(event, _)| event)
}

/// Reads a delta of the usual form at the head of `data`, and how long it is. It has no line ends.
#[inline]
pub(crate) fn head(data: &[u8]) -> Option<(Event<'_>, usize)> {
    let rest = data.strip_prefix(EVENT)?;
    let (index, rest) = index(rest)?;
    let rest = rest.strip_prefix(DELTA)?;
    let (kind, rest) = if let Some(rest) = rest.strip_prefix(br#"text_delta","text":""#) {
        (Kind::Text, rest)
    } else if let Some(rest) = rest.strip_prefix(br#"input_json_delta","partial_json":""#) {
        (Kind::InputJson, rest)
    } else {
        (Kind::Thinking, rest.strip_prefix(br#"thinking_delta","thinking":""#)?)
    };
    let (text, rest) = string(rest)?;
    let rest = end(rest)?;
    let delta = match kind {
        Kind::Text => Delta::Text(text),
        Kind::InputJson => Delta::InputJson(text),
        Kind::Thinking => Delta::Thinking { thinking: text, estimated_tokens: None },
    };
    Some((Event::ContentBlockDelta { index, delta }, data.len() - rest.len()))
}

enum Kind {
    Text,
    InputJson,
    Thinking,
}

/// A number without leading zero that surely fits.
#[inline]
fn index(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().take(18).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = bytes.split_at(digits);
    if digits == 0 || (digits > 1 && number[0] == b'0') || rest.first()?.is_ascii_digit() {
        return None;
    }
    Some((number.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')), rest))
}

/// The string whose opening quote was read, and what follows its closing quote.
#[inline]
fn string(bytes: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let first = special(bytes)?;
    if bytes[first] == b'"' {
        return Some((Cow::Borrowed(std::str::from_utf8(&bytes[..first]).ok()?), &bytes[first + 1..]));
    }
    escaped(bytes, first)
}

/// The same for a string whose first escape stands at `at`.
fn escaped(bytes: &[u8], mut at: usize) -> Option<(Cow<'_, str>, &[u8])> {
    let mut text = String::with_capacity(bytes.len().min(at + 64));
    let mut rest = bytes;
    loop {
        text.push_str(std::str::from_utf8(&rest[..at]).ok()?);
        match rest[at] {
            b'"' => return Some((Cow::Owned(text), &rest[at + 1..])),
            b'\\' => {}
            // A control character, which JSON forbids.
            _ => return None,
        }
        text.push(match rest.get(at + 1)? {
            b'n' => '\n',
            b'"' => '"',
            b'\\' => '\\',
            b't' => '\t',
            b'r' => '\r',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            // `\u` may be one half of a pair: the slow way knows.
            _ => return None,
        });
        rest = &rest[at + 2..];
        at = special(rest)?;
    }
}

/// Where the first quote, backslash or control character stands. Most texts are a few words, so eight bytes at a time beat a search that
/// must first get going; long ones go on with such searches.
#[inline]
fn special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const SHORT: usize = 64;
    let mut at = 0;
    while at < SHORT
        && let Some(word) = bytes[at..].first_chunk::<8>()
    {
        let word = u64::from_le_bytes(*word);
        let below = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word;
        let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let found = (equal(b'"') | equal(b'\\') | below(word, 0x20)) & (ONES * 0x80);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = &bytes[at..];
    let end = memchr2(b'"', b'\\', rest)?;
    // Without an early exit the compiler looks at many bytes at once.
    let control = rest[..end].iter().fold(false, |control, byte| control | (*byte < 0x20));
    if control {
        rest[..end].iter().position(|byte| *byte < 0x20).map(|found| at + found)
    } else {
        Some(at + end)
    }
}

/// What follows the two closing braces, between which the service puts blanks.
#[inline]
fn end(bytes: &[u8]) -> Option<&[u8]> {
    let padded = bytes.strip_prefix(b"}")?;
    let blanks = padded.iter().take_while(|byte| **byte == b' ').count();
    padded[blanks..].strip_prefix(b"}")
}

#[cfg(test)]
mod tests;
