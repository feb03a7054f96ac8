//! The front door: what a gateway is made of, and how it is started.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::HeaderValue;
use perennial_history::History;
use perennial_ledger::Ledger;
use perennial_log::{Log, MemoryLog, MemoryOptions};
use perennial_recovery::RetryBucket;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::access::{Access, Key, Secret};
use crate::conversations::{FetchPolicy, Rooms};
use crate::fallback::{Cache, Fallback};
use crate::generation::{Guard, OnDisconnect, Recovery};
use crate::lanes::Lanes;
use crate::limits::{Clocks, Limits};
use crate::metrics::Metrics;
use crate::reload::{self, Current, Reloader};
use crate::service::{Mode, Service};
use crate::traces::Traces;
#[cfg(feature = "otel")]
use crate::traces::{TraceOptions, Unexportable};
use crate::upstream::{BreakerPolicy, Fleet, NotAnUpstream, UpstreamOptions};
use crate::{grammars, server};

/// A gateway that is ready to serve. See the [crate documentation](crate).
#[derive(Debug)]
pub struct Gateway {
    current: Arc<Current>,
    threads: usize,
}

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
    threads: usize,
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

/// A gateway that cannot be built as asked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BuildError(#[from] Unbuildable);

#[derive(Debug, thiserror::Error)]
enum Unbuildable {
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

impl Gateway {
    /// A gateway to the service at `upstream`, such as `https://api.anthropic.com`: no keys, default limits.
    #[must_use]
    pub fn builder(upstream: impl Into<String>) -> Builder {
        Self::builder_with(UpstreamOptions::new("main", upstream))
    }

    /// As [`builder`](Self::builder), with a first upstream that has a name, models or a credential of its own.
    #[must_use]
    pub fn builder_with(upstream: UpstreamOptions) -> Builder {
        Builder {
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
    /// served on the runtime that [`run`](Gateway::run) is called on.
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

    /// The gateway.
    ///
    /// # Errors
    /// When the upstream's address is none, an origin is none, or the system has no random bytes.
    pub fn build(self) -> Result<Gateway, BuildError> {
        let threads = self.threads;
        Ok(Gateway { current: Current::new(self.service(None)?), threads })
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
