//! The front door: what a simulator is made of, and how it is started.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::desk::Desk;
use crate::journal::{Journal, JournalLimits};
use crate::orders::{NotAnOrder, Orders};
use crate::pace::Pace;
use crate::replay::Recordings;
use crate::scenario::Scenario;
use crate::server;

/// A simulator that is ready to serve. See the [crate documentation](crate).
#[derive(Debug)]
pub struct Simulator {
    desk: Arc<Desk>,
}

/// What a simulator is to be like.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    seed: u64,
    pace: Pace,
    orders: String,
    replay: Option<PathBuf>,
    scenario: Scenario,
    journal: JournalLimits,
}

/// A simulator that cannot be built as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The folder of recordings cannot be read.
    #[error("the folder of recordings {} cannot be read: {source}", folder.display())]
    Recordings {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The orders for every request are none.
    #[error("orders: {0}")]
    Orders(#[from] NotAnOrder),
    /// No address could be bound.
    #[error("no loopback address could be bound: {0}")]
    Bind(io::Error),
}

impl Simulator {
    /// The real pace, seed 0, no recordings, no faults.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What was asked and answered so far.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.desk.journal.clone()
    }

    /// Serves until `shutdown` is ready; connections that are open then are closed.
    ///
    /// # Errors
    ///
    /// When the listener has no address.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        server::run(self.desk, listener, shutdown).await
    }
}

impl Builder {
    /// Same seed, same answers, waits and faults.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How fast answers come, unless a request says otherwise.
    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Requests for model `replay:NAME` are answered with the bytes of `folder/NAME.sse`.
    #[must_use]
    pub fn replay_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.replay = Some(folder.as_ref().to_owned());
        self
    }

    /// Orders for every request, in the words of the header `perennial-sim`: `status=529,rate=0.1` for instance.
    #[must_use]
    pub fn orders(mut self, orders: impl Into<String>) -> Self {
        self.orders = orders.into();
        self
    }

    /// What is answered to which request.
    #[must_use]
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }

    /// How much the journal keeps.
    #[must_use]
    pub fn journal(mut self, limits: JournalLimits) -> Self {
        self.journal = limits;
        self
    }

    /// The simulator.
    ///
    /// # Errors
    ///
    /// When the folder of recordings cannot be read, or the orders are none.
    pub fn build(self) -> Result<Simulator, BuildError> {
        let recordings = match &self.replay {
            None => None,
            Some(folder) => Some(
                Recordings::open(folder)
                    .map_err(|source| BuildError::Recordings { folder: folder.clone(), source })?,
            ),
        };
        self.orders.parse::<Orders>()?;
        let journal = Journal::new(self.journal);
        let desk = Desk::new(self.seed, self.pace, self.orders, recordings, self.scenario, journal);
        Ok(Simulator { desk: Arc::new(desk) })
    }

    /// Builds and starts the simulator on a free port of the loopback interface, as a task of the current runtime.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`], and when no port can be bound.
    pub async fn spawn(self) -> Result<Handle, BuildError> {
        let simulator = self.build()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(BuildError::Bind)?;
        let address = listener.local_addr().map_err(BuildError::Bind)?;
        let journal = simulator.journal();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            // Either a message or the end of the handle stops it.
            let stopped = async { drop(stopped.await) };
            if let Err(error) = simulator.run(listener, stopped).await {
                tracing::error!(%error, "the simulator stopped");
            }
        });
        Ok(Handle { address, journal, stop: Some(stop), task })
    }
}

/// A simulator that runs in the background and stops when this is dropped.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    journal: Journal,
    stop: Option<oneshot::Sender<()>>,
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

    /// What was asked and answered so far.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Stops it and waits until its port is free and its connections are closed.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        // The task ends by itself; that it was cancelled with its runtime is an end as well.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}
