//! A subscription: a reader of one stream, and how far of what it has read is written.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::ws::Utf8Bytes;
use bytes::BytesMut;
use perennial_log::{Error, ReadBytes, Run, StreamId};

use crate::face::{Shelf, ndjson};
use crate::presence::Presence;
use crate::streams::events::Attached;

/// What a subscription reads from the store in one go: a socket has many, and each holds what it has read while the socket takes nothing.
const FETCH_BYTES: usize = 32 * 1024;

/// A reader of one stream.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) stream: StreamId,
    reader: perennial_log::Reader,
    /// The members that stand before those of a record.
    lead: String,
    /// What the readers of a stream that runs here share.
    shelf: Option<Arc<Shelf>>,
    /// What was read, and how many records of it are written.
    run: Option<(Run, usize)>,
    over: bool,
    /// As long as somebody reads a stream that runs here, it goes on.
    _presence: Option<Presence>,
}

/// What comes next of a stream.
#[derive(Debug)]
pub(super) enum Next {
    Line(Utf8Bytes),
    End,
    Broken(Error),
}

impl Subscription {
    pub(super) fn new(stream: StreamId, attached: Attached) -> Self {
        let Attached { reader, shelf, presence } = attached;
        let reader = reader.fetching(ReadBytes::new(FETCH_BYTES));
        let lead = format!("\"op\":\"record\",\"stream\":\"{stream}\",");
        Self { stream, reader, lead, shelf, run: None, over: false, _presence: presence }
    }

    /// The next record's line, written into `lines`, which is room to write in.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>, lines: &mut BytesMut) -> Poll<Next> {
        loop {
            if let Some((run, written)) = &mut self.run {
                if let Some(record) = run.get(*written) {
                    *written += 1;
                    self.over = record.outcome().is_some();
                    match &self.shelf {
                        Some(shelf) => {
                            let line = shelf.line(record, false);
                            if !line.is_empty() {
                                lines.extend_from_slice(b"{");
                                lines.extend_from_slice(self.lead.as_bytes());
                                lines.extend_from_slice(&line);
                            }
                        }
                        None => ndjson::write(record, self.lead.as_bytes(), lines),
                    }
                    // One that the face does not show is passed over.
                    if let Some(line) = line(lines) {
                        return Poll::Ready(Next::Line(line));
                    }
                    continue;
                }
                self.run = None;
            }
            if self.over {
                return Poll::Ready(Next::End);
            }
            match ready!(self.reader.poll_next(cx)) {
                Ok(Some(run)) => self.run = Some((run, 0)),
                Ok(None) => return Poll::Ready(Next::End),
                Err(error) => return Poll::Ready(Next::Broken(error)),
            }
        }
    }
}

/// What was written, without its line end. A frame of text is UTF-8, which the data of an upstream need not be.
fn line(lines: &mut BytesMut) -> Option<Utf8Bytes> {
    let line = lines.split().freeze();
    let line = line.slice(..line.len().checked_sub(1)?);
    Some(
        Utf8Bytes::try_from(line.clone())
            .unwrap_or_else(|_| String::from_utf8_lossy(&line).into_owned().into()),
    )
}
