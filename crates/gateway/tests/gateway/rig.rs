//! A simulator, a gateway in front of it, and a client.

use std::path::PathBuf;
use std::time::Duration;

use perennial_gateway::{Builder, Clocks, Gateway, Handle, Recovery};
use perennial_protocol::{End, EventDecoder, Transcript};
use perennial_sim::{Pace, Simulator};
use serde_json::{Value, json};

/// Nothing here takes longer, unless it hangs; nor does it on a machine that stands still for a while.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A clock that rings in no test, however slow the machine is.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

pub(crate) struct Rig {
    pub(crate) sim: perennial_sim::Handle,
    pub(crate) gateway: Handle,
    pub(crate) http: reqwest::Client,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Clocks that do not ring, since a machine with other things to do makes any of them ring: each test sets those that it is about. Only who
/// leaves a connection open behind the end is not waited for long.
pub(crate) fn quick() -> Clocks {
    let mut clocks = Clocks::default();
    (clocks.header_read, clocks.body_read, clocks.body, clocks.reader) = (NEVER, NEVER, NEVER, NEVER);
    (clocks.connect, clocks.first_byte, clocks.progress) = (NEVER, NEVER, NEVER);
    (clocks.early_open, clocks.silence, clocks.ping) = (NEVER, NEVER, NEVER);
    clocks.linger = Duration::from_millis(100);
    clocks
}

/// The same with pings.
pub(crate) fn pinging() -> Clocks {
    let mut clocks = quick();
    clocks.ping = Duration::from_millis(60);
    clocks
}

pub(crate) fn question(model: &str, stream: bool) -> Value {
    json!({
        "model": model,
        "max_tokens": 300,
        "stream": stream,
        "messages": [{"role": "user", "content": "Write about two hundred words on the sea."}],
    })
}

pub(crate) const MODEL: &str = "claude-opus-4-8";

impl Rig {
    /// With a gateway that mends nothing: most tests here are about what is told then.
    pub(crate) async fn new() -> Self {
        Self::with(perennial_sim::Builder::default(), |gateway| gateway.clocks(quick())).await
    }

    /// The gateway mends nothing, unless `change` says otherwise.
    pub(crate) async fn with(sim: perennial_sim::Builder, change: impl FnOnce(Builder) -> Builder) -> Self {
        let sim = sim.pace(Pace::instant()).spawn().await.unwrap();
        let gateway = change(Gateway::builder(sim.url()).recovery(Recovery::none()))
            .build()
            .unwrap()
            .spawn()
            .await
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { sim, gateway, http }
    }

    pub(crate) fn post(
        &self,
        base: &str,
        body: impl Into<reqwest::Body>,
        orders: &str,
    ) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{base}/v1/messages"))
            .header("x-api-key", "sk-test")
            .header("anthropic-version", "2026-10-21")
            .header("content-type", "application/json")
            .header("perennial-sim", orders)
            .body(body)
    }

    /// Asks through the gateway.
    pub(crate) async fn ask(&self, body: &Value, orders: &str) -> Answer {
        receive(self.post(&self.gateway.url(), body.to_string(), orders)).await
    }

    /// Asks the simulator itself.
    pub(crate) async fn ask_directly(&self, body: &Value, orders: &str) -> Answer {
        receive(self.post(&self.sim.url(), body.to_string(), orders)).await
    }
}

pub(crate) async fn receive(request: reqwest::RequestBuilder) -> Answer {
    let received = async {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
    };
    tokio::time::timeout(PATIENCE, received).await.expect("the answer ends")
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn transcript(&self) -> Transcript {
        transcript(&self.body)
    }

    /// How the stream ended; every event in it must be readable.
    pub(crate) fn end(&self) -> End {
        self.transcript().end()
    }
}

pub(crate) fn transcript(body: &[u8]) -> Transcript {
    let mut decoder = EventDecoder::new();
    let mut transcript = Transcript::new();
    let mut input = body;
    while let Some(received) = decoder.next_event(&mut input) {
        if let Some(event) = received.expect("every event can be read").event {
            transcript.apply(&event);
        }
    }
    transcript
}

/// Recorded streams: those of the project's surroundings where they are there, else `None` with a word about it.
pub(crate) fn fixtures(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PERENNIAL_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    let folder = root.join(folder);
    if !folder.is_dir() {
        println!("skipped: no recorded streams at {}", folder.display());
        return None;
    }
    Some(folder)
}

pub(crate) fn simulator() -> perennial_sim::Builder {
    Simulator::builder()
}
