//! What stops a generation from outside: a wish, the absence of readers, or the end of its time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use perennial_log::StreamId;
use tokio::time::Sleep;

use super::running::{Running, Stop};
use crate::record::Cut;
use crate::service::Service;

/// The watch for what stops a generation.
#[derive(Debug)]
pub(crate) struct Absence {
    running: Arc<Running>,
    /// How long the stream goes on unread.
    patience: Duration,
    /// Runs while nobody reads.
    since: Option<Pin<Box<Sleep>>>,
    /// Runs from the beginning to the last moment that there may be.
    total: Option<Pin<Box<Sleep>>>,
}

impl Absence {
    pub(crate) fn new(running: Arc<Running>, service: &Service) -> Self {
        let patience = running.policy.patience(&service.limits);
        let total = service.clocks.total.map(|total| Box::pin(tokio::time::sleep(total)));
        Self { running, patience, since: None, total }
    }

    /// The stream that may stop.
    pub(crate) fn stream(&self) -> StreamId {
        self.running.id
    }

    /// Ready once the generation is to stop. The task is woken when that may have changed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        self.running.watched_by(cx.waker());
        match self.running.asked_to_stop() {
            Some(Stop::Asked) => return Poll::Ready(Cut::Asked),
            Some(Stop::Shutdown) => return Poll::Ready(Cut::Shutdown),
            None => {}
        }
        if let Some(total) = &mut self.total
            && total.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Cut::Total);
        }
        if self.running.readers() > 0 {
            self.since = None;
            return Poll::Pending;
        }
        if self.patience.is_zero() {
            return Poll::Ready(Cut::Left);
        }
        let patience = self.patience;
        let since = self.since.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        since.as_mut().poll(cx).map(|()| Cut::Left)
    }

    /// What `work` comes to, unless the generation is to stop before.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Cut> {
        let mut work = std::pin::pin!(work);
        poll_fn(|cx| match self.poll(cx) {
            Poll::Ready(cut) => Poll::Ready(Err(cut)),
            Poll::Pending => work.as_mut().poll(cx).map(Ok),
        })
        .await
    }
}
