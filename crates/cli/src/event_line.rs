//! One event as a line of JSON: its number, its name, its data.

use perennial_protocol::sse::Frame;
use perennial_protocol::{DecodeError, Event, Received};
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    number: u64,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a serde_json::value::RawValue>,
    /// Data that is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// The line of a frame, line end included; `None` for a frame that is no event.
pub(crate) fn line(frame: &Frame<'_>, number: u64) -> Option<Vec<u8>> {
    written(frame, &Received::read(*frame), number)
}

/// The same for a frame that was read already.
pub(crate) fn written(
    frame: &Frame<'_>,
    received: &Result<Received<'_>, DecodeError>,
    number: u64,
) -> Option<Vec<u8>> {
    let named = frame.event_lossy();
    let event = match received {
        Ok(received) => received.event.as_ref().map(Event::name)?,
        Err(error) => error.event().unwrap_or(&named),
    };
    // Data of several lines is still one JSON value, and a line end can stand between its parts only.
    let data = frame.data_lossy().replace(['\n', '\r'], " ");
    let raw = serde_json::from_str(&data).ok();
    let text = if raw.is_none() { Some(data.as_str()) } else { None };
    let mut line = serde_json::to_vec(&Line { number, event, data: raw, text }).ok()?;
    line.push(b'\n');
    Some(line)
}
