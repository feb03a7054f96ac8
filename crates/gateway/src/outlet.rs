//! A client's connection, and whether anyone is still at its other end.
//!
//! A client that stopped reading, or that vanished without a word, holds a connection, its buffers and a paid stream of the upstream. Reading late is
//! allowed; taking nothing at all for a whole span ends the connection, and the upstream's with it. And a client that closes is noticed even where it had
//! sent more than its request (a line end too many, the next request): hyper looks for the end only while it has nothing left to read.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// The other end of a connection.
pub(crate) trait Peer {
    /// Ready when the other end has closed and all that it sent was read.
    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Peer for TcpStream {
    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut byte = [0; 1];
        match self.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

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

impl<S: AsyncWrite + Peer + Unpin> AsyncWrite for Outlet<S> {
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
        // The server comes here whenever it has nothing to write, whatever it waits for.
        if self.socket.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
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

    impl Peer for tokio::io::DuplexStream {
        fn poll_gone(&self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }

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
