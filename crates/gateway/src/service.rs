//! What every request shares.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use parking_lot::RwLock;
use perennial_ledger::Ledger;
use perennial_log::Log;
use perennial_protocol::ErrorKind;
use perennial_recovery::RetryBucket;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::conversations::{FetchPolicy, Rooms};
use crate::face::Renderings;
use crate::fallback::{Cache, Fallback};
use crate::generation::{Guard, Live, Recovery};
use crate::limits::{Clocks, Limits};
use crate::metrics::Metrics;
use crate::policy::OnDisconnect;
use crate::refusal::Refusal;
use crate::streams::IdempotencyKeys;
use crate::traces::Traces;
use crate::upstream::{Fleet, UpstreamBody, UpstreamFailure};

/// Who answers, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// A service.
    #[default]
    Live,
    /// A simulator.
    Simulated,
}

impl Mode {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Simulated => "sim",
        }
    }
}

/// One state of the settings, and what all of them share. It never changes: [`Reloader`](crate::Reloader) makes another one.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    pub(crate) clocks: Clocks,
    pub(crate) recovery: Recovery,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) guard: Guard,
    pub(crate) traces: Traces,
    pub(crate) fleet: Fleet,
    /// How much of the traffic may be further attempts.
    pub(crate) retries: Arc<RetryBucket>,
    /// What is spent, and by whom, where that is kept.
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) fallback: Fallback,
    pub(crate) cache: Cache,
    /// Who answers, in words for people.
    pub(crate) answers: String,
    /// Where streams are kept.
    pub(crate) log: Arc<dyn Log>,
    /// The streams that run here.
    pub(crate) live: Arc<Live>,
    /// What is rendered of the streams that somebody views.
    pub(crate) renderings: Arc<Renderings>,
    /// Conversations, where they are kept.
    pub(crate) rooms: Option<Arc<Rooms>>,
    /// From where the tool `fetch` may fetch.
    pub(crate) fetch: FetchPolicy,
    /// Who answers, for pages.
    pub(crate) mode: Mode,
    /// What becomes of a drop-in's stream when its client goes, where the request does not say.
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) idempotency: Arc<IdempotencyKeys>,
    /// What earlier processes left is settled.
    pub(crate) settled: CancellationToken,
    /// The wish to stop: no new connections, `/readyz` says no.
    pub(crate) draining: CancellationToken,
    pub(crate) latest: Latest,
}

/// The service whose settings hold for what is asked now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latest(Arc<RwLock<Weak<Service>>>);

impl Service {
    /// This one's settings hold from now on.
    pub(crate) fn be_latest(self: &Arc<Self>) {
        *self.latest.0.write() = Arc::downgrade(self);
    }

    /// For those who ask more than once and hold a service for longer, such as sockets.
    pub(crate) fn latest(self: &Arc<Self>) -> Arc<Self> {
        self.latest.0.read().upgrade().unwrap_or_else(|| Arc::clone(self))
    }

    /// Asks one of the upstreams, with headers that are meant to go up, and waits for the head of its answer.
    pub(crate) async fn ask(
        &self,
        upstream: usize,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<UpstreamBody>, UpstreamFailure> {
        let member = self.fleet.get(upstream).ok_or(UpstreamFailure::Address)?;
        let sent = member.upstream.send(method, path, headers, body);
        tokio::time::timeout(self.clocks.first_byte, sent).await.unwrap_or(Err(UpstreamFailure::FirstByte))
    }

    /// Sends a request that is no stream to the first upstream.
    pub(crate) async fn pass(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        body: Bytes,
        client: &HeaderMap,
    ) -> Result<http::Response<UpstreamBody>, Refusal> {
        let first = self.fleet.first();
        headers.extend(self.fleet.credential(first, client));
        let answer =
            self.ask(first, method, path, headers, body).await.map_err(|failure| {
                let upstream = self.fleet.name(first);
                tracing::warn!(upstream, error = %failure, cause = %failure.root(), "the upstream cannot be asked");
                self.refusal(&failure)
            })?;
        match unusable(answer.status(), answer.headers()) {
            Some(refusal) => Err(refusal),
            None => Ok(answer),
        }
    }

    /// What a client is told where an upstream cannot be asked.
    pub(crate) fn refusal(&self, failure: &UpstreamFailure) -> Refusal {
        match failure {
            UpstreamFailure::FirstByte => {
                let seconds = self.clocks.first_byte.as_secs();
                let message = format!("the upstream did not answer within {seconds} s");
                Refusal::new(504, ErrorKind::Timeout, message)
            }
            UpstreamFailure::ConnectTimeout => {
                Refusal::new(504, ErrorKind::Timeout, "no connection to the upstream could be made in time")
            }
            UpstreamFailure::Connect(_) => {
                Refusal::new(502, ErrorKind::Api, "no connection to the upstream could be made")
            }
            UpstreamFailure::Address => {
                Refusal::invalid("the path of the request cannot be sent to the upstream")
            }
            UpstreamFailure::Broken(_) | UpstreamFailure::Client(_) => {
                Refusal::new(502, ErrorKind::Api, "the upstream closed the connection without an answer")
            }
        }
    }
}

/// A client that follows a redirect would take its key, or one of this gateway's, to another host; and nobody here changes protocols.
pub(crate) fn unusable(status: StatusCode, headers: &HeaderMap) -> Option<Refusal> {
    let message = if status.is_redirection() && headers.contains_key(LOCATION) {
        tracing::warn!(status = status.as_u16(), to = ?headers[LOCATION], "the upstream redirects");
        "the upstream redirects to another address; the gateway must be given that one".to_owned()
    } else if status.is_informational() {
        format!("the upstream answered {}, which was not asked for", status.as_u16())
    } else {
        return None;
    };
    Some(Refusal::new(502, ErrorKind::Api, message))
}
