//! A log that waits before an operation until it is told to go on, so that a moment lasts as long as a test needs it.

use std::sync::Arc;

use parking_lot::Mutex;
use perennial_log::{
    Answer, Durability, Entry, Epoch, Fence, Head, Log, Page, ReadBytes, Run, Seq, StreamId, Tail, Time,
};
use reqwest::RequestBuilder;
use tokio::sync::watch;

use crate::rig::{Answer as Response, PATIENCE, receive};

#[derive(Debug)]
pub(super) struct Gate {
    log: Arc<dyn Log>,
    /// Before which operation it is shut, and whether one waits there.
    shut: watch::Sender<(Option<Before>, bool)>,
    /// No stream is made any more whose name is older than this.
    oldest: Mutex<Option<StreamId>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Create,
    Unsettled,
}

impl Gate {
    pub(super) fn over(log: Arc<dyn Log>) -> Arc<Self> {
        Arc::new(Self { log, shut: watch::Sender::new((None, false)), oldest: Mutex::default() })
    }

    pub(super) fn shut(&self, before: Before) {
        self.shut.send_replace((Some(before), false));
    }

    pub(super) fn open(&self) {
        self.shut.send_replace((None, false));
    }

    /// Ready once somebody waits there.
    pub(super) async fn reached(&self) {
        let mut shut = self.shut.subscribe();
        let reached = shut.wait_for(|(_, somebody)| *somebody);
        tokio::time::timeout(PATIENCE, reached).await.expect("it is reached").unwrap();
    }

    /// From now on the names that there are by now are too old, as they are five minutes later.
    pub(super) fn takes_new_names_only(&self) {
        *self.oldest.lock() = Some(StreamId::new());
    }

    async fn pass(&self, operation: Before) {
        let mut shut = self.shut.subscribe();
        if shut.borrow().0 == Some(operation) {
            self.shut.send_modify(|(_, somebody)| *somebody = true);
            let _ = shut.wait_for(|(before, _)| *before != Some(operation)).await;
        }
    }
}

/// The answer to a request that waits for something: none comes while others are answered, and one comes after `then`.
pub(super) async fn waited(
    request: RequestBuilder,
    other: impl Fn() -> RequestBuilder,
    then: impl FnOnce(),
) -> Response {
    let mut answer = std::pin::pin!(receive(request));
    for _ in 0..30 {
        tokio::select! {
            biased;
            answer = &mut answer => panic!("it did not wait: {} {}", answer.status, answer.text()),
            other = receive(other()) => assert_eq!(other.status, 200, "{}", other.text()),
        }
    }
    then();
    answer.await
}

impl Log for Gate {
    fn durability(&self) -> Durability {
        self.log.durability()
    }

    fn create<'a>(
        &'a self,
        stream: StreamId,
        expires: Option<Time>,
        entries: &'a [Entry],
    ) -> Answer<'a, Head> {
        Box::pin(async move {
            self.pass(Before::Create).await;
            let is_old = self.oldest.lock().is_some_and(|oldest| stream < oldest);
            // Refused by the log itself, as a name that is too old.
            let expires = if is_old { Some(Time::from_micros(0)) } else { expires };
            self.log.create(stream, expires, entries).await
        })
    }

    fn append<'a>(&'a self, stream: StreamId, fence: Fence, entries: &'a [Entry]) -> Answer<'a, Head> {
        self.log.append(stream, fence, entries)
    }

    fn takeover<'a>(&'a self, stream: StreamId, from: Epoch, entry: &'a Entry) -> Answer<'a, Head> {
        self.log.takeover(stream, from, entry)
    }

    fn head(&self, stream: StreamId) -> Answer<'_, Head> {
        self.log.head(stream)
    }

    fn read(&self, stream: StreamId, from: Seq, most: ReadBytes) -> Answer<'_, Vec<Run>> {
        self.log.read(stream, from, most)
    }

    fn tail(&self, stream: StreamId) -> Answer<'_, Arc<Tail>> {
        self.log.tail(stream)
    }

    fn list(&self, before: Option<StreamId>, most: usize) -> Answer<'_, Page> {
        self.log.list(before, most)
    }

    fn unsettled(&self, after: Option<StreamId>, most: usize) -> Answer<'_, Page> {
        Box::pin(async move {
            self.pass(Before::Unsettled).await;
            self.log.unsettled(after, most).await
        })
    }

    fn delete(&self, stream: StreamId) -> Answer<'_, ()> {
        self.log.delete(stream)
    }

    fn close(&self) -> Answer<'_, ()> {
        self.log.close()
    }
}
