//! The body of a response: a reader of the log, written by a face, with signs of life in between.
//!
//! What is ready goes out in one piece, and nothing waits for more. A reader that does not take it is a cursor that stands still: it
//! holds this, and delays nobody.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use perennial_log::{Kind, Outcome, Position, Record, Run};
use perennial_protocol::{Event, Received};
use serde_json::json;

use super::shelf::write;
use super::{Cursor, Face, LogEvent, Shelf, sse};
use crate::clock::Clock;
use crate::presence::Presence;
use crate::record::{Ending, frames};
use crate::refusal::Refusal;

/// The most that goes out in one piece, about; a single record may be larger.
const PIECE_BYTES: usize = 64 * 1024;

/// A stream on a face.
#[derive(Debug)]
pub(crate) struct FaceBody {
    reader: Cursor,
    face: Face,
    shelf: Option<Arc<Shelf>>,
    life: Clock,
    at: Option<Position>,
    /// The answer has ended, though its last record has not come: some servers leave the connection open for a while. Nothing is said then.
    over: bool,
    end: Option<End>,
    /// There while the stream runs here: as long as somebody reads, it goes on.
    _presence: Option<Presence>,
}

/// What is left to say once the reader has come to the end.
#[derive(Debug)]
enum End {
    /// Nothing.
    Told,
    /// The face's body has no word for how it ended: it is broken off, once what came before is on its way.
    Breaking,
    /// It is broken off now.
    Broken,
    /// It is whole, and this stands in the trailers.
    Trailers(Box<Ending>),
}

/// The end of a body that must not look like an end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the stream did not end as it was meant to")]
pub(crate) struct BrokenOff;

impl FaceBody {
    pub(crate) fn new(
        reader: Cursor,
        face: Face,
        shelf: Option<Arc<Shelf>>,
        ping: Duration,
        presence: Option<Presence>,
    ) -> Self {
        let shelf = shelf.filter(|_| face.is_shared());
        Self {
            reader,
            face,
            shelf,
            life: Clock::new(ping),
            at: None,
            over: false,
            end: None,
            _presence: presence,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            match self.end.take() {
                None => {}
                Some(End::Told) => return Poll::Ready(None),
                Some(End::Breaking) => {
                    // An error makes the server drop what it has not sent yet, the head included: first that goes out.
                    self.end = Some(End::Broken);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(End::Broken) => return Poll::Ready(Some(Err(BrokenOff))),
                Some(End::Trailers(ending)) => {
                    self.end = Some(End::Told);
                    return Poll::Ready(Some(Ok(Frame::trailers(self.trailers(&ending)))));
                }
            }
            let piece = match self.reader.poll_next(cx) {
                Poll::Ready(Ok(Some(run))) => self.piece(&run),
                // The terminal record was before: a reader that begins after it has nothing to read.
                Poll::Ready(Ok(None)) => {
                    self.end = Some(End::Told);
                    continue;
                }
                Poll::Ready(Err(error)) => {
                    tracing::warn!(stream = %self.reader.stream(), %error, "a reader cannot go on");
                    self.broken(&error)
                }
                Poll::Pending => {
                    if self.over || self.life.poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    Bytes::from_static(self.face.sign_of_life())
                }
            };
            self.life.set_back();
            // A record that the face does not show is passed over; the clock is asked again, so that it wakes this task.
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
    }

    /// What is ready, in one piece.
    fn piece(&mut self, run: &Run) -> Bytes {
        let first = self.written(run);
        if self.end.is_some() {
            return first;
        }
        let Some(second) = self.reader.try_next() else { return first };
        let mut piece = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(run) = next {
            piece.extend_from_slice(&self.written(&run));
            next =
                if piece.len() < PIECE_BYTES && self.end.is_none() { self.reader.try_next() } else { None };
        }
        piece.freeze()
    }

    fn written(&mut self, run: &Run) -> Bytes {
        if let Some(last) = run.last() {
            self.at = Some(last.position());
            self.over = self.face.is_drop_in() && is_last_event(last);
            if let Some(outcome) = last.outcome() {
                self.end = Some(self.end_of(outcome, &last.payload));
            }
        }
        match &self.shelf {
            Some(shelf) => shelf.written(self.face, run),
            None => {
                let (bytes, whole) = write(self.face, run);
                if !whole {
                    tracing::warn!(stream = %self.reader.stream(), "an event cannot be read: its reader is broken off");
                    self.end = Some(End::Breaking);
                }
                bytes
            }
        }
    }

    fn end_of(&self, outcome: Outcome, payload: &Bytes) -> End {
        if !self.face.tells_the_end(outcome) {
            End::Breaking
        } else if self.face == Face::Text {
            End::Trailers(Box::new(Ending::decode(payload)))
        } else {
            End::Told
        }
    }

    /// The stream cannot be read on: said in words where the face has words, without a position, since it is no part of the stream.
    fn broken(&mut self, error: &perennial_log::Error) -> Bytes {
        let refusal = Refusal::of_log(error);
        let error = json!({"type": refusal.kind(), "message": refusal.message()});
        let mut out = BytesMut::new();
        self.end = Some(End::Told);
        match self.face {
            Face::Messages | Face::MessagesWithIds => {
                let data = json!({"type": "error", "error": error});
                sse::write_event(None, "error", &data.to_string(), &mut out);
            }
            Face::Sse | Face::Tape => {
                let event = LogEvent::new("perennial.broken", json!({"error": error}));
                sse::write_event(None, event.name, &event.data.to_string(), &mut out);
            }
            Face::Ndjson => {
                let event = LogEvent::new("perennial.broken", json!({"error": error}));
                let line = json!({"event": event.name, "data": event.data});
                out.extend_from_slice(format!("{line}\n").as_bytes());
            }
            Face::Text => self.end = Some(End::Breaking),
        }
        out.freeze()
    }

    fn trailers(&self, ending: &Ending) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        if let Some(at) = self.at.and_then(|at| HeaderValue::try_from(at.to_string()).ok()) {
            trailers.insert("perennial-position", at);
        }
        if let Some(reason) =
            ending.stop_reason.as_ref().and_then(|reason| HeaderValue::try_from(reason).ok())
        {
            trailers.insert("perennial-stop-reason", reason);
        }
        trailers
    }
}

/// Whether a record is the event with which an answer ends.
fn is_last_event(record: &Record) -> bool {
    // Nearly all events are deltas, whose name says that they end nothing.
    if record.kind != Kind::Event || record.payload.starts_with(b"event: content_block_delta") {
        return false;
    }
    let mut is_last = false;
    frames(&record.payload, |frame| {
        let event = Received::read(frame).map(|received| received.event);
        is_last |= matches!(event, Ok(Some(Event::MessageStop | Event::Error(_))));
    });
    is_last
}

impl http_body::Body for FaceBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.get_mut().poll_next(cx)
    }
}
