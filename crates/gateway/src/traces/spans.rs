//! The spans of a stream, from its log.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Event, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use perennial_log::{After, Error, Kind, Log, Outcome, Reader, Record, StreamId, Time};
use perennial_protocol::sse::Decoder;
use perennial_protocol::{Event as Told, Received, Usage};

use crate::face::LogEvent;
use crate::record::{AttemptNote, Ending, Order};

/// All spans of a stream; none where whoever asked wants no trace, or the stream has not ended.
pub(super) async fn of(log: &Arc<dyn Log>, stream: StreamId) -> Result<Vec<SpanData>, Error> {
    let mut so_far = Reader::attach(log, stream, After::Start).await?.so_far();
    let mut telling = Telling::new(stream);
    while let Some(run) = so_far.next().await? {
        for record in &run {
            telling.tell(record);
        }
    }
    Ok(telling.spans())
}

/// Spans in the making.
struct Telling {
    stream: StreamId,
    context: SpanContext,
    parent: Option<SpanContext>,
    model: String,
    begin: SystemTime,
    end: Option<SystemTime>,
    attributes: Vec<KeyValue>,
    events: Vec<Event>,
    status: Status,
    attempts: Vec<Attempt>,
    has_message: bool,
    has_content: bool,
}

struct Attempt {
    number: u32,
    begin: SystemTime,
    end: Option<SystemTime>,
    attributes: Vec<KeyValue>,
    status: Status,
    upstream: String,
}

impl Telling {
    fn new(stream: StreamId) -> Self {
        Self {
            stream,
            context: own_context(stream),
            parent: None,
            model: String::new(),
            begin: SystemTime::UNIX_EPOCH,
            end: None,
            attributes: vec![
                KeyValue::new("gen_ai.operation.name", "chat"),
                KeyValue::new("gen_ai.provider.name", "anthropic"),
                KeyValue::new("perennial.stream", stream.to_string()),
            ],
            events: Vec::new(),
            status: Status::Unset,
            attempts: Vec::new(),
            has_message: false,
            has_content: false,
        }
    }

    fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(name, value));
    }

    fn tell(&mut self, record: &Record) {
        let at = system(record.time);
        match record.kind {
            Kind::Request => self.request(at, record),
            Kind::Attempt => self.attempt(at, &AttemptNote::decode(&record.payload)),
            Kind::Event if !(self.has_message && self.has_content) => self.event(at, record),
            Kind::Terminal(outcome) => self.terminal(at, outcome, &Ending::decode(&record.payload)),
            Kind::Seam | Kind::Notice | Kind::Takeover | Kind::Cancel => self.noted(at, record),
            _ => {}
        }
    }

    fn request(&mut self, at: SystemTime, record: &Record) {
        self.begin = at;
        let Some(order) = Order::decode(&record.payload) else { return };
        if let Some(model) = order.model {
            self.add("gen_ai.request.model", model.clone());
            self.model = model;
        }
        let above = TraceContextPropagator::new().extract(&HeaderExtractor(&order.headers));
        let above = above.span().span_context().clone();
        if above.is_valid() {
            let own = &self.context;
            self.context = SpanContext::new(
                above.trace_id(),
                own.span_id(),
                above.trace_flags(),
                false,
                above.trace_state().clone(),
            );
            self.parent = Some(above);
        }
    }

    fn attempt(&mut self, at: SystemTime, note: &AttemptNote) {
        if note.attempt == 0 || note.upstream.is_empty() {
            return;
        }
        let open =
            self.attempts.iter_mut().find(|attempt| attempt.number == note.attempt && attempt.end.is_none());
        let attempt = match open {
            Some(attempt) => attempt,
            None => {
                let begin = at.checked_sub(Duration::from_millis(note.elapsed_ms)).unwrap_or(at);
                self.attempts.push(Attempt {
                    number: note.attempt,
                    begin,
                    end: None,
                    attributes: vec![
                        KeyValue::new("perennial.attempt", i64::from(note.attempt)),
                        KeyValue::new("perennial.upstream", note.upstream.clone()),
                    ],
                    status: Status::Unset,
                    upstream: note.upstream.clone(),
                });
                let Some(attempt) = self.attempts.last_mut() else { return };
                attempt
            }
        };
        let mut add = |name: &'static str, value: Value| {
            if attempt.attributes.iter().all(|attribute| attribute.key.as_str() != name) {
                attempt.attributes.push(KeyValue::new(name, value));
            }
        };
        if let Some(status) = note.status {
            add("http.response.status_code", i64::from(status).into());
        }
        if let Some(id) = &note.request_id {
            add("perennial.request_id", id.clone().into());
        }
        if let Some(breaker) = &note.breaker {
            add("perennial.breaker", breaker.clone().into());
        }
        if let Some(failure) = &note.failure {
            add("error.type", failure.clone().into());
            attempt.attributes.extend(tokens(note.usage.as_ref()));
            attempt.end = Some(at);
            attempt.status = Status::error(failure.clone());
        }
    }

    /// What of the upstream's events is of interest: the first of the message, and the first of its content.
    fn event(&mut self, at: SystemTime, record: &Record) {
        let mut decoder = Decoder::new();
        let mut input = &record.payload[..];
        while let Some(Ok(frame)) = decoder.next_frame(&mut input) {
            if frame.event() == b"content_block_delta" {
                if !self.has_content {
                    self.has_content = true;
                    self.events.push(Event::new("first_content", at, Vec::new(), 0));
                }
            } else if !self.has_message
                && let Ok(Received { event: Some(Told::MessageStart(message)), .. }) = Received::read(frame)
            {
                self.has_message = true;
                self.add("gen_ai.response.model", message.model.to_string());
                self.add("gen_ai.response.id", message.id.to_string());
            }
        }
    }

    /// What readers are told beside the answer.
    fn noted(&mut self, at: SystemTime, record: &Record) {
        let Some(LogEvent { name, data }) = LogEvent::of(record) else { return };
        let members = data.as_object().into_iter().flatten().filter(|(name, _)| *name != "type");
        let attributes = members.map(|(name, value)| match (value.as_str(), value.as_i64()) {
            (Some(text), _) => KeyValue::new(name.clone(), text.to_owned()),
            (None, Some(number)) => KeyValue::new(name.clone(), number),
            _ => KeyValue::new(name.clone(), value.to_string()),
        });
        let name = name.strip_prefix("perennial.").unwrap_or(name);
        self.events.push(Event::new(name, at, attributes.collect(), 0));
    }

    fn terminal(&mut self, at: SystemTime, outcome: Outcome, ending: &Ending) {
        self.end = Some(at);
        self.add("perennial.outcome", outcome.to_string());
        if let Some(reason) = &ending.stop_reason {
            let reasons = Array::String(vec![reason.clone().into()]);
            self.add("gen_ai.response.finish_reasons", Value::Array(reasons));
        }
        self.attributes.extend(tokens(ending.usage.as_ref()));
        if let Some(error) = &ending.error {
            // Its message may quote what was asked.
            self.add("error.type", error.kind.to_string());
        }
        if outcome != Outcome::Completed {
            self.status = Status::error(outcome.to_string());
        }
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.end.is_none()) {
            attempt.end = Some(at);
        }
    }

    fn spans(mut self) -> Vec<SpanData> {
        let Some(end) = self.end else { return Vec::new() };
        if !self.context.trace_flags().is_sampled() {
            return Vec::new();
        }
        self.add("perennial.attempts", i64::try_from(self.attempts.len()).unwrap_or(i64::MAX));
        let root = self.context.span_id();
        let above = self.parent.as_ref().map_or(SpanId::INVALID, SpanContext::span_id);
        let scope =
            InstrumentationScope::builder("perennial").with_version(env!("CARGO_PKG_VERSION")).build();
        let mut events = SpanEvents::default();
        events.events = self.events;
        let mut spans = vec![SpanData {
            span_context: self.context.clone(),
            parent_span_id: above,
            parent_span_is_remote: self.parent.is_some(),
            span_kind: SpanKind::Server,
            name: format!("chat {}", self.model).trim_end().to_owned().into(),
            start_time: self.begin,
            end_time: end,
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events,
            links: SpanLinks::default(),
            status: self.status,
            instrumentation_scope: scope.clone(),
        }];
        for (number, attempt) in (1..).zip(self.attempts) {
            let context = &self.context;
            spans.push(SpanData {
                span_context: SpanContext::new(
                    context.trace_id(),
                    below(root, number),
                    context.trace_flags(),
                    false,
                    context.trace_state().clone(),
                ),
                parent_span_id: root,
                parent_span_is_remote: false,
                span_kind: SpanKind::Client,
                name: format!("attempt {}", attempt.upstream).into(),
                start_time: attempt.begin.max(self.begin),
                end_time: attempt.end.unwrap_or(end),
                attributes: attempt.attributes,
                dropped_attributes_count: 0,
                events: SpanEvents::default(),
                links: SpanLinks::default(),
                status: attempt.status,
                instrumentation_scope: scope.clone(),
            });
        }
        tracing::trace!(stream = %self.stream, spans = spans.len(), "a trace is sent");
        spans
    }
}

/// The context that a stream has by itself: its id is the trace's, and the end of it the span's.
fn own_context(stream: StreamId) -> SpanContext {
    let name = stream.to_string();
    let hex: String = name.trim_start_matches("strm_").chars().filter(char::is_ascii_hexdigit).collect();
    let trace = TraceId::from_hex(&hex).unwrap_or(TraceId::INVALID);
    let mut end = [0; 8];
    end.copy_from_slice(&trace.to_bytes()[8..]);
    SpanContext::new(trace, SpanId::from_bytes(end), TraceFlags::SAMPLED, false, Default::default())
}

/// The id of the span of an attempt.
fn below(root: SpanId, number: u64) -> SpanId {
    let id = u64::from_be_bytes(root.to_bytes()).wrapping_add(number);
    // 0 is no id.
    SpanId::from_bytes(id.max(1).to_be_bytes())
}

/// Tokens by kind, as the conventions call them.
fn tokens(usage: Option<&Usage>) -> Vec<KeyValue> {
    let Some(usage) = usage else { return Vec::new() };
    [
        ("gen_ai.usage.input_tokens", usage.input_tokens),
        ("gen_ai.usage.output_tokens", usage.output_tokens),
        ("gen_ai.usage.cache_read.input_tokens", usage.cache_read_input_tokens),
        ("gen_ai.usage.cache_creation.input_tokens", usage.cache_creation_input_tokens),
    ]
    .into_iter()
    .filter_map(|(name, count)| Some(KeyValue::new(name, i64::try_from(count?).ok()?)))
    .collect()
}

fn system(time: Time) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(time.as_micros())
}
