//! The accept loop: one hyper connection per socket, each with a line by which its handler can break it.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::desk::Desk;
use crate::line::{Line, Wire};
use crate::routes;

/// Large enough for any header, small enough that what was handed to a connection is nearly what was sent.
const CONNECTION_BUFFER_BYTES: usize = 64 * 1024;
/// A client that takes longer to send its headers is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// After a failed accept (no file descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(crate) async fn run(
    desk: Arc<Desk>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    tracing::debug!(address = %listener.local_addr()?, "the simulator listens");
    let router = routes::router(Arc::clone(&desk));
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => {
                // Before the connections are dropped: it is not their clients who leave.
                desk.journal.stop();
                return Ok(());
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(serve(socket, router.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn serve(socket: TcpStream, router: Router) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "the peer left before it was served");
        return;
    }
    let line = Arc::new(Line::default());
    let wire = TokioIo::new(Wire::new(socket, Arc::clone(&line)));
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Arc::clone(&line));
        router.clone().oneshot(request.map(axum::body::Body::new) as Request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .serve_connection(wire, service)
        .await;
    if let Err(error) = served {
        // Clients that leave and cuts by fault end here; the journal knows which.
        tracing::debug!(%error, "a connection ended");
    }
}
