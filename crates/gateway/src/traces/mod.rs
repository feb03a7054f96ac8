//! Traces: each stream that has ended, and each of its attempts, as spans for OpenTelemetry. Behind the feature `otel`.
//!
//! A trace is a projection of the log, like a face: while a stream runs nothing is done for it, and once it has ended its log is read once more. Content
//! is in no span. A collector that does not take them, or is not there, costs spans and nothing else.

#[cfg(feature = "otel")]
mod export;
#[cfg(feature = "otel")]
mod options;
#[cfg(feature = "otel")]
mod spans;

use perennial_log::StreamId;

#[cfg(feature = "otel")]
pub(crate) use self::export::Unexportable;
#[cfg(feature = "otel")]
pub use self::options::TraceOptions;

/// Where streams go that have ended; nowhere, where no traces are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces {
    #[cfg(feature = "otel")]
    queue: Option<std::sync::Arc<export::Queue>>,
}

impl Traces {
    #[cfg(feature = "otel")]
    pub(crate) fn new(options: Option<&TraceOptions>) -> Result<Self, Unexportable> {
        let queue = options.map(export::Queue::new).transpose()?.map(std::sync::Arc::new);
        Ok(Self { queue })
    }

    /// A stream has ended.
    #[cfg_attr(not(feature = "otel"), expect(clippy::unused_self, reason = "there is nobody to tell"))]
    pub(crate) fn ended(&self, stream: StreamId) {
        #[cfg(feature = "otel")]
        if let Some(queue) = &self.queue {
            queue.add(stream);
        }
        #[cfg(not(feature = "otel"))]
        let _ = stream;
    }

    /// Sends what has ended until this is dropped or told to [`close`](Self::close). Once.
    #[cfg(feature = "otel")]
    pub(crate) fn start(&self, log: &std::sync::Arc<dyn perennial_log::Log>) {
        if let Some(queue) = &self.queue {
            queue.start(log);
        }
    }

    /// Sends what is left, if that does not take long.
    #[cfg(feature = "otel")]
    pub(crate) async fn close(&self) {
        if let Some(queue) = &self.queue {
            queue.close().await;
        }
    }
}
