//! Names of streams that are told before the log has the streams.
//!
//! The turn of an answer has its stream's name from its first row on, and the log has the stream a moment later: the other way round, a process that is killed in
//! between would leave a stream that nobody asked for. Whoever asks for the stream in that moment waits for it, and is not told that there is none.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use perennial_log::StreamId;
use tokio_util::sync::CancellationToken;

/// The names whose streams may come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promises(Arc<Mutex<HashMap<StreamId, CancellationToken>>>);

/// A new stream's name, and that the stream may come. Once this is dropped it is in the log, or does not come.
pub(crate) struct Promise {
    stream: StreamId,
    promises: Promises,
    decided: CancellationToken,
}

impl Promises {
    /// A new name.
    pub(crate) fn make(&self) -> Promise {
        let (stream, decided) = (StreamId::new(), CancellationToken::new());
        self.0.lock().insert(stream, decided.clone());
        Promise { stream, promises: self.clone(), decided }
    }

    /// Ready once the stream of that name is in the log, or does not come: at once for all names but those of this moment.
    pub(crate) async fn decided(&self, stream: StreamId) {
        let decided = self.0.lock().get(&stream).cloned();
        if let Some(decided) = decided {
            decided.cancelled().await;
        }
    }
}

impl Promise {
    pub(crate) fn stream(&self) -> StreamId {
        self.stream
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.promises.0.lock().remove(&self.stream);
        self.decided.cancel();
    }
}

impl fmt::Debug for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Promise({})", self.stream)
    }
}
