//! The long poll: what there is after a position, as soon as there is anything, and a header that says how to go on.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::BytesMut;
use http::{HeaderValue, StatusCode};
use perennial_log::Position;
use perennial_protocol::ErrorKind;
use tokio::time::Instant;

use super::{Cursor, Face, growing};
use crate::refusal::Refusal;

/// The most that one answer has, about.
const ANSWER_BYTES: usize = 1024 * 1024;

/// Answers with what follows the reader's place, or with nothing after `wait`.
pub(crate) async fn poll(mut reader: Cursor, face: Face, wait: Duration) -> Result<Response, Refusal> {
    let mut out = BytesMut::new();
    let mut at: Option<Position> = None;
    let deadline = Instant::now() + wait;
    // Records that the face does not show move the position, but are no answer to wait for.
    while out.is_empty() {
        let run = match reader.try_next() {
            Some(run) => Some(run),
            None => match tokio::time::timeout_at(deadline, reader.next()).await {
                Ok(run) => run.map_err(|error| Refusal::of_log(&error))?,
                Err(_) => break,
            },
        };
        let Some(mut run) = run else { break };
        loop {
            for record in &run {
                if !face.write(record, &mut out) {
                    let message =
                        "the upstream sent an event that cannot be read: its text would be incomplete";
                    return Err(Refusal::new(502, ErrorKind::Api, message));
                }
                at = Some(record.position());
            }
            match reader.try_next() {
                Some(next) if out.len() < ANSWER_BYTES => run = next,
                // Not lost: it is asked for again, from `at` on.
                _ => break,
            }
        }
    }
    let head = reader.head();
    let state = head
        .as_ref()
        .and_then(|head| head.outcome)
        .map_or("running".to_owned(), |outcome| outcome.to_string());
    // Nothing came: the reader stays where it was.
    let at = at.or_else(|| {
        let before = reader.position().before()?;
        head.as_ref()?.position_of(before)
    });
    let mut response = Response::new(Body::from(out.freeze()));
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = growing(face);
    let headers = response.headers_mut();
    let at = at.map_or("0".to_owned(), |at| at.to_string());
    for (name, value) in [("perennial-position", at), ("perennial-state", state)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}
