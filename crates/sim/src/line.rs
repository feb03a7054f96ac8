//! A connection that a handler can break on purpose.
//!
//! hyper owns the socket, so the wire faults live in the I/O object that it is given: it cuts after all that was written is out,
//! and it caps the size of writes. The handler and the body run in the same task as the connection, thus no wake-up is needed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How a connection ends without the leave of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// TCP FIN.
    Fin,
    /// TCP RST.
    Rst,
}

/// The handle by which a handler commands its connection.
#[derive(Debug, Default)]
pub(crate) struct Line {
    cut: AtomicU8,
    /// Largest write in bytes; 0 is no limit.
    write_cap: AtomicUsize,
}

const CUT_FIN: u8 = 1;
const CUT_RST: u8 = 2;

impl Line {
    /// Ends the connection as soon as what was written so far is out.
    pub(crate) fn cut(&self, cut: Cut) {
        let code = match cut {
            Cut::Fin => CUT_FIN,
            Cut::Rst => CUT_RST,
        };
        self.cut.store(code, Ordering::Relaxed);
    }

    /// Limits every write to `bytes`.
    pub(crate) fn cap_writes(&self, bytes: usize) {
        self.write_cap.store(bytes, Ordering::Relaxed);
    }
}

/// The socket as hyper sees it.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: TcpStream,
    line: Arc<Line>,
    /// After a capped write the task yields once, so that the peer has a chance to see the piece by itself.
    yielded: bool,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream, line: Arc<Line>) -> Self {
        Self { socket, line, yielded: true }
    }

    /// How much of `length` may be written now; `None` after having asked to be polled again.
    fn allowance(&mut self, length: usize, cx: &Context<'_>) -> Option<usize> {
        let cap = self.line.write_cap.load(Ordering::Relaxed);
        if cap == 0 {
            return Some(length);
        }
        if !self.yielded {
            self.yielded = true;
            cx.waker().wake_by_ref();
            return None;
        }
        Some(length.min(cap))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Some(length) = self.allowance(buf.len(), cx) else { return Poll::Pending };
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, &buf[..length]))?;
        self.yielded = false;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.line.write_cap.load(Ordering::Relaxed) == 0 {
            return Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        }
        let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| &buf[..]);
        self.poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        match self.line.cut.load(Ordering::Relaxed) {
            0 => return Poll::Ready(Ok(())),
            CUT_RST => socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO))?,
            _ => ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?,
        }
        // hyper gives the connection up and drops the socket, which sends what the kernel was told to.
        Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by a fault")))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
