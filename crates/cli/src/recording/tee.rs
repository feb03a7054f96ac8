//! A transport that writes down what comes through it.

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::StreamExt as _;
use perennial::transport::{self, Body, Transport, TransportError, TransportErrorKind};
use tokio::time::Instant;

use super::Recorder;
use super::file::create;
use crate::exit::{Failure, say};

/// Carries requests as usual, and keeps the last answer that was a stream as a recording.
///
/// An answer that is asked for again takes the place of the one that broke before it said anything. That an answer cannot be written down
/// is no reason to lose it: it is said, and the answer goes on.
#[derive(Debug)]
pub(crate) struct Tee {
    /// Made for the first request: the address says which it is.
    inner: OnceLock<Arc<dyn Transport>>,
    connect: Duration,
    path: PathBuf,
    file: Arc<File>,
}

impl Tee {
    /// With so long for a connection to stand.
    pub(crate) fn new(connect: Duration, path: PathBuf) -> Result<Self, Failure> {
        let file = Arc::new(create(&path)?);
        Ok(Self { inner: OnceLock::new(), connect, path, file })
    }

    fn inner(&self, url: &str) -> Result<&Arc<dyn Transport>, TransportError> {
        if let Some(inner) = self.inner.get() {
            return Ok(inner);
        }
        let made = transport::for_url(url, self.connect)?;
        Ok(self.inner.get_or_init(|| made))
    }
}

impl Transport for Tee {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, TransportError>> {
        let began = Instant::now();
        let answer = self.inner(&request.uri().to_string()).map(|inner| inner.send(request));
        let (path, file) = (self.path.clone(), Arc::clone(&self.file));
        Box::pin(async move {
            let answer = answer?.await?;
            let kind = answer.headers().get(http::header::CONTENT_TYPE);
            if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
                return Ok(answer);
            }
            begin(&file).map_err(|error| TransportError::new(TransportErrorKind::Request, error))?;
            let mut recorder = Some(Recorder::new(file, began));
            Ok(answer.map(|body| {
                Body::stream(body.inspect(move |piece| {
                    let Ok(piece) = piece else { return };
                    let written = recorder.as_mut().map_or(Ok(()), |recorder| recorder.piece(piece));
                    if let Err(error) = written {
                        recorder = None;
                        say(format_args!("{} cannot be written any more: {error}", path.display()));
                    }
                }))
            }))
        })
    }
}

/// The file anew.
fn begin(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()
}
