//! The front door: what a gateway is made of, and how it is started.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::access::{Access, Credential, Key};
use crate::limits::{Clocks, Limits};
use crate::server;
use crate::service::Service;
use crate::upstream::{NotAnUpstream, Upstream};

/// A gateway that is ready to serve. See the [crate documentation](crate).
#[derive(Debug)]
pub struct Gateway {
    service: Arc<Service>,
}

/// What a gateway is to be like.
#[derive(Clone, Debug)]
pub struct Builder {
    upstream: String,
    answers: String,
    access: Access,
    limits: Limits,
    clocks: Clocks,
}

/// A gateway that cannot be built as asked.
#[derive(Debug, thiserror::Error)]
#[error("the upstream `{url}` cannot be used: {reason}")]
#[non_exhaustive]
pub struct BuildError {
    url: String,
    #[source]
    reason: NotAnUpstream,
}

/// A gateway that cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Other machines could ask without a key.
    #[error(
        "{0} can be reached from other machines and no client keys are set: set client keys, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// The listener does not work.
    #[error("the listener does not work: {0}")]
    Listener(#[from] io::Error),
}

impl Gateway {
    /// A gateway to the service at `upstream`, such as `https://api.anthropic.com`: no keys, default limits.
    #[must_use]
    pub fn builder(upstream: impl Into<String>) -> Builder {
        Builder {
            upstream: upstream.into(),
            answers: "the service that this gateway was given".to_owned(),
            access: Access::default(),
            limits: Limits::default(),
            clocks: Clocks::default(),
        }
    }

    /// Whether the gateway may listen there: an address that other machines can reach needs client keys.
    ///
    /// # Errors
    /// [`RunError::Open`].
    pub fn may_listen(&self, address: SocketAddr) -> Result<(), RunError> {
        if address.ip().is_loopback() || self.service.access.asks_for_keys() {
            Ok(())
        } else {
            Err(RunError::Open(address))
        }
    }

    /// Serves until `shutdown` is ready, and then until the streams that run have ended, for [`Clocks::drain`] at most; what still runs
    /// then is ended with an `error` event.
    ///
    /// # Errors
    /// As [`may_listen`](Self::may_listen), and when the listener has no address.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), RunError> {
        self.may_listen(listener.local_addr()?)?;
        server::run(self.service, listener, shutdown).await;
        Ok(())
    }

    /// Starts it on a free port of the loopback interface, as a task of the current runtime.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn spawn(self) -> Result<Handle, RunError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            if let Err(error) = self.run(listener, stopped).await {
                tracing::error!(%error, "the gateway stopped");
            }
        });
        Ok(Handle { address, stop, task })
    }
}

impl Builder {
    /// The key that goes up in place of the client's, as `x-api-key`.
    #[must_use]
    pub fn upstream_key(mut self, key: Key) -> Self {
        self.access.upstream = Some(Credential::ApiKey(key));
        self
    }

    /// The token that goes up in place of the client's credential, as `Authorization: Bearer`.
    #[must_use]
    pub fn upstream_token(mut self, token: Key) -> Self {
        self.access.upstream = Some(Credential::Token(token));
        self
    }

    /// Who answers, as the page at `GET /` says it after "Answers come from": whoever can reach the gateway can read it.
    #[must_use]
    pub fn answers_from(mut self, words: impl Into<String>) -> Self {
        self.answers = words.into();
        self
    }

    /// Adds a key that clients may show. Without any, no key is asked for, and only programs of this machine are answered.
    #[must_use]
    pub fn client_key(mut self, key: Key) -> Self {
        self.access.clients.push(key);
        self
    }

    /// See [`Limits`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// See [`Clocks`].
    #[must_use]
    pub fn clocks(mut self, clocks: Clocks) -> Self {
        self.clocks = clocks;
        self
    }

    /// The gateway.
    ///
    /// # Errors
    /// When the upstream's address is none.
    pub fn build(self) -> Result<Gateway, BuildError> {
        let upstream = Upstream::new(&self.upstream, self.clocks.connect)
            .map_err(|reason| BuildError { url: self.upstream, reason })?;
        let service = Service {
            access: self.access,
            limits: self.limits,
            clocks: self.clocks,
            upstream,
            answers: self.answers,
            draining: CancellationToken::new(),
            ending: CancellationToken::new(),
        };
        Ok(Gateway { service: Arc::new(service) })
    }
}

/// A gateway that runs in the background and begins to stop when this is dropped.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
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
