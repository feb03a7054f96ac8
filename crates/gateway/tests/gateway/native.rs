//! The resources of the gateway's own, as a client asks for them.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::rig::{Answer, MODEL, PATIENCE, Rig, question, receive};

impl Rig {
    /// A request to the gateway, with the key that all have.
    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.call_with(method, path, Some("sk-test"))
    }

    pub(crate) fn call_with(&self, method: Method, path: &str, key: Option<&str>) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.gateway.url()));
        let request = request.header("anthropic-version", "2026-10-21");
        match key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        receive(self.call(Method::GET, path)).await
    }

    /// A request for a stream, not yet sent.
    pub(crate) fn creation(&self, body: &Value, orders: &str) -> RequestBuilder {
        self.call(Method::POST, "/v1/streams").header("perennial-sim", orders).body(body.to_string())
    }

    /// Makes a stream and gives its name.
    pub(crate) async fn create(&self, orders: &str) -> String {
        let answer = receive(self.creation(&question(MODEL, true), orders)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn cancel(&self, stream: &str) -> Answer {
        receive(self.call(Method::POST, &format!("/v1/streams/{stream}/cancel"))).await
    }

    pub(crate) async fn delete(&self, stream: &str) -> Answer {
        receive(self.call(Method::DELETE, &format!("/v1/streams/{stream}"))).await
    }

    /// The lines of a stream, read to its end, as a reader does that keeps it running.
    pub(crate) async fn lines(&self, stream: &str) -> Vec<Value> {
        let answer = self.get(&format!("/v1/streams/{stream}/events?format=ndjson")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let lines = answer.text().lines().filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How a stream ended. It must have been over before anybody asks, or the asking keeps it running.
    pub(crate) async fn outcome(&self, stream: &str) -> String {
        let lines = self.lines(stream).await;
        let ends = lines.iter().filter(|line| line["event"] == "perennial.terminal");
        assert_eq!(ends.count(), 1, "{lines:?}");
        lines.last().unwrap()["data"]["outcome"].as_str().unwrap().to_owned()
    }

    /// The names of the streams in the list, the newest first.
    pub(crate) async fn listed(&self) -> Vec<String> {
        let list = self.get("/v1/streams?limit=1000").await.json();
        let data = list["data"].as_array().unwrap();
        data.iter().map(|stream| stream["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the upstream is asked by the newest request, and is so far.
    pub(crate) async fn reached(&self, phase: perennial_sim::Phase) {
        let reached = self.sim.journal().wait_for(|entry| entry.phase >= phase && !entry.is_over());
        tokio::time::timeout(PATIENCE, reached).await.expect("the upstream is asked");
    }

    /// Waits until the one request in the simulator's journal is over.
    pub(crate) async fn upstream_over(&self) -> perennial_sim::Entry {
        let over = self.sim.journal().wait_for(perennial_sim::Entry::is_over);
        tokio::time::timeout(PATIENCE, over).await.expect("the upstream is closed")
    }
}

/// A response that is being read.
pub(crate) struct Growing {
    pub(crate) response: reqwest::Response,
    pub(crate) body: Vec<u8>,
}

impl Growing {
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let response =
            tokio::time::timeout(PATIENCE, request.send()).await.expect("an answer begins").unwrap();
        Self { response, body: Vec::new() }
    }

    pub(crate) fn stream(&self) -> String {
        self.response.headers()["perennial-stream"].to_str().unwrap().to_owned()
    }

    /// Reads until this has come.
    pub(crate) async fn until(&mut self, part: &str) {
        while !self.text().contains(part) {
            self.more().await;
        }
    }

    /// Reads what comes next; there must be something.
    pub(crate) async fn more(&mut self) {
        let piece = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("more comes");
        let piece = piece.unwrap().unwrap_or_else(|| panic!("it ended: {}", self.text()));
        self.body.extend_from_slice(&piece);
    }

    /// Reads to a clean end.
    pub(crate) async fn end(mut self) -> String {
        while let Some(piece) =
            tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("it ends").unwrap()
        {
            self.body.extend_from_slice(&piece);
        }
        self.text()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
