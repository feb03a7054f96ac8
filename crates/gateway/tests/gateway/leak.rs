//! Keys are nowhere: not in an answer, not in a trace, not on the disk, whatever goes wrong. Content is in no trace.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use perennial_gateway::{Builder, Key};
use perennial_log::{DiskLog, DiskOptions, Log};
use perennial_sim::Fault;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::rig::{MODEL, PATIENCE, Rig, question, quick, simulator};

const UPSTREAM: &str = "sk-secret-of-the-upstream-4f8a1c";
const CLIENT: &str = "sk-secret-of-a-client-b72e90";
/// In the body of each request: found wherever requests are kept, or the search would prove nothing.
const MARK: &str = "mark-9d3f60";
/// Long enough for every fault but those that never end.
const ENOUGH: Duration = Duration::from_millis(1500);

/// What was written, by everybody.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Buffer {
    fn keep(&self, bytes: &[u8]) {
        self.0.lock().extend_from_slice(bytes);
    }

    fn has(&self, word: &str) -> bool {
        has(&self.0.lock(), word)
    }

    /// The texts of answers in it that are long enough to be known again.
    fn texts(&self) -> BTreeSet<String> {
        let written = String::from_utf8_lossy(&self.0.lock()).into_owned();
        let texts = written.split("\"text\":\"").skip(1).filter_map(|rest| rest.split('"').next());
        texts.filter(|text| text.len() >= 12).map(str::to_owned).collect()
    }

    /// The lines about streams that do not say which.
    fn nameless(&self) -> Vec<String> {
        let written = String::from_utf8_lossy(&self.0.lock()).into_owned();
        let about = |line: &&str| {
            let module =
                line.contains(" perennial_gateway::generation") || line.contains(" perennial_gateway::face");
            // What a breaker does is about an upstream.
            module && !line.contains("stream=strm_") && !line.contains("a breaker changes")
        };
        written.lines().filter(about).map(str::to_owned).collect()
    }
}

fn has(bytes: &[u8], word: &str) -> bool {
    memchr::memmem::find(bytes, word.as_bytes()).is_some()
}

/// Sends a request and keeps what is answered, as far as it comes.
async fn exchange(request: RequestBuilder, answers: Buffer) {
    let exchanged = async {
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return answers.keep(format!("{error:?}").as_bytes()),
        };
        answers.keep(format!("{} {:?}\n", response.status(), response.headers()).as_bytes());
        while let Ok(Some(piece)) = response.chunk().await {
            answers.keep(&piece);
        }
    };
    tokio::time::timeout(PATIENCE, exchanged).await.expect("the answer ends");
}

struct Run {
    rig: Rig,
    answers: Buffer,
}

impl Run {
    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.rig.http.request(method, format!("{}{path}", self.rig.gateway.url()));
        request.header("x-api-key", CLIENT).header("authorization", format!("Bearer {CLIENT}"))
    }

    async fn ask(&self, method: Method, path: &str) {
        exchange(self.call(method, path), self.answers.clone()).await;
    }

    async fn list(&self, limit: usize) -> Vec<Value> {
        let request = self.call(Method::GET, &format!("/v1/streams?limit={limit}"));
        let list: Value =
            serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
        list["data"].as_array().unwrap().clone()
    }

    /// One fault, met by a message on both faces and by a stream of its own.
    async fn meet(&self, orders: &str) {
        let asked = ["/v1/messages true", "/v1/messages false", "/v1/streams true"].map(|asked| {
            let (path, stream) = asked.split_once(' ').unwrap();
            let mut body = question(MODEL, stream == "true");
            body["metadata"] = json!({"user_id": MARK});
            let request = self.call(Method::POST, path).header("perennial-sim", orders);
            let request = request.header("anthropic-version", "2026-10-21").body(body.to_string());
            tokio::spawn(exchange(request, self.answers.clone()))
        });
        let mut all = futures_util::future::join_all(asked);
        if tokio::time::timeout(ENOUGH, &mut all).await.is_err() {
            self.stop_all().await;
            all.await;
        }
    }

    /// What is said of the newest stream, on every face.
    async fn read_newest(&self) {
        let newest = self.list(1).await.swap_remove(0);
        let id = newest["id"].as_str().unwrap();
        for rest in
            ["", "/message", "/events", "/events?format=ndjson", "/events?format=text", "/events?live=poll"]
        {
            self.ask(Method::GET, &format!("/v1/streams/{id}{rest}")).await;
        }
        self.ask(Method::GET, &format!("/v1/events?streams={id}:0")).await;
        self.ask(Method::POST, &format!("/v1/streams/{id}/links")).await;
    }

    async fn stop_all(&self) {
        for stream in self.list(10).await {
            if stream["state"] == "running" {
                let cancel = format!("/v1/streams/{}/cancel", stream["id"].as_str().unwrap());
                self.ask(Method::POST, &cancel).await;
            }
        }
    }
}

/// A run of all faults, with a gateway that `change` makes; then the search.
async fn search(change: impl FnOnce(Builder) -> Builder) {
    let (traces, answers) = (Buffer::default(), Buffer::default());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(traces.clone())
        .finish();
    // All of it runs in this thread.
    let _guard = tracing::subscriber::set_default(subscriber);
    let folder = tempfile::tempdir().unwrap();
    let log: Arc<dyn Log> = Arc::new(DiskLog::open(folder.path(), DiskOptions::new()).await.unwrap());
    let mut clocks = quick();
    (clocks.silence, clocks.first_byte) = (Duration::from_millis(600), Duration::from_millis(600));
    let kept = Arc::clone(&log);
    let rig = Rig::with(simulator(), |gateway| change(gateway.clocks(clocks).log(kept))).await;
    let run = Run { rig, answers: answers.clone() };

    for fault in Fault::catalogue() {
        run.meet(&format!("named={}", fault.name)).await;
        run.read_newest().await;
    }
    run.stop_all().await;
    let kept = run.list(1000).await.len();
    assert!(kept >= 3 * Fault::catalogue().len(), "only {kept} streams");
    for path in ["/", "/healthz", "/readyz", "/v1/models", "/v1/nothing", "/v1/streams?limit=0"] {
        run.ask(Method::GET, path).await;
    }
    // And where there is no upstream any more.
    let Run { rig, .. } = run;
    let Rig { sim, gateway, http } = rig;
    sim.stop().await;
    let request = http.post(format!("{}/v1/messages", gateway.url())).header("x-api-key", CLIENT);
    exchange(request.body(question(MODEL, true).to_string()), answers.clone()).await;
    gateway.stop().await;
    log.close().await.unwrap();

    assert!(traces.has("refused") && traces.has("TRACE"), "nothing was traced");
    assert!(answers.has("perennial.terminal") && answers.has("\"type\":\"error\""), "nothing was answered");
    let mut marked = false;
    for (path, bytes) in files(folder.path()) {
        marked |= has(&bytes, MARK);
        for key in [UPSTREAM, CLIENT] {
            assert!(!has(&bytes, key), "{key} stands in {path}");
        }
    }
    assert!(marked, "nothing was kept that could be found");
    for key in [UPSTREAM, CLIENT] {
        assert!(!answers.has(key), "{key} was answered");
        assert!(!traces.has(key), "{key} was traced");
    }
    assert!(!traces.has(MARK) && !traces.has("words on the sea"), "a request was traced");
    let texts = answers.texts();
    assert!(texts.len() > 20, "only {} texts", texts.len());
    for text in texts {
        assert!(!traces.has(&text), "{text} was traced");
    }
    assert_eq!(traces.nameless(), Vec::<String>::new());
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    all
}

#[tokio::test]
async fn no_key_is_to_be_found_where_the_gateway_has_its_own() {
    let key = |key| Key::new(key).unwrap();
    search(|gateway| gateway.upstream_key(key(UPSTREAM)).client_key(key(CLIENT))).await;
}

#[tokio::test]
async fn no_key_is_to_be_found_where_the_clients_goes_up() {
    search(|gateway| gateway).await;
}
