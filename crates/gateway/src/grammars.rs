//! The grammars by which blocks of code are coloured, loaded before anybody waits for them.
//!
//! Loading them takes tens of milliseconds, once in a process. Whoever renders the first block of code would do so on the thread of a lane, where every stream of
//! that lane stands still meanwhile.

use std::sync::Once;

use perennial_markdown::{Settings, batch};
use tokio::time::Instant;

static LOADING: Once = Once::new();

/// Begins to load them on a thread of their own, if nobody has. Where there is no thread to be had they are loaded when they are needed.
pub(crate) fn load() {
    LOADING.call_once(|| {
        let loading = std::thread::Builder::new().name("perennial-code".to_owned()).spawn(|| {
            let begun = Instant::now();
            drop(batch("```rust\nfn main() {}\n```\n", Settings::default()));
            tracing::debug!(took_ms = begun.elapsed().as_millis(), "the grammars of code are loaded");
        });
        if let Err(error) = loading {
            tracing::warn!(%error, "the grammars of code are not loaded in advance");
        }
    });
}
