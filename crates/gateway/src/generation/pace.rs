//! The pace of a text: how much of it has come, for the clock that says whether that is enough.
//!
//! Only text is measured: between blocks a tool of the service may run for a minute, and thinking or the input of a tool may come in one piece at its end.

use std::task::{Context, Poll};
use std::time::Duration;

use perennial_protocol::sse::Frame;
use perennial_protocol::{ContentBlock, Delta, Event, Received};

use crate::clock::Clock;
use crate::limits::MinTokens;

/// Tokens are not counted while a text comes, but taken for so many bytes each.
const TOKEN_BYTES: u64 = 4;

/// The text that is being written.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The block of text that is open.
    block: Option<u64>,
    /// How much of it has come since somebody asked.
    bytes: u64,
    /// It has begun since somebody asked.
    is_new: bool,
}

impl Pace {
    /// Looks at a frame.
    pub(super) fn see(&mut self, frame: &Frame<'_>) {
        if !matches!(frame.event(), b"content_block_start" | b"content_block_delta" | b"content_block_stop") {
            return;
        }
        match Received::read(*frame).ok().and_then(|received| received.event) {
            Some(Event::ContentBlockStart { index, block }) if matches!(*block, ContentBlock::Text(_)) => {
                *self = Self { block: Some(index), bytes: 0, is_new: true };
            }
            Some(Event::ContentBlockDelta { index, delta: Delta::Text(text) })
                if self.block == Some(index) =>
            {
                self.bytes += text.len() as u64;
            }
            Some(Event::ContentBlockStop { index }) if self.block == Some(index) => self.block = None,
            _ => {}
        }
    }
}

/// The clock that rings where a text comes too slowly to be worth waiting for.
#[derive(Debug)]
pub(super) struct Floor {
    clock: Clock,
    least_bytes: u64,
}

impl Floor {
    pub(super) fn new(span: Duration, least: MinTokens) -> Self {
        Self { clock: Clock::new(span), least_bytes: least.0.saturating_mul(TOKEN_BYTES) }
    }

    /// Ready once a whole span of a text had too little in it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, pace: &mut Pace) -> Poll<()> {
        if std::mem::take(&mut pace.is_new) {
            self.clock.set_back();
        }
        // What opens the next block wakes this too.
        while pace.block.is_some() && self.clock.poll(cx).is_ready() {
            if std::mem::take(&mut pace.bytes) < self.least_bytes {
                return Poll::Ready(());
            }
            self.clock.set_back();
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use perennial_protocol::sse::Decoder;
    use tokio::time::{Instant, sleep};

    use super::*;

    fn see(pace: &mut Pace, events: &str) {
        let (mut decoder, mut input) = (Decoder::new(), events.as_bytes());
        while let Some(frame) = decoder.next_frame(&mut input) {
            pace.see(&frame.unwrap());
        }
    }

    fn start(index: u64, block: &str) -> String {
        format!(
            "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{block}}}\n\n"
        )
    }

    fn delta(index: u64, text: &str) -> String {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        )
    }

    fn stop(index: u64) -> String {
        format!("event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":{index}}}\n\n")
    }

    const TEXT: &str = r#"{"type":"text","text":""}"#;
    const TOOL: &str = r#"{"type":"tool_use","id":"toolu_1","name":"get","input":{}}"#;

    /// Whether it rings within so many seconds.
    async fn rings(floor: &mut Floor, pace: &mut Pace, seconds: u64) -> bool {
        tokio::select! {
            () = poll_fn(|cx| floor.poll(cx, pace)) => true,
            () = sleep(Duration::from_secs(seconds)) => false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_text_that_is_being_written_is_measured() {
        let (mut floor, mut pace) = (Floor::new(Duration::from_secs(10), MinTokens(5)), Pace::default());
        assert!(!rings(&mut floor, &mut pace, 100).await, "nothing has begun");
        see(&mut pace, &start(0, TOOL));
        assert!(!rings(&mut floor, &mut pace, 100).await, "the input of a tool");
        see(&mut pace, &[stop(0), start(1, TEXT), delta(1, "word"), stop(1)].concat());
        assert!(!rings(&mut floor, &mut pace, 100).await, "a short text that is finished");
        see(&mut pace, &start(2, TEXT));
        let since = Instant::now();
        assert!(rings(&mut floor, &mut pace, 100).await);
        assert_eq!(since.elapsed().as_secs(), 10, "from where the text began");
    }

    #[tokio::test(start_paused = true)]
    async fn each_span_has_to_have_enough() {
        let (mut floor, mut pace) = (Floor::new(Duration::from_secs(10), MinTokens(5)), Pace::default());
        see(&mut pace, &start(0, TEXT));
        for _ in 0..9 {
            assert!(!rings(&mut floor, &mut pace, 6).await);
            see(&mut pace, &delta(0, "twenty bytes, or so. "));
        }
        // What came before does not count for what comes after.
        let since = Instant::now();
        assert!(rings(&mut floor, &mut pace, 100).await);
        assert!(since.elapsed().as_secs() <= 20, "{:?}", since.elapsed());
    }
}
