//! Lingering: what happens to a connection after the last event.
//!
//! The answer is complete at `message_stop`; the body as HTTP sees it ends a few bytes later. A connection is good for another request
//! only once those are read, so somebody has to, and the reader shall not wait for it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream as _;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::transport::Body;

/// How long a server may take to end the body. One that keeps it open loses the connection.
const LINGER_TIME: Duration = Duration::from_secs(1);
/// How many pieces it may send after the end. They are thrown away.
const LINGER_PIECES: usize = 16;

/// Reads the body to its end in the background.
pub(crate) fn release(mut body: Body, cx: &mut Context<'_>) {
    for _ in 0..LINGER_PIECES {
        match Pin::new(&mut body).poll_next(cx) {
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(None | Some(Err(_))) => return,
            Poll::Pending => {
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(timeout(LINGER_TIME, drain(body)));
                }
                return;
            }
        }
    }
}

async fn drain(mut body: Body) {
    for _ in 0..LINGER_PIECES {
        if !matches!(poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await, Some(Ok(_))) {
            return;
        }
    }
}
