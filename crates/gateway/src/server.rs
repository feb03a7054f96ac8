//! The accept loop, the connections, and their end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::farewell::turn_away;
use crate::lanes::Lanes;
use crate::limits::{BUFFER_BYTES, MaxConnections};
use crate::outlet::Outlet;
use crate::reload::Current;
use crate::seat::Seat;
use crate::{conversations, generation};

/// After a failed accept (no file descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// From the `error` event that ends a stream at shutdown to the end of its connection.
const LAST_WRITES: Duration = Duration::from_secs(5);

pub(crate) async fn run(
    current: Arc<Current>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
    lanes: &Lanes,
) {
    // What is asked of it holds for all settings.
    let service = current.service();
    #[cfg(feature = "otel")]
    service.traces.start(&service.log);
    // Beside the accepting: who reads or stops a stream that is not settled yet waits for it, and nobody else.
    let settling = Arc::clone(&service);
    let settling = tokio::spawn(async move {
        generation::settle(&settling).await;
        // Their turns are followed from here on, and what follows from that is begun.
        conversations::settle(&settling).await;
        settling.settled.cancel();
    });
    // How many may be taken is a setting.
    let seats = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    let mut connections = JoinSet::new();
    let taken = TaskTracker::new();
    let over = CancellationToken::new();
    // However this ends.
    let _over = over.clone().drop_guard();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => match take(&seats, current.service().limits.connections) {
                    Some(permit) => {
                        let seat = Arc::new(Seat::new(permit, taken.token(), over.clone()));
                        let served = serve(Arc::clone(&current), socket, seat);
                        connections.spawn_on(served, &lanes.next());
                    }
                    None => {
                        let service = current.service();
                        connections.spawn(async move { turn_away(socket, &service.access.origins).await });
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    service.draining.cancel();
    settling.abort();
    service.settled.cancel();
    // Streams that nobody reads are waited for as well.
    let ended = async {
        while connections.join_next().await.is_some() {}
        // Those that are WebSockets by now.
        taken.close();
        taken.wait().await;
        service.live.ended().await;
        if let Some(rooms) = &service.rooms {
            rooms.ended().await;
        }
    };
    let mut ended = std::pin::pin!(ended);
    if tokio::time::timeout(current.service().clocks.drain, &mut ended).await.is_err() {
        tracing::warn!("streams that still run are ended");
        service.live.stop_all();
        if tokio::time::timeout(LAST_WRITES, ended).await.is_err() {
            tracing::warn!("connections whose clients do not read are closed");
        }
    }
    #[cfg(feature = "otel")]
    service.traces.close().await;
}

/// A seat, if one is left. Nobody else takes any.
fn take(seats: &Arc<Semaphore>, most: MaxConnections) -> Option<OwnedSemaphorePermit> {
    let taken = Semaphore::MAX_PERMITS - seats.available_permits();
    (taken < most.0).then(|| Arc::clone(seats).try_acquire_owned().ok())?
}

async fn serve(current: Arc<Current>, socket: TcpStream, seat: Arc<Seat>) {
    let socket = match taken_over(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::debug!(%error, "the client left before it was served");
            return;
        }
    };
    let service = current.service();
    let answer = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&seat));
        // Settings may be others than those of the request before.
        current.router().oneshot(request.map(Body::new))
    });
    let outlet = Outlet::new(socket, service.clocks.reader);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(service.clocks.header_read)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(outlet), answer)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = service.draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        // Clients that leave end here.
        tracing::debug!(%error, "a connection ended");
    }
}

/// The socket with this lane's events in place of those of the runtime that accepted it.
fn taken_over(socket: TcpStream) -> std::io::Result<TcpStream> {
    socket.set_nodelay(true)?;
    TcpStream::from_std(socket.into_std()?)
}
