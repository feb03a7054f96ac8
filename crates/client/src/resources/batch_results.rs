//! The results of a batch as a stream: decoded line by line while they arrive.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::time::Instant;

use super::batch::BatchResult;
use super::call::next_piece;
use super::lines::{Lines, MaxLineBytes};
use crate::exchange::Opened;
use crate::{Deadlines, Error};

/// The results of a batch, in any order. A body that is cut is an error, even where it is cut between two lines: the number of results must be that of
/// the batch.
#[must_use = "streams do nothing unless polled"]
pub struct BatchResults {
    results: BoxStream<'static, Result<BatchResult, Error>>,
}

struct Reading {
    opened: Opened,
    deadlines: Deadlines,
    due: Option<Instant>,
    lines: Lines,
    received: u64,
    expected: u64,
    body_ended: bool,
    failed: bool,
}

impl BatchResults {
    pub(super) fn new(opened: Opened, deadlines: Deadlines, expected: u64, limit: MaxLineBytes) -> Self {
        let reading = Reading {
            due: deadlines.total.and_then(|total| Instant::now().checked_add(total)),
            opened,
            deadlines,
            lines: Lines::with_limit(limit),
            received: 0,
            expected,
            body_ended: false,
            failed: false,
        };
        let results = stream::unfold(reading, |mut reading| async move {
            let result = reading.next().await?;
            reading.failed = result.is_err();
            Some((result, reading))
        });
        Self { results: results.boxed() }
    }
}

impl Reading {
    async fn next(&mut self) -> Option<Result<BatchResult, Error>> {
        if self.failed {
            return None;
        }
        loop {
            match self.lines.next() {
                Some(Ok(line)) => return Some(self.read(&line)),
                Some(Err(error)) => {
                    return Some(Err(self.error(Error::unexpected_body(error.to_string()).caused_by(error))));
                }
                None if self.body_ended => return self.end(),
                None => {}
            }
            match next_piece(&mut self.opened.body, &self.deadlines, self.due).await {
                Some(Ok(piece)) => self.lines.push(&piece),
                Some(Err(error)) => return Some(Err(self.error(error))),
                None => self.body_ended = true,
            }
        }
    }

    fn read(&mut self, line: &[u8]) -> Result<BatchResult, Error> {
        self.received += 1;
        serde_json::from_slice(line).map_err(|source| {
            let excerpt = crate::excerpt::excerpt(&String::from_utf8_lossy(line));
            let text = format!("result {} is not what it should be: {excerpt}", self.received);
            self.error(Error::unexpected_body(text).caused_by(source))
        })
    }

    fn end(&mut self) -> Option<Result<BatchResult, Error>> {
        // A last line may lack its end; whether it is whole, its JSON tells.
        if let Some(line) = self.lines.finish()
            && let Ok(result) = serde_json::from_slice(&line)
        {
            self.received += 1;
            return Some(Ok(result));
        }
        if self.received < self.expected {
            let text = format!(
                "the results ended early: {} of {} came; read them again",
                self.received, self.expected
            );
            return Some(Err(self.error(Error::cut(text))));
        }
        None
    }

    fn error(&self, error: Error) -> Error {
        error.with_response(Some(Arc::clone(&self.opened.info)))
    }
}

impl Stream for BatchResults {
    type Item = Result<BatchResult, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(ready!(self.results.poll_next_unpin(cx)))
    }
}

impl fmt::Debug for BatchResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchResults").finish_non_exhaustive()
    }
}
