//! Traces, as a collector gets them.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use perennial_gateway::{Builder, Key, TraceOptions};
use prost::Message as _;

use crate::retry::{hasty, unbroken};
use crate::rig::{MODEL, PATIENCE, Rig, question, quick, receive, simulator};

/// A collector that keeps what it gets.
#[derive(Clone, Default)]
struct Collector {
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Collector {
    async fn start(&self) -> String {
        let take = |State(own): State<Self>, headers: HeaderMap, body: Bytes| async move {
            own.got.lock().push((headers, body));
        };
        let router = Router::new().route("/v1/traces", post(take)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    /// All spans, with the name of their service.
    fn spans(&self) -> Vec<(String, Span)> {
        let mut all = Vec::new();
        for (_, body) in &*self.got.lock() {
            let request = ExportTraceServiceRequest::decode(body.clone()).expect("OTLP");
            for resource in request.resource_spans {
                let service = text(&resource.resource.as_ref().unwrap().attributes, "service.name");
                for scope in resource.scope_spans {
                    assert_eq!(scope.scope.unwrap().name, "perennial");
                    all.extend(scope.spans.into_iter().map(|span| (service.clone(), span)));
                }
            }
        }
        all
    }

    fn has(&self, word: &str) -> bool {
        self.got.lock().iter().any(|(_, body)| memchr::memmem::find(body, word.as_bytes()).is_some())
    }
}

fn value<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Value> {
    let attribute = attributes.iter().find(|attribute| attribute.key == name)?;
    attribute.value.as_ref()?.value.as_ref()
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    match value(attributes, name) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::ArrayValue(array)) => match array.values.first() {
            Some(AnyValue { value: Some(Value::StringValue(text)) }) => format!("[{text}]"),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

fn number(attributes: &[KeyValue], name: &str) -> i64 {
    match value(attributes, name) {
        Some(Value::IntValue(number)) => *number,
        _ => panic!("no {name} in {attributes:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A gateway that mends and traces; what it is asked ends before it is stopped.
async fn traced(collector: &Collector, change: impl FnOnce(Builder) -> Builder) -> Rig {
    let options = TraceOptions::new(collector.start().await)
        .service_name("gateway-1")
        .header(http::header::AUTHORIZATION, Key::new("Bearer of-the-collector").unwrap());
    Rig::with(simulator(), |gateway| {
        change(gateway.clocks(quick()).recovery(hasty()).breaker(unbroken()).traces(options))
    })
    .await
}

#[tokio::test]
async fn a_stream_that_was_mended_is_a_span_with_two_attempts_below() {
    let collector = Collector::default();
    let rig = traced(&collector, |gateway| gateway).await;
    let request = rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), "fin@event=14,times=1");
    let answer = receive(request.header("perennial-sim-key", "mended")).await;
    let message = answer.transcript().into_message();
    let stream = answer.header("perennial-stream").to_owned();
    rig.gateway.stop().await;

    let spans = collector.spans();
    assert_eq!(spans.len(), 3, "{spans:?}");
    assert!(spans.iter().all(|(service, _)| service == "gateway-1"));
    assert_eq!(collector.got.lock()[0].0["authorization"], "Bearer of-the-collector");
    let (root, attempts): (Vec<_>, Vec<_>) =
        spans.iter().partition(|(_, span)| span.name.starts_with("chat"));
    let root = &root[0].1;
    assert_eq!(root.name, format!("chat {MODEL}"));
    assert_eq!(hex(&root.trace_id), stream.trim_start_matches("strm_").replace('-', ""));
    assert!(root.parent_span_id.is_empty() || root.parent_span_id == [0; 8]);
    let told = |name: &str| text(&root.attributes, name);
    assert_eq!(told("perennial.stream"), stream);
    assert_eq!(told("gen_ai.request.model"), MODEL);
    assert_eq!(told("gen_ai.response.id"), message.id.to_string());
    let reason = message.stop_reason.as_ref().unwrap();
    assert_eq!(told("gen_ai.response.finish_reasons"), format!("[{reason}]"));
    assert_eq!(told("perennial.outcome"), "completed");
    assert_eq!(
        Some(number(&root.attributes, "gen_ai.usage.output_tokens")),
        message.usage.output_tokens.map(|count| count as i64)
    );
    let events: Vec<_> = root.events.iter().map(|event| &*event.name).collect();
    assert_eq!(events, ["first_content", "seam"]);
    assert_eq!(text(&root.events[1].attributes, "reason"), "cut");

    assert_eq!(attempts.len(), 2);
    let (first, second) = (&attempts[0].1, &attempts[1].1);
    for attempt in [first, second] {
        assert_eq!(attempt.parent_span_id, root.span_id);
        assert_eq!(attempt.trace_id, root.trace_id);
        assert_eq!(text(&attempt.attributes, "perennial.upstream"), "main");
        assert_eq!(number(&attempt.attributes, "http.response.status_code"), 200);
        assert!(root.start_time_unix_nano <= attempt.start_time_unix_nano);
        assert!(attempt.start_time_unix_nano <= attempt.end_time_unix_nano);
        assert!(attempt.end_time_unix_nano <= root.end_time_unix_nano);
    }
    assert_ne!(first.span_id, second.span_id);
    assert_eq!(text(&first.attributes, "error.type"), "cut");
    assert!(first.end_time_unix_nano <= root.events[1].time_unix_nano);
    assert_eq!(text(&second.attributes, "error.type"), "");
}

#[tokio::test]
async fn the_trace_of_the_caller_is_gone_on_with_and_its_wish_heeded() {
    let collector = Collector::default();
    let rig = traced(&collector, |gateway| gateway).await;
    let ask = |parent: &'static str| {
        let request = rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), "");
        receive(request.header("traceparent", parent))
    };
    ask("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").await;
    ask("00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").await;
    ask("nonsense").await;
    rig.gateway.stop().await;
    let spans = collector.spans();
    let roots: Vec<_> = spans.iter().filter(|(_, span)| span.name.starts_with("chat")).collect();
    assert_eq!(roots.len(), 2, "one was not to be sampled");
    let above = |parent: &str| roots.iter().filter(|(_, span)| hex(&span.parent_span_id) == parent).count();
    assert_eq!(above("b7ad6b7169203331"), 1);
    assert!(spans.iter().any(|(_, span)| hex(&span.trace_id) == "0af7651916cd43dd8448eb211c80319c"));
    assert!(!spans.iter().any(|(_, span)| hex(&span.trace_id).starts_with("1af7")));
}

#[tokio::test]
async fn nothing_of_the_answer_and_no_key_is_traced() {
    let collector = Collector::default();
    let rig = traced(&collector, |gateway| gateway.upstream_key(Key::new("sk-upstream").unwrap())).await;
    for orders in
        ["", "status=429,times=1", "error@event=9", "status=400", "repeat=100@event=9", "fin@event=20"]
    {
        let answer = rig.ask(&question(MODEL, true), orders).await;
        if answer.status == 200 {
            let text = answer.transcript().text().to_string();
            let word = text.split(['\n', '.']).find(|line| line.len() > 20).unwrap_or("nothing was answered");
            assert!(!collector.has(word));
        }
    }
    let Rig { gateway, .. } = rig;
    gateway.stop().await;
    assert!(collector.has("perennial.stream"));
    for word in ["sk-upstream", "sk-test", "words on the sea"] {
        assert!(!collector.has(word), "{word}");
    }
    let failed = collector
        .spans()
        .into_iter()
        .find(|(_, span)| text(&span.attributes, "perennial.outcome") == "failed");
    assert!(failed.is_some_and(|(_, span)| span.status.is_some_and(|status| status.code == 2)));
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_nothing_but_the_traces() {
    let nowhere = TraceOptions::new("http://127.0.0.1:1");
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).traces(nowhere)).await;
    let answer = rig.ask(&question(MODEL, true), "").await;
    assert_eq!(answer.status, 200);
    let began = tokio::time::Instant::now();
    tokio::time::timeout(PATIENCE, rig.gateway.stop()).await.expect("it stops all the same");
    println!("stopped after {:?}", began.elapsed());
}
