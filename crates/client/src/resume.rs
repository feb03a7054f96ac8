//! Resumption: how a stream that was asked for through a gateway is read on after a break.
//!
//! The gateway is asked for positions, and to wait a while for a reader whose connection broke. So leaving has to be said: a reader that is dropped
//! stops the stream, as it does everywhere.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tokio::runtime::Handle;

use crate::reconnect::{Reconnects, is_passing};
use crate::{Client, Clock, Error, ErrorKind, RequestOptions, ResponseInfo};

/// What it takes to come back to one stream.
#[derive(Debug)]
pub(crate) struct Resume {
    client: Client,
    options: RequestOptions,
    /// The name of the stream while it may be running.
    running: Option<String>,
}

impl Resume {
    pub(crate) fn new(client: Client, options: RequestOptions) -> Self {
        Self { client, options, running: None }
    }

    /// Says in a request what coming back takes.
    pub(crate) fn write(grace: Duration, headers: &mut HeaderMap) {
        headers.insert("perennial-event-ids", HeaderValue::from_static("on"));
        if let Ok(policy) = HeaderValue::try_from(format!("grace={}", grace.as_secs().max(1))) {
            headers.entry("perennial-on-disconnect").or_insert(policy);
        }
    }

    /// A response has come: whether a gateway keeps its stream.
    pub(crate) fn opened(&mut self, info: &ResponseInfo) -> bool {
        self.running = info.stream_id().map(str::to_owned);
        self.running.is_some()
    }

    /// The stream has ended.
    pub(crate) fn ended(&mut self) {
        self.running = None;
    }

    /// How to read on after `error`; `None` where that does not help.
    pub(crate) fn after(&self, error: &Error) -> Option<(Result<http::Request<Bytes>, Error>, Reconnects)> {
        let id = self.running.as_deref()?;
        // An answer that is stuck is stuck for all its readers.
        if !is_passing(error) || error.kind() == ErrorKind::Deadline(Clock::Progress) {
            return None;
        }
        let request = self.client.streams().with(&self.options).events(id);
        Some((request, Reconnects::new(self.options.reconnects.unwrap_or_default())))
    }
}

impl Drop for Resume {
    fn drop(&mut self) {
        let Some(id) = self.running.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let streams = self.client.streams().with(&self.options);
        runtime.spawn(async move {
            if let Err(error) = streams.cancel(&id).await {
                tracing::debug!(%error, stream = id, "the stream is left to the gateway");
            }
        });
    }
}
