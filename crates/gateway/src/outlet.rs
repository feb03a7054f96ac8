//! A client's connection that is not waited for without end.
//!
//! A client that stopped reading, or that vanished without a word, holds a connection, its buffers and a paid stream of the upstream. Reading late is
//! allowed; taking nothing at all for a whole span ends the connection, and the upstream's with it.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

#[derive(Debug)]
pub(crate) struct Outlet<S> {
    socket: S,
    span: Duration,
    /// Runs while the client takes nothing.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Outlet<S> {
    pub(crate) fn new(socket: S, span: Duration) -> Self {
        Self { socket, span, stuck: None }
    }

    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let span = self.span;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(span)));
        stuck.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Outlet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Outlet<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has nothing to flush; that it has nothing does not show that its client reads.
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const SPAN: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (client, mut server) = tokio::io::duplex(8);
        let mut outlet = Outlet::new(client, SPAN);
        let began = tokio::time::Instant::now();
        let error = outlet.write_all(&[0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), SPAN);
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_is_served() {
        let (client, mut server) = tokio::io::duplex(8);
        let mut outlet = Outlet::new(client, SPAN);
        let reading = tokio::spawn(async move {
            let mut bytes = Vec::new();
            let mut byte = [0; 1];
            while server.read(&mut byte).await.unwrap() == 1 {
                bytes.push(byte[0]);
                tokio::time::sleep(SPAN - Duration::from_secs(1)).await;
            }
            bytes
        });
        let sent: Vec<u8> = (0..40).collect();
        outlet.write_all(&sent).await.unwrap();
        drop(outlet);
        assert_eq!(reading.await.unwrap(), sent);
    }
}
