//! The front door: how a gateway is built, started and stopped.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::builder::Builder;
use crate::lanes::Lanes;
use crate::reload::{self, Current, Reloader};
use crate::unable::{BuildError, RunError};
use crate::upstream::UpstreamOptions;
use crate::{grammars, server};

/// A gateway that is ready to serve. See the [crate documentation](crate).
#[derive(Debug)]
pub struct Gateway {
    current: Arc<Current>,
    threads: usize,
}

impl Gateway {
    /// A gateway to the service at `upstream`, such as `https://api.anthropic.com`: no keys, default limits.
    #[must_use]
    pub fn builder(upstream: impl Into<String>) -> Builder {
        Self::builder_with(UpstreamOptions::new("main", upstream))
    }

    /// As [`builder`](Self::builder), with a first upstream that has a name, models or a credential of its own.
    #[must_use]
    pub fn builder_with(upstream: UpstreamOptions) -> Builder {
        Builder::new(upstream)
    }

    /// Whether the gateway may listen there: an address that other machines can reach needs client keys.
    ///
    /// # Errors
    /// [`RunError::Open`].
    pub fn may_listen(&self, address: SocketAddr) -> Result<(), RunError> {
        reload::may_listen(&self.current.service(), address)
    }

    /// What gives it other settings once it runs.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader(Arc::clone(&self.current))
    }

    /// Serves until `shutdown` is ready, and then until the streams that run have ended, for [`Clocks::drain`](crate::Clocks::drain) at most; what still runs
    /// then is ended with an `error` event.
    ///
    /// # Errors
    /// As [`may_listen`](Self::may_listen), and when the listener has no address.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), RunError> {
        let address = listener.local_addr()?;
        self.may_listen(address)?;
        self.current.set_listening(address);
        let lanes = Lanes::start(self.threads)?;
        grammars::load();
        server::run(self.current, listener, shutdown, &lanes).await;
        Ok(())
    }

    /// Starts it on a free port of the loopback interface, as a task of the current runtime.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn spawn(self) -> Result<Handle, RunError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let reloader = self.reloader();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            if let Err(error) = self.run(listener, stopped).await {
                tracing::error!(%error, "the gateway stopped");
            }
        });
        Ok(Handle { address, stop, task, reloader })
    }
}

impl Builder {
    /// The gateway.
    ///
    /// # Errors
    /// When the upstream's address is none, an origin is none, or the system has no random bytes.
    pub fn build(self) -> Result<Gateway, BuildError> {
        let threads = self.threads;
        Ok(Gateway { current: Current::new(self.service(None)?), threads })
    }
}

/// A gateway that runs in the background and begins to stop when this is dropped.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
    reloader: Reloader,
}

impl Handle {
    /// `http://127.0.0.1:PORT`, what a client takes as its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to stop, and waits until its last stream has ended.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // The task ends by itself; that it was cancelled with its runtime is an end as well.
        drop((&mut self.task).await);
    }

    /// Gives it other settings; see [`Reloader::reload`].
    ///
    /// # Errors
    /// As [`Reloader::reload`].
    pub fn reload(&self, builder: Builder) -> Result<(), BuildError> {
        self.reloader.reload(builder)
    }

    /// Asks it to stop.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
