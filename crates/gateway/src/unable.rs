//! Why a gateway cannot be built, or cannot run.

use std::io;
use std::net::SocketAddr;

#[cfg(feature = "otel")]
use crate::traces::Unexportable;
use crate::upstream::NotAnUpstream;

/// A gateway that cannot be built as asked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BuildError(#[from] Unbuildable);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Unbuildable {
    #[error("the upstream `{url}` cannot be used: {reason}")]
    Upstream {
        url: String,
        #[source]
        reason: NotAnUpstream,
    },
    #[error("the system gives no random bytes for a secret: {0}")]
    Secret(#[source] io::Error),
    #[error("{0}")]
    Open(#[source] RunError),
    #[cfg(feature = "otel")]
    #[error(transparent)]
    Traces(Unexportable),
    #[error("`{0}` is no origin; give one like https://app.example, without a path")]
    Origin(String),
}

impl BuildError {
    pub(crate) fn open(error: RunError) -> Self {
        Self(Unbuildable::Open(error))
    }
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
    /// The listener does not work, or no thread can be started.
    #[error("the gateway cannot be started: {0}")]
    Listener(#[from] io::Error),
}
