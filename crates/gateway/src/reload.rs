//! The gateway as it is at the moment, and how it becomes another while it runs.
//!
//! A [`Service`] never changes. New settings make a new one, which shares with the one before what is no setting: the streams that run, the log, the
//! ledger, connections to upstreams. Every request takes the one that it finds and keeps it, so nothing that is under way is touched.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use parking_lot::RwLock;

use crate::builder::Builder;
use crate::routes;
use crate::service::Service;
use crate::unable::{BuildError, RunError};

/// What every connection looks at for each request.
pub(crate) struct Current {
    now: RwLock<Now>,
    /// Where it listens, once it does.
    listening: OnceLock<SocketAddr>,
}

#[derive(Clone)]
struct Now {
    service: Arc<Service>,
    router: Router,
}

/// Gives a gateway other settings while it runs. From [`Gateway::reloader`](crate::Gateway::reloader); may be cloned.
///
/// ```
/// use perennial_gateway::{Gateway, OnDisconnect};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let gateway = Gateway::builder("https://api.anthropic.com").build()?;
/// let reloader = gateway.reloader();
/// let running = gateway.spawn().await?;
/// reloader.reload(Gateway::builder("https://api.anthropic.com").on_disconnect(OnDisconnect::Detach))?;
/// # running.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reloader(pub(crate) Arc<Current>);

impl Current {
    pub(crate) fn new(service: Service) -> Arc<Self> {
        Arc::new(Self { now: RwLock::new(Now::new(service)), listening: OnceLock::new() })
    }

    pub(crate) fn service(&self) -> Arc<Service> {
        Arc::clone(&self.now.read().service)
    }

    pub(crate) fn router(&self) -> Router {
        self.now.read().router.clone()
    }

    pub(crate) fn set_listening(&self, address: SocketAddr) {
        // It listens once.
        let _ = self.listening.set(address);
    }
}

impl Reloader {
    /// What is asked from now on is answered with these settings; what was asked before, with those that it began with, to its end.
    ///
    /// All settings are taken from `builder` but a few, which stay as they are: the log, the ledger, the history, the secret, the threads and where traces go. Retries that were saved up
    /// and breakers are kept where their own settings, or their upstreams, are the same as before.
    ///
    /// # Errors
    /// As [`Builder::build`]; and where it would be left open to other machines without keys. Then nothing has changed.
    pub fn reload(&self, builder: Builder) -> Result<(), BuildError> {
        // One after the other: what is shared comes from the one before.
        let mut now = self.0.now.write();
        let next = Now::new(builder.service(Some(&now.service))?);
        if let Some(address) = self.0.listening.get() {
            may_listen(&next.service, *address).map_err(BuildError::open)?;
        }
        next.service.be_latest();
        *now = next;
        Ok(())
    }
}

/// Other machines need a key.
pub(crate) fn may_listen(service: &Service, address: SocketAddr) -> Result<(), RunError> {
    if address.ip().is_loopback() || service.access.asks_for_keys() {
        Ok(())
    } else {
        Err(RunError::Open(address))
    }
}

impl Now {
    fn new(service: Service) -> Self {
        let service = Arc::new(service);
        Self { router: routes::router(Arc::clone(&service)), service }
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("listening", &self.listening.get()).finish_non_exhaustive()
    }
}
