//! The hot path: deltas in exactly the form in which the service writes them.
//!
//! Nine events of ten are text, thinking or tool-input deltas, and the service writes each with the same members in the same order. Comparing
//! that prefix costs a tenth of parsing it. Whatever differs by one byte goes the slow way; that both ways agree is a property test.

use std::borrow::Cow;

use memchr::memchr2;

use crate::{Delta, Event};

const EVENT: &[u8] = br#"{"type":"content_block_delta","index":"#;
const DELTA: &[u8] = br#","delta":{"type":""#;

/// Reads a delta of the usual form; `None` sends it the slow way.
pub(crate) fn delta(data: &[u8]) -> Option<Event<'_>> {
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
    if !is_end(rest) {
        return None;
    }
    let delta = match kind {
        Kind::Text => Delta::Text(text),
        Kind::InputJson => Delta::InputJson(text),
        Kind::Thinking => Delta::Thinking { thinking: text, estimated_tokens: None },
    };
    Some(Event::ContentBlockDelta { index, delta })
}

enum Kind {
    Text,
    InputJson,
    Thinking,
}

/// A number without leading zero that surely fits.
fn index(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().take(18).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = bytes.split_at(digits);
    if digits == 0 || (digits > 1 && number[0] == b'0') || rest.first()?.is_ascii_digit() {
        return None;
    }
    Some((number.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')), rest))
}

/// The string whose opening quote was read, and what follows its closing quote.
fn string(bytes: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let first = memchr2(b'"', b'\\', bytes)?;
    if bytes[first] == b'"' {
        return Some((Cow::Borrowed(plain(&bytes[..first])?), &bytes[first + 1..]));
    }
    let mut text = String::with_capacity(bytes.len().min(first + 64));
    let mut rest = bytes;
    let mut at = first;
    loop {
        text.push_str(plain(&rest[..at])?);
        if rest[at] == b'"' {
            return Some((Cow::Owned(text), &rest[at + 1..]));
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
        at = memchr2(b'"', b'\\', rest)?;
    }
}

/// Bytes of a string as text: valid UTF-8 without control characters, as JSON demands.
fn plain(bytes: &[u8]) -> Option<&str> {
    if bytes.iter().any(|byte| *byte < 0x20) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// Whether only the two closing braces are left, with the blanks that the service pads them with.
fn is_end(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"}") else { return false };
    let rest = skip_blanks(rest);
    rest.strip_prefix(b"}").is_some_and(|rest| skip_blanks(rest).is_empty())
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| **byte == b' ').count();
    &bytes[blanks..]
}

#[cfg(test)]
mod tests;
