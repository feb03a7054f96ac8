//! Many streams over one connection: server-sent events whose id is the position in every one of them.
//!
//! Browsers have few connections for one host. The order among the streams is that of arrival and means nothing; for each stream by itself the
//! law of faces holds.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use perennial_log::{After, Run, StreamId};
use serde_json::{Value, json};

use super::{Cursor, Face, LogEvent, Shelf, shelf};
use crate::clock::Clock;
use crate::presence::Presence;
use crate::refusal::Refusal;

const PIECE_BYTES: usize = 64 * 1024;

/// One of the streams.
#[derive(Debug)]
pub(crate) struct Source {
    /// As the reader named it.
    pub(crate) name: String,
    /// How far its reader is.
    pub(crate) at: String,
    pub(crate) state: SourceState,
}

#[derive(Debug)]
pub(crate) enum SourceState {
    Open {
        reader: Box<Cursor>,
        /// What stands before what all readers of the stream see of a record.
        lead: Bytes,
        /// What the readers of a stream that runs here share.
        shelf: Option<Arc<Shelf>>,
        /// As long as somebody reads a stream that runs here, it goes on.
        _presence: Option<Presence>,
    },
    /// To be told, once.
    Refused(Box<LogEvent>),
    Ended,
}

/// Many streams on one connection.
#[derive(Debug)]
pub(crate) struct ManyBody {
    sources: Vec<Source>,
    life: Clock,
    /// Who is looked at first, so that a fast stream does not keep the others waiting.
    first: usize,
}

impl Source {
    pub(crate) fn open(
        id: StreamId,
        after: After,
        reader: Cursor,
        shelf: Option<Arc<Shelf>>,
        presence: Option<Presence>,
    ) -> Self {
        let at = match after {
            After::Start => "0".to_owned(),
            After::Seq(seq) => seq.to_string(),
            After::Position(position) => position.to_string(),
        };
        let lead = format!("data: {{\"stream\":\"{id}\",").into();
        let reader = Box::new(reader);
        Self {
            name: id.to_string(),
            at,
            state: SourceState::Open { reader, lead, shelf, _presence: presence },
        }
    }

    pub(crate) fn ended(name: &str, at: &str) -> Self {
        Self { name: name.to_owned(), at: at.to_owned(), state: SourceState::Ended }
    }

    pub(crate) fn refused(name: &str, at: &str, refusal: &Refusal) -> Self {
        let event = refused(refusal);
        Self { name: name.to_owned(), at: at.to_owned(), state: SourceState::Refused(Box::new(event)) }
    }

    pub(crate) fn diverged(name: &str, at: &str, data: Value) -> Self {
        let event = LogEvent::new("perennial.diverged", data);
        Self { name: name.to_owned(), at: at.to_owned(), state: SourceState::Refused(Box::new(event)) }
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, SourceState::Ended)
    }
}

/// Why a stream cannot be read, as an event.
pub(crate) fn refused(refusal: &Refusal) -> LogEvent {
    let data = json!({
        "status": refusal.status().as_u16(),
        "error": {"type": refusal.kind(), "message": refusal.message()},
    });
    LogEvent::new("perennial.error", data)
}

impl ManyBody {
    pub(crate) fn new(sources: Vec<Source>, ping: Duration) -> Self {
        Self { sources, life: Clock::new(ping), first: 0 }
    }

    /// What the streams have ready; none where they have nothing.
    fn gather(&mut self, cx: &mut Context<'_>) -> BytesMut {
        let mut out = BytesMut::new();
        let count = self.sources.len();
        for turn in 0..count {
            let index = (self.first + turn) % count;
            // One stream may have this much of a piece, so that each is looked at now and then.
            let most = out.len() + PIECE_BYTES / count.min(8);
            while out.len() < most {
                let run = match &mut self.sources[index].state {
                    SourceState::Open { reader, .. } => reader.poll_next(cx),
                    SourceState::Refused(_) => {
                        self.tell_refusal(index, &mut out);
                        break;
                    }
                    SourceState::Ended => break,
                };
                match run {
                    Poll::Pending => break,
                    Poll::Ready(Ok(Some(run))) => self.write(index, &run, &mut out),
                    Poll::Ready(Ok(None)) => self.sources[index].state = SourceState::Ended,
                    Poll::Ready(Err(error)) => {
                        let event = refused(&Refusal::of_log(&error));
                        self.sources[index].state = SourceState::Refused(Box::new(event));
                    }
                }
            }
        }
        self.first = (self.first + 1) % count.max(1);
        out
    }

    fn write(&mut self, index: usize, run: &Run, out: &mut BytesMut) {
        let (lead, shelf, rendered) = match &self.sources[index].state {
            SourceState::Open { reader, lead, shelf, .. } => {
                (lead.clone(), shelf.clone(), reader.is_rendered())
            }
            _ => return,
        };
        for record in run {
            let line = match &shelf {
                Some(shelf) => shelf.line(record, rendered),
                None => shelf::line(record),
            };
            self.sources[index].at.clear();
            // Writing to memory does not fail.
            let _ = write!(self.sources[index].at, "{}", record.position());
            if !line.is_empty() {
                self.write_id(out);
                out.extend_from_slice(&lead);
                out.extend_from_slice(&line);
                out.extend_from_slice(b"\n");
            }
            if record.outcome().is_some() {
                self.sources[index].state = SourceState::Ended;
            }
        }
    }

    fn tell_refusal(&mut self, index: usize, out: &mut BytesMut) {
        let source = &mut self.sources[index];
        if let SourceState::Refused(event) = std::mem::replace(&mut source.state, SourceState::Ended) {
            let line = json!({"stream": source.name, "event": event.name, "data": event.data});
            self.write_id(out);
            let _ = write!(out, "data: {line}\n\n");
        }
    }

    fn write_id(&self, out: &mut BytesMut) {
        out.extend_from_slice(b"id: ");
        for (index, source) in self.sources.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b",");
            }
            out.extend_from_slice(source.at.as_bytes());
        }
        out.extend_from_slice(b"\n");
    }
}

impl http_body::Body for ManyBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let out = this.gather(cx);
        if !out.is_empty() {
            this.life.set_back();
            return Poll::Ready(Some(Ok(Frame::data(out.freeze()))));
        }
        if this.sources.iter().all(Source::is_ended) {
            return Poll::Ready(None);
        }
        this.life.poll(cx).map(|()| {
            this.life.set_back();
            Some(Ok(Frame::data(Bytes::from_static(Face::Sse.sign_of_life()))))
        })
    }
}
