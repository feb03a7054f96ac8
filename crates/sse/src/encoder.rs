//! The encoder: frames to bytes, in a form that no value can break out of.

use thiserror::Error;

/// One event to be written. Fields left `None` are not written.
///
/// ```
/// use perennial_sse::Outgoing;
///
/// let mut out = Vec::new();
/// Outgoing { id: Some("42.3"), event: Some("ping"), ..Outgoing::data(r#"{"type":"ping"}"#) }.write_to(&mut out)?;
/// assert_eq!(out, b"id: 42.3\nevent: ping\ndata: {\"type\":\"ping\"}\n\n");
/// # Ok::<(), perennial_sse::InvalidField>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Outgoing<'a> {
    /// The position of the event; must have no line end and no NUL.
    pub id: Option<&'a str>,
    /// The event's name; must have no line end.
    pub event: Option<&'a str>,
    /// The reconnection time in milliseconds.
    pub retry: Option<u64>,
    /// The payload; each of its lines becomes a `data:` line, so CR and CRLF in it arrive as LF.
    pub data: Option<&'a str>,
}

/// A name or id that cannot be written as a field, since a reader would see something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the `{field}` of a server-sent event must not contain line ends{}", if *.field == "id" { " or NUL" } else { "" })]
#[non_exhaustive]
pub struct InvalidField {
    /// `id` or `event`.
    pub field: &'static str,
}

impl<'a> Outgoing<'a> {
    /// An event without a name that carries `data`.
    #[must_use]
    pub fn data(data: &'a str) -> Self {
        Self { data: Some(data), ..Self::default() }
    }

    /// Appends the event, blank line included, to `out`.
    ///
    /// # Errors
    /// [`InvalidField`], with nothing written.
    pub fn write_to(&self, out: &mut Vec<u8>) -> Result<(), InvalidField> {
        if self.id.is_some_and(|id| id.contains(['\n', '\r', '\0'])) {
            return Err(InvalidField { field: "id" });
        }
        if self.event.is_some_and(|event| event.contains(['\n', '\r'])) {
            return Err(InvalidField { field: "event" });
        }
        if let Some(id) = self.id {
            line(out, b"id: ", id.as_bytes());
        }
        if let Some(event) = self.event {
            line(out, b"event: ", event.as_bytes());
        }
        if let Some(retry) = self.retry {
            line(out, b"retry: ", retry.to_string().as_bytes());
        }
        if let Some(data) = self.data {
            for part in lines(data.as_bytes()) {
                line(out, b"data: ", part);
            }
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Appends a comment frame: a sign of life that is no event. Line ends in `text` start further comment lines.
pub fn write_comment(text: &str, out: &mut Vec<u8>) {
    for part in lines(text.as_bytes()) {
        line(out, b": ", part);
    }
    out.push(b'\n');
}

fn line(out: &mut Vec<u8>, field: &[u8], value: &[u8]) {
    out.extend_from_slice(field);
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// The lines of a value, split at every line end the format knows; at least one.
fn lines(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
            done = true;
            return Some(rest);
        };
        let part = &rest[..end];
        let crlf = rest[end] == b'\r' && rest.get(end + 1) == Some(&b'\n');
        rest = &rest[end + 1 + usize::from(crlf)..];
        Some(part)
    })
}
