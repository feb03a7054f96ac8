//! What every request shares.

use std::sync::Arc;

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, Method};
use perennial_log::Log;
use perennial_protocol::ErrorKind;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::generation::{Live, OnDisconnect};
use crate::limits::{Clocks, Limits};
use crate::refusal::Refusal;
use crate::streams::IdempotencyKeys;
use crate::upstream::{Upstream, UpstreamBody, UpstreamFailure};

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    pub(crate) clocks: Clocks,
    pub(crate) upstream: Upstream,
    /// Who answers, in words for people.
    pub(crate) answers: String,
    /// Where streams are kept.
    pub(crate) log: Arc<dyn Log>,
    /// The streams that run here.
    pub(crate) live: Live,
    /// What becomes of a drop-in's stream when its client goes, where the request does not say.
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) idempotency: IdempotencyKeys,
    /// What earlier processes left is settled.
    pub(crate) settled: CancellationToken,
    /// The wish to stop: no new connections, `/readyz` says no.
    pub(crate) draining: CancellationToken,
}

impl Service {
    /// Sends a request up, with headers that are meant to, and waits for the head of the answer.
    pub(crate) async fn up(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<UpstreamBody>, Refusal> {
        let sent = self.upstream.send(method, path, headers, body);
        match tokio::time::timeout(self.clocks.first_byte, sent).await {
            Ok(Ok(answer)) => usable(answer),
            Ok(Err(failure)) => {
                tracing::warn!(error = %failure, cause = %failure.root(), "the upstream cannot be asked");
                Err(refusal(&failure))
            }
            Err(_) => {
                let message =
                    format!("the upstream did not answer within {} s", self.clocks.first_byte.as_secs());
                Err(Refusal::new(504, ErrorKind::Timeout, message))
            }
        }
    }
}

/// A client that follows a redirect would take its key, or one of this gateway's, to another host; and nobody here changes protocols.
fn usable(answer: http::Response<UpstreamBody>) -> Result<http::Response<UpstreamBody>, Refusal> {
    let status = answer.status();
    if status.is_redirection() && answer.headers().contains_key(LOCATION) {
        tracing::warn!(status = status.as_u16(), to = ?answer.headers()[LOCATION], "the upstream redirects");
        let message = "the upstream redirects to another address; the gateway must be given that one";
        return Err(Refusal::new(502, ErrorKind::Api, message));
    }
    if status.is_informational() {
        let message = format!("the upstream answered {}, which was not asked for", status.as_u16());
        return Err(Refusal::new(502, ErrorKind::Api, message));
    }
    Ok(answer)
}

fn refusal(failure: &UpstreamFailure) -> Refusal {
    match failure {
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
