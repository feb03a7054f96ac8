//! Metrics: what happens here, in numbers, for Prometheus. Names of the GenAI conventions of OpenTelemetry where there are such, our own else.
//!
//! What a stream does for each event costs nothing here: it is counted once an attempt, or once in a while. What can be looked up is looked up when somebody asks.

mod names;
mod process;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use self::names::Model;
use self::names::{Breaker, Build, Cause, Ended, Kind, Mode, Models, State as StreamState, Token, Upstream};
use crate::request_id::RequestId;
use crate::service::Service;

/// In seconds; those of the conventions, and some above for long answers.
const BUCKETS: [f64; 14] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 10.24, 40.96, 163.84];

type Counts<L> = Family<L, Counter>;
type Times = Family<Model, Histogram, fn() -> Histogram>;

/// All that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    models: Mutex<Models>,
    causes: Mutex<Models>,
    first_token: Times,
    chunk: Times,
    duration: Times,
    tokens: Counts<Token>,
    ended: Counts<Ended>,
    attempts: Counts<Upstream>,
    retries: Counts<Cause>,
    recoveries: Counts<Mode>,
    seams_refused: Counter,
    stand_ins: Counts<Kind>,
    client_gone: Counter,
    upstream_cancels: Counter,
    pub(crate) log_bytes: Counter,
    streams: Family<StreamState, Gauge>,
    readers: Gauge,
    breakers: Family<Breaker, Gauge>,
    unwritten: Gauge,
    unwritten_answers: Gauge,
    memory: Gauge,
    cpu: Gauge<f64, AtomicU64>,
}

fn times() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let constructor: fn() -> Histogram = times;
        let mut metrics = Self {
            registry: Registry::default(),
            models: Mutex::default(),
            causes: Mutex::default(),
            first_token: Family::new_with_constructor(constructor),
            chunk: Family::new_with_constructor(constructor),
            duration: Family::new_with_constructor(constructor),
            tokens: Family::default(),
            ended: Family::default(),
            attempts: Family::default(),
            retries: Family::default(),
            recoveries: Family::default(),
            seams_refused: Counter::default(),
            stand_ins: Family::default(),
            client_gone: Counter::default(),
            upstream_cancels: Counter::default(),
            log_bytes: Counter::default(),
            streams: Family::default(),
            readers: Gauge::default(),
            breakers: Family::default(),
            unwritten: Gauge::default(),
            unwritten_answers: Gauge::default(),
            memory: Gauge::default(),
            cpu: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        macro_rules! register {
            ($($metric:ident $name:literal $help:literal;)*) => { $(
                registry.register($name, $help, self.$metric.clone());
            )* };
        }
        macro_rules! seconds {
            ($($metric:ident $name:literal $help:literal;)*) => { $(
                registry.register_with_unit($name, $help, Unit::Seconds, self.$metric.clone());
            )* };
        }
        seconds! {
            first_token "gen_ai_server_time_to_first_token" "From the request to the first content of the answer";
            chunk "gen_ai_server_time_per_output_chunk" "Between two reads that brought events, one of sixteen looked at";
            duration "gen_ai_server_request_duration" "From the request to the last record";
        }
        register! {
            tokens "gen_ai_client_token_usage" "Tokens that upstreams reported, by type";
            ended "perennial_streams_ended" "Streams by how they ended";
            attempts "perennial_attempts" "Attempts by upstream and by what they came to";
            retries "perennial_retries" "Attempts that were followed by another, by why";
            recoveries "perennial_recoveries" "Attempts that were joined to what readers had, by how";
            seams_refused "perennial_seams_refused" "Attempts that could not be joined to what readers had";
            stand_ins "perennial_stand_ins" "Answers that something kept stood in for";
            client_gone "perennial_client_gone" "Streams that were stopped since nobody read them any more";
            upstream_cancels "perennial_upstream_cancels" "Answers of upstreams that were closed before their end";
            log_bytes "perennial_log_bytes" "Bytes appended to the log";
            streams "perennial_streams" "Streams that run, by state";
            readers "perennial_readers" "Readers of streams that run";
            breakers "perennial_breaker_state" "0 closed, 1 half open, 2 open";
            unwritten "perennial_ledger_unwritten" "Rows of the ledger that are not in the database yet";
            unwritten_answers "perennial_history_unwritten" "Answers that have ended and that the history does not take so far";
            memory "process_resident_memory_bytes" "Memory in use, where the system says it";
            cpu "perennial_process_cpu_seconds" "Processor time, where the system says it";
        }
        let build: Family<Build, Gauge> = Family::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("perennial_build_info", "The version that runs", build);
    }

    /// The labels of one stream's attempts at an upstream.
    pub(crate) fn labels(&self, model: Option<&str>, upstream: &str) -> Model {
        let model = self.models.lock().label(model.unwrap_or_default());
        Model { gen_ai_request_model: model, upstream: upstream.into() }
    }

    pub(crate) fn first_token(&self, labels: &Model, after: Duration) {
        self.first_token.get_or_create(labels).observe(after.as_secs_f64());
    }

    pub(crate) fn chunk(&self, labels: &Model, gap: Duration) {
        self.chunk.get_or_create(labels).observe(gap.as_secs_f64());
    }

    /// An attempt is over.
    pub(crate) fn attempt(
        &self,
        labels: &Model,
        result: &'static str,
        usage: Option<&perennial_protocol::Usage>,
    ) {
        self.attempts.get_or_create(&Upstream { upstream: labels.upstream.clone(), result }).inc();
        let Some(usage) = usage else { return };
        for (kind, tokens) in [
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cache_read", usage.cache_read_input_tokens),
            ("cache_creation", usage.cache_creation_input_tokens),
        ] {
            let model = labels.gen_ai_request_model.clone();
            let token = Token { gen_ai_token_type: kind, gen_ai_request_model: model };
            self.tokens.get_or_create(&token).inc_by(tokens.unwrap_or(0));
        }
    }

    /// A stream is over.
    pub(crate) fn ended(&self, labels: &Model, outcome: perennial_log::Outcome, after: Duration) {
        self.ended.get_or_create(&Ended { outcome: outcome.to_string() }).inc();
        self.duration.get_or_create(labels).observe(after.as_secs_f64());
    }

    pub(crate) fn retry(&self, cause: &str) {
        // Upstreams may call their errors what they like.
        let cause = self.causes.lock().label(cause);
        self.retries.get_or_create(&Cause { cause }).inc();
    }

    pub(crate) fn recovered(&self, mode: String) {
        self.recoveries.get_or_create(&Mode { mode }).inc();
    }

    pub(crate) fn seam_refused(&self) {
        self.seams_refused.inc();
    }

    pub(crate) fn stood_in(&self, kind: &'static str) {
        self.stand_ins.get_or_create(&Kind { kind }).inc();
    }

    pub(crate) fn client_gone(&self) {
        self.client_gone.inc();
    }

    pub(crate) fn upstream_cancelled(&self) {
        self.upstream_cancels.inc();
    }

    /// What can be looked up.
    fn look(&self, service: &Service) {
        let now = service.live.census();
        for (state, number) in
            [("waiting", now.waiting), ("running", now.running), ("recovering", now.recovering)]
        {
            self.streams.get_or_create(&StreamState { state }).set(small(number));
        }
        self.readers.set(small(now.readers));
        for (upstream, model, level) in service.fleet.breakers() {
            let model = self.models.lock().label(&model);
            self.breakers.get_or_create(&Breaker { upstream, model }).set(level);
        }
        if let Some(ledger) = &service.ledger {
            self.unwritten.set(small(ledger.unwritten()));
        }
        if let Some(rooms) = &service.rooms {
            self.unwritten_answers.set(small(rooms.unwritten()));
        }
        if let Some(process) = process::look() {
            self.memory.set(process.resident);
            self.cpu.set(process.cpu);
        }
    }
}

fn small(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `GET /metrics`: for operators; without keys, for this machine.
pub(crate) async fn page(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let refusal = match service.access.admit(&headers) {
        Ok(caller) if caller.is_operator => None,
        Ok(_) => Some(crate::refusal::Refusal::forbidden("metrics are for operator keys")),
        Err(refusal) => Some(refusal),
    };
    if let Some(refusal) = refusal {
        return refusal.response(&RequestId::new());
    }
    service.metrics.look(&service);
    let mut page = String::new();
    // Writing to memory does not fail.
    let _ = encode(&mut page, &service.metrics.registry);
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], page).into_response()
}
