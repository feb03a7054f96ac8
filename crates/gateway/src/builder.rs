//! What a gateway is to be like, and the service that comes of it.

use std::sync::Arc;

use http::HeaderValue;
use perennial_history::History;
use perennial_ledger::Ledger;
use perennial_log::{Log, MemoryLog, MemoryOptions};
use perennial_recovery::RetryBucket;

use crate::access::{Access, Key, Secret};
use crate::conversations::{FetchPolicy, Rooms};
use crate::fallback::{Cache, Fallback};
use crate::generation::{Guard, Recovery};
use crate::limits::{Clocks, Limits};
use crate::metrics::Metrics;
use crate::policy::OnDisconnect;
use crate::service::{Mode, Service};
#[cfg(feature = "otel")]
use crate::traces::TraceOptions;
use crate::traces::Traces;
use crate::unable::{BuildError, Unbuildable};
use crate::upstream::{BreakerPolicy, Fleet, UpstreamOptions};

/// What a gateway is to be like.
#[derive(Clone, Debug)]
pub struct Builder {
    upstreams: Vec<UpstreamOptions>,
    answers: String,
    clients: Vec<Key>,
    operators: Vec<Key>,
    origins: Vec<HeaderValue>,
    secret: Option<Secret>,
    log: Option<Arc<dyn Log>>,
    on_disconnect: OnDisconnect,
    pub(crate) threads: usize,
    limits: Limits,
    clocks: Clocks,
    recovery: Recovery,
    breaker: BreakerPolicy,
    fallback: Fallback,
    ledger: Option<Arc<Ledger>>,
    guard: Guard,
    history: Option<History>,
    fetch: FetchPolicy,
    mode: Mode,
    #[cfg(feature = "otel")]
    traces: Option<TraceOptions>,
}

impl Builder {
    pub(crate) fn new(upstream: UpstreamOptions) -> Self {
        Self {
            upstreams: vec![upstream],
            answers: "the service that this gateway was given".to_owned(),
            clients: Vec::new(),
            operators: Vec::new(),
            origins: Vec::new(),
            secret: None,
            log: None,
            on_disconnect: OnDisconnect::default(),
            threads: 0,
            limits: Limits::default(),
            clocks: Clocks::default(),
            recovery: Recovery::default(),
            breaker: BreakerPolicy::default(),
            fallback: Fallback::default(),
            ledger: None,
            guard: Guard::default(),
            history: None,
            fetch: FetchPolicy::default(),
            mode: Mode::default(),
            #[cfg(feature = "otel")]
            traces: None,
        }
    }

    /// The key that goes up in place of the client's, as `x-api-key`.
    #[must_use]
    pub fn upstream_key(mut self, key: Key) -> Self {
        if let Some(first) = self.upstreams.first_mut() {
            *first = first.clone().key(key);
        }
        self
    }

    /// The token that goes up in place of the client's credential, as `Authorization: Bearer`.
    #[must_use]
    pub fn upstream_token(mut self, token: Key) -> Self {
        if let Some(first) = self.upstreams.first_mut() {
            *first = first.clone().token(token);
        }
        self
    }

    /// Adds another upstream. Which one is asked is a matter of their order, their weights and their models; where one fails, the next is.
    #[must_use]
    pub fn upstream(mut self, upstream: UpstreamOptions) -> Self {
        self.upstreams.push(upstream);
        self
    }

    /// See [`Recovery`].
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// See [`Guard`].
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Where each attempt gets its row, and whose virtual keys are admitted; without one nothing is counted.
    #[must_use]
    pub fn ledger(mut self, ledger: Arc<Ledger>) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// Where conversations are kept; without one there are none, and `/v1/conversations` says so.
    #[must_use]
    pub fn history(mut self, history: History) -> Self {
        self.history = Some(history);
        self
    }

    /// From where the tool `fetch` of conversations may fetch; nowhere, unless this says otherwise.
    #[must_use]
    pub fn fetch(mut self, policy: FetchPolicy) -> Self {
        self.fetch = policy;
        self
    }

    /// Who answers, for pages that say so. [`Mode::Live`].
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// See [`Fallback`].
    #[must_use]
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        self.fallback = fallback;
        self
    }

    /// See [`BreakerPolicy`].
    #[must_use]
    pub fn breaker(mut self, policy: BreakerPolicy) -> Self {
        self.breaker = policy;
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
        self.clients.push(key);
        self
    }

    /// Adds a key that may do what a client key may, and read and stop the streams of all others too.
    #[must_use]
    pub fn operator_key(mut self, key: Key) -> Self {
        self.operators.push(key);
        self
    }

    /// Adds an origin whose web pages may ask, such as `https://app.example`. Without any, pages of other origins are not answered.
    #[must_use]
    pub fn allow_origin(mut self, origin: &str) -> Self {
        // Judged when the gateway is built.
        self.origins
            .push(HeaderValue::from_str(origin.trim()).unwrap_or_else(|_| HeaderValue::from_static("")));
        self
    }

    /// Where streams are kept; without one in this process's memory, for a day, and gone with it.
    ///
    /// Streams that a process before this one left in it without an end are settled when the gateway runs.
    #[must_use]
    pub fn log(mut self, log: Arc<dyn Log>) -> Self {
        self.log = Some(log);
        self
    }

    /// The secret under which capability URLs are made; kept, they survive a restart. Without one they end with the process.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// What becomes of the stream of a `POST /v1/messages` whose client goes, where the request does not say. [`OnDisconnect::Cancel`].
    #[must_use]
    pub fn on_disconnect(mut self, policy: OnDisconnect) -> Self {
        self.on_disconnect = policy;
        self
    }

    /// How many threads of its own serve connections, each by itself: one for each core is best for a service. With 0, the default, they are
    /// served on the runtime that [`run`](crate::Gateway::run) is called on.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Where traces go; see [`TraceOptions`]. Without, none are made.
    #[cfg(feature = "otel")]
    #[must_use]
    pub fn traces(mut self, traces: TraceOptions) -> Self {
        self.traces = Some(traces);
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

    /// With a service `before` it, the new one shares what is no setting.
    pub(crate) fn service(self, before: Option<&Service>) -> Result<Service, BuildError> {
        let fleet =
            Fleet::new(self.upstreams, self.clocks.connect, self.breaker, before.map(|before| &before.fleet))
                .map_err(|(url, reason)| Unbuildable::Upstream { url, reason })?;
        if let Some(wrong) = self.origins.iter().find(|origin| !is_origin(origin)) {
            return Err(Unbuildable::Origin(String::from_utf8_lossy(wrong.as_bytes()).into_owned()).into());
        }
        let secret = match (before, self.secret) {
            (Some(before), _) => before.access.secret.clone(),
            (None, Some(secret)) => secret,
            (None, None) => Secret::random().map_err(Unbuildable::Secret)?,
        };
        let ledger = before.map_or(self.ledger, |before| before.ledger.clone());
        let access = Access {
            clients: self.clients,
            operators: self.operators,
            origins: self.origins,
            secret,
            ledger: ledger.clone(),
        };
        let traces = match before {
            Some(before) => before.traces.clone(),
            #[cfg(feature = "otel")]
            None => Traces::new(self.traces.as_ref()).map_err(Unbuildable::Traces)?,
            #[cfg(not(feature = "otel"))]
            None => Traces::default(),
        };
        let cache = self.fallback.cache.unwrap_or_default();
        let budget = self.recovery.budget;
        let retries = before.filter(|before| before.recovery.budget == budget);
        Ok(Service {
            access,
            limits: self.limits,
            clocks: self.clocks,
            recovery: self.recovery,
            fleet,
            cache: before.map_or_else(|| Cache::new(cache), |before| before.cache.under(cache)),
            fallback: self.fallback,
            ledger,
            guard: self.guard,
            traces,
            metrics: before.map_or_else(|| Arc::new(Metrics::new()), |before| Arc::clone(&before.metrics)),
            retries: retries
                .map_or_else(|| Arc::new(RetryBucket::new(budget)), |before| Arc::clone(&before.retries)),
            answers: self.answers,
            log: match before {
                Some(before) => Arc::clone(&before.log),
                None => self.log.unwrap_or_else(|| Arc::new(MemoryLog::new(MemoryOptions::default()))),
            },
            live: before.map(|before| Arc::clone(&before.live)).unwrap_or_default(),
            renderings: before.map(|before| Arc::clone(&before.renderings)).unwrap_or_default(),
            rooms: match before {
                Some(before) => before.rooms.clone(),
                None => self.history.map(|history| Arc::new(Rooms::new(history))),
            },
            fetch: self.fetch,
            mode: self.mode,
            on_disconnect: self.on_disconnect,
            idempotency: before.map(|before| Arc::clone(&before.idempotency)).unwrap_or_default(),
            settled: before.map(|before| before.settled.clone()).unwrap_or_default(),
            draining: before.map(|before| before.draining.clone()).unwrap_or_default(),
            latest: before.map(|before| before.latest.clone()).unwrap_or_default(),
        })
    }
}

/// `SCHEME://HOST[:PORT]`, as browsers write it.
fn is_origin(origin: &HeaderValue) -> bool {
    let uri = origin.to_str().ok().and_then(|origin| origin.parse::<http::Uri>().ok());
    uri.is_some_and(|uri| {
        uri.scheme().is_some()
            && uri.authority().is_some()
            && !origin.as_bytes().ends_with(b"/")
            && uri.path() == "/"
    })
}
