//! The queue of streams that have ended, and the task that sends them to a collector.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use parking_lot::Mutex;
use perennial_log::{Log, StreamId};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::options::TraceOptions;
use super::spans;

/// So many streams wait at most; what ends beyond that has no trace.
const MOST_WAITING: usize = 4_096;
/// So many spans go in one request, at least.
const BATCH: usize = 256;
/// So long is gathered for a request.
const GATHER: Duration = Duration::from_secs(1);
/// For one request, its repetitions included.
const PATIENCE: Duration = Duration::from_secs(10);
/// For what is left when the gateway stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// Traces that cannot be sent as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unexportable {
    #[error("the endpoint `{endpoint}` for traces cannot be used: {reason}")]
    Endpoint { endpoint: String, reason: String },
    #[error("traces cannot be sent: {0}")]
    Client(String),
}

/// Streams that have ended, on their way.
#[derive(Debug)]
pub(super) struct Queue {
    way: Mutex<Way>,
    /// The lack of room was told.
    told: AtomicBool,
}

#[derive(Debug)]
struct Way {
    streams: Option<Sender<StreamId>>,
    start: Option<(Receiver<StreamId>, opentelemetry_otlp::SpanExporter)>,
    task: Option<JoinHandle<()>>,
}

impl Queue {
    pub(super) fn new(options: &TraceOptions) -> Result<Self, Unexportable> {
        let exporter = exporter(options)?;
        let (streams, waiting) = channel(MOST_WAITING);
        let way = Way { streams: Some(streams), start: Some((waiting, exporter)), task: None };
        Ok(Self { way: Mutex::new(way), told: AtomicBool::new(false) })
    }

    pub(super) fn add(&self, stream: StreamId) {
        let way = self.way.lock();
        let Some(streams) = &way.streams else { return };
        let full = matches!(streams.try_send(stream), Err(TrySendError::Full(_)));
        if full != self.told.swap(full, Ordering::Relaxed) && full {
            tracing::warn!("the collector of traces is too slow: streams that end now have none");
        }
    }

    pub(super) fn start(&self, log: &Arc<dyn Log>) {
        let mut way = self.way.lock();
        if let Some((waiting, exporter)) = way.start.take() {
            way.task = Some(tokio::spawn(send_all(waiting, exporter, Arc::clone(log))));
        }
    }

    pub(super) async fn close(&self) {
        let (streams, task) = {
            let mut way = self.way.lock();
            (way.streams.take(), way.task.take())
        };
        drop(streams);
        let Some(mut task) = task else { return };
        if tokio::time::timeout(FAREWELL, &mut task).await.is_err() {
            tracing::warn!("the collector of traces does not answer: the last ones are lost");
            task.abort();
        }
    }
}

fn exporter(options: &TraceOptions) -> Result<opentelemetry_otlp::SpanExporter, Unexportable> {
    let endpoint = options
        .url()
        .map_err(|reason| Unexportable::Endpoint { endpoint: options.endpoint.clone(), reason })?;
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        // A redirect would take the headers elsewhere.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Unexportable::Client(error.to_string()))?;
    let headers: HashMap<String, String> =
        options.headers.iter().map(|(name, value)| (name.to_string(), value.expose().to_owned())).collect();
    let mut exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .with_timeout(PATIENCE)
        .with_headers(headers)
        .build()
        .map_err(|error| Unexportable::Client(error.to_string()))?;
    let resource = Resource::builder_empty()
        .with_service_name(options.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    exporter.set_resource(&resource);
    Ok(exporter)
}

/// Sends until there is nobody left who could add one.
async fn send_all(
    mut waiting: Receiver<StreamId>,
    exporter: opentelemetry_otlp::SpanExporter,
    log: Arc<dyn Log>,
) {
    let mut is_told = false;
    while let Some(first) = waiting.recv().await {
        let mut batch = Vec::new();
        gather(&mut batch, &log, first).await;
        let enough = tokio::time::sleep(GATHER);
        let mut enough = std::pin::pin!(enough);
        while batch.len() < BATCH {
            tokio::select! {
                next = waiting.recv() => match next {
                    Some(stream) => gather(&mut batch, &log, stream).await,
                    None => break,
                },
                () = &mut enough => break,
            }
        }
        if batch.is_empty() {
            continue;
        }
        let spans = batch.len();
        let sent = exporter.export(batch).await;
        // Once for each time that it is away.
        match &sent {
            Err(error) if !is_told => tracing::warn!(%error, spans, "traces are not taken, and are lost"),
            Ok(()) if is_told => tracing::info!("traces are taken again"),
            _ => {}
        }
        is_told = sent.is_err();
    }
}

async fn gather(batch: &mut Vec<opentelemetry_sdk::trace::SpanData>, log: &Arc<dyn Log>, stream: StreamId) {
    match spans::of(log, stream).await {
        Ok(spans) => batch.extend(spans),
        // It may have been deleted at once.
        Err(error) => tracing::debug!(%stream, %error, "a stream that ended has no trace"),
    }
}
