//! Faces: what readers see of a stream. Each is a pure function of one record at a time.
//!
//! Hence the law: what follows a position is the same for every reader, whenever it came and however often it was cut. A face
//! keeps no state, so there is nothing that a reconnect could lose. Signs of life are no part of a face: they have no position. The tape is a function of all
//! records up to one, for which it is made from the log again where nobody has it (`rendered.rs`).

mod body;
mod cursor;
mod log_event;
mod many;
mod message;
pub(crate) mod ndjson;
mod poll;
mod rendered;
mod shelf;
mod sse;
mod tape;
mod text;

use bytes::BytesMut;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use perennial_log::{Kind, Outcome, Record};

pub(crate) use self::body::FaceBody;
pub(crate) use self::cursor::Cursor;
pub(crate) use self::log_event::{LogEvent, terminal as terminal_data};
pub(crate) use self::many::{ManyBody, Source};
pub(crate) use self::message::{folded, message};
pub(crate) use self::poll::poll;
pub(crate) use self::rendered::Renderings;
pub(crate) use self::shelf::Shelf;
use crate::record::Ending;

/// A way to write records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Face {
    /// The drop-in: the upstream's bytes, and an `error` event where they end too early.
    Messages,
    /// The same with `id:` lines.
    MessagesWithIds,
    /// Resumable server-sent events: the upstream's events with their positions, and those of the log.
    Sse,
    /// A JSON object a line.
    Ndjson,
    /// The text of text blocks.
    Text,
    /// Resumable server-sent events with the markdown of text blocks rendered; their records come from a [`Cursor`] that renders.
    Tape,
}

impl Face {
    /// The face that a reader of events asks for, by name or by media type.
    pub(crate) fn of(format: Option<&str>, headers: &HeaderMap) -> Option<Self> {
        if let Some(format) = format {
            return match format {
                "sse" => Some(Self::Sse),
                "ndjson" => Some(Self::Ndjson),
                "text" => Some(Self::Text),
                "tape" => Some(Self::Tape),
                _ => None,
            };
        }
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
        // The first that is known, in the order of the header: weights are for documents, not for streams.
        accept.split(',').find_map(|media| match media.split(';').next().unwrap_or_default().trim() {
            "text/event-stream" | "*/*" | "" => Some(Self::Sse),
            "application/x-ndjson" | "application/ndjson" => Some(Self::Ndjson),
            "text/plain" => Some(Self::Text),
            "application/vnd.perennial.tape+json" => Some(Self::Tape),
            _ => None,
        })
    }

    /// Writes what the face shows of a record; nothing for many. False where the face must not go on behind it: it cannot tell what is missing.
    #[must_use]
    pub(crate) fn write(self, record: &Record, out: &mut BytesMut) -> bool {
        match self {
            Self::Messages => messages(record, None, out),
            Self::MessagesWithIds => messages(record, Some(record.position()), out),
            Self::Sse | Self::Tape => sse::write(record, out),
            Self::Ndjson => ndjson::write(record, b"", out),
            Self::Text => return text::write(record, out),
        }
        true
    }

    /// What is sent after a while without anything else.
    pub(crate) fn sign_of_life(self) -> &'static [u8] {
        match self {
            Self::Messages | Self::MessagesWithIds => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
            Self::Sse | Self::Tape => b":\n\n",
            Self::Ndjson => b"\n",
            Self::Text => b"",
        }
    }

    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Messages | Self::MessagesWithIds | Self::Sse | Self::Tape => {
                "text/event-stream; charset=utf-8"
            }
            Self::Ndjson => "application/x-ndjson",
            Self::Text => "text/plain; charset=utf-8",
        })
    }

    /// Whether the face says in its body how the stream ended. One that does not is broken off, unless the answer is whole.
    pub(crate) fn tells_the_end(self, outcome: Outcome) -> bool {
        self != Self::Text || outcome == Outcome::Completed
    }

    /// Whether the face is that of `POST /v1/messages`, with the grammar of the service.
    pub(crate) fn is_drop_in(self) -> bool {
        matches!(self, Self::Messages | Self::MessagesWithIds)
    }

    /// Whether an `EventSource` may read it, which sees no status and comes back by itself.
    pub(crate) fn is_event_source(self) -> bool {
        matches!(self, Self::Sse | Self::Tape)
    }

    /// Whether readers may share what was written: a face that one connection has for itself is not worth keeping.
    pub(crate) fn is_shared(self) -> bool {
        // A face that may have to stop has more to say than bytes.
        !self.is_drop_in() && self != Self::Text
    }
}

/// The headers of a body that grows, which nothing on the way may keep, change or hold back.
pub(crate) fn growing(face: Face) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, face.content_type());
    crate::headers::unbuffered(&mut headers);
    headers
}

fn messages(record: &Record, position: Option<perennial_log::Position>, out: &mut BytesMut) {
    match record.kind {
        Kind::Event => match position {
            Some(position) => sse::write_frame(position, &record.payload, out),
            None => out.extend_from_slice(&record.payload),
        },
        // A comment: official SDKs pass over it, and some of them hand out events that they do not know.
        Kind::Seam | Kind::Notice => {
            if let Some(event) = LogEvent::of(record) {
                out.extend_from_slice(format!(": {} {}\n\n", event.name, event.data).as_bytes());
            }
        }
        Kind::Terminal(outcome) if outcome != Outcome::Completed => {
            let ending = Ending::decode(&record.payload);
            if let Some(error) = ending.error.filter(|_| !ending.in_band) {
                sse::write_event(position, "error", &error.body().to_string(), out);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tape_cost;
#[cfg(test)]
mod tape_tests;
#[cfg(test)]
mod tests;
