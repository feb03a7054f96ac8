//! What the library traces: enough to find a request, nothing of what it says.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stage;

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use stage::{Act, Stage, request};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_one_span() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let stage = Stage::new([Act::error(529, "overloaded_error"), Act::whole("what the model said")]);
    let client = stage.builder().api_key("sk-very-secret").build().unwrap();
    client.messages().create(request()).await.unwrap();
    drop(guard);
    let written = String::from_utf8(written.0.lock().clone()).unwrap();
    for word in [
        "perennial.stream",
        "model=\"claude-test\"",
        "attempt=2",
        "request_id=\"req_stage\"",
        "overloaded_error",
        "complete",
    ] {
        assert!(written.contains(word), "no {word} in {written}");
    }
    for word in ["very-secret", "what the model said"] {
        assert!(!written.contains(word), "{word} in {written}");
    }
}
