//! A client that sees bytes: it sends one request and takes whatever comes, up to the end of the connection.

use std::io;
use std::time::Duration;

use perennial_sim::{Builder, Handle, Pace, Simulator};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits longer for one thing, and a machine that stands still for a while does not make one fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A simulator without waits.
pub(crate) async fn instant() -> Handle {
    quick().spawn().await.unwrap()
}

pub(crate) fn quick() -> Builder {
    Simulator::builder().seed(7).pace(Pace::instant())
}

/// A Messages request, for a model that does not think unless it is asked to.
pub(crate) fn hello(stream: bool) -> serde_json::Value {
    serde_json::json!({
        "model": "claude-haiku-4-5", "max_tokens": 200, "stream": stream,
        "messages": [{"role": "user", "content": "Say hello"}],
    })
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The response was complete, by its own framing.
    Complete,
    /// FIN before the response was complete.
    Fin,
    /// RST.
    Rst,
    /// Neither within the time given.
    Open,
}

/// What came over one connection.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// The body, without chunk framing.
    pub(crate) body: Vec<u8>,
    /// Sizes of the reads.
    pub(crate) reads: Vec<usize>,
    /// HTTP chunks, the last one not counted.
    pub(crate) chunks: usize,
    pub(crate) end: End,
}

impl Seen {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The names of the events, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let text = self.text();
        let lines = text.split(['\n', '\r']);
        lines.filter_map(|line| line.strip_prefix("event: ")).map(str::to_owned).collect()
    }

    /// The parsed `data:` lines.
    pub(crate) fn data(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        let lines = text.split(['\n', '\r']).filter_map(|line| line.strip_prefix("data: "));
        lines.filter_map(|data| serde_json::from_str(data).ok()).collect()
    }

    /// The text deltas, joined.
    pub(crate) fn answer(&self) -> String {
        self.data().iter().filter_map(|event| event["delta"]["text"].as_str().map(str::to_owned)).collect()
    }
}

/// An open connection on which one request was sent.
pub(crate) struct Raw {
    pub(crate) socket: TcpStream,
}

impl Raw {
    /// Sends a request as it stands.
    pub(crate) async fn send(handle: &Handle, request: &[u8]) -> Self {
        let mut socket = TcpStream::connect(handle.address()).await.unwrap();
        socket.write_all(request).await.unwrap();
        Self { socket }
    }

    /// Posts JSON, with a key and further header lines.
    pub(crate) async fn post(
        handle: &Handle,
        path: &str,
        body: &serde_json::Value,
        headers: &[(&str, &str)],
    ) -> Self {
        Self::send(handle, &post(path, body, headers)).await
    }

    /// Reads until the response is complete, the connection ends, or nothing comes for `quiet`.
    pub(crate) async fn read(&mut self, quiet: Duration) -> Seen {
        self.read_on(None, quiet).await
    }

    /// The same, but silence counts only after a body of `expected` bytes: until then a machine may take its time.
    pub(crate) async fn read_on(&mut self, expected: Option<usize>, quiet: Duration) -> Seen {
        let mut bytes = Vec::new();
        let mut reads = Vec::new();
        let mut piece = vec![0; 64 * 1024];
        let end = loop {
            if complete(&bytes) {
                break End::Complete;
            }
            let late =
                expected.is_some_and(|expected| body_length(&bytes).is_none_or(|there| there < expected));
            match timeout(if late { PATIENCE } else { quiet }, self.socket.read(&mut piece)).await {
                Err(_) => break End::Open,
                Ok(Ok(0)) => break End::Fin,
                Ok(Ok(length)) => {
                    reads.push(length);
                    bytes.extend_from_slice(&piece[..length]);
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => break End::Rst,
                Ok(Err(error)) => panic!("{error}"),
            }
        };
        let (head, rest) = split(&bytes);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let (body, chunks) =
            if chunked { (dechunked(rest).0, dechunked(rest).2) } else { (rest.to_vec(), 0) };
        Seen { status, head, body, reads, chunks, end }
    }

    /// Reads until `wanted` stands in the bytes received.
    pub(crate) async fn read_until(&mut self, wanted: &str) {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&bytes).contains(wanted) {
            let length = timeout(PATIENCE, self.socket.read(&mut piece))
                .await
                .unwrap_or_else(|_| panic!("no {wanted:?} in {:?}", String::from_utf8_lossy(&bytes)))
                .unwrap();
            assert!(length > 0, "the connection ended before {wanted:?}");
            bytes.extend_from_slice(&piece[..length]);
        }
    }

    /// Leaves with RST instead of FIN.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

pub(crate) fn post(path: &str, body: &serde_json::Value, headers: &[(&str, &str)]) -> Vec<u8> {
    let body = body.to_string();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: sim\r\nx-api-key: sk-secret-test\r\nanthropic-version: 2026-10-21\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(&body);
    request.into_bytes()
}

/// Posts to `/v1/messages` and reads the response.
pub(crate) async fn ask(handle: &Handle, body: &serde_json::Value, orders: &str) -> Seen {
    let headers = [("perennial-sim", orders)];
    let headers = if orders.is_empty() { &[][..] } else { &headers[..] };
    Raw::post(handle, "/v1/messages", body, headers).await.read(PATIENCE).await
}

/// Any request without a body.
pub(crate) async fn fetch(handle: &Handle, method: &str, path: &str) -> Seen {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer sk-secret-test\r\n\
         anthropic-version: 2026-10-21\r\nconnection: close\r\n\r\n"
    );
    Raw::send(handle, request.as_bytes()).await.read(PATIENCE).await
}

fn split(bytes: &[u8]) -> (String, &[u8]) {
    match bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(at) => (String::from_utf8_lossy(&bytes[..at]).into_owned(), &bytes[at + 4..]),
        None => (String::from_utf8_lossy(bytes).into_owned(), &[]),
    }
}

fn complete(bytes: &[u8]) -> bool {
    if !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        return false;
    }
    let (head, rest) = split(bytes);
    let head = head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return dechunked(rest).1;
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    length.is_some_and(|length| rest.len() >= length)
}

/// How much of a body in chunks there is; `None` before its head has ended.
fn body_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(dechunked(&bytes[head + 4..]).0.len())
}

/// The data of the chunks, whether the last one was there, and how many came before it.
fn dechunked(mut rest: &[u8]) -> (Vec<u8>, bool, usize) {
    let (mut body, mut chunks) = (Vec::new(), 0);
    while let Some(line) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true, chunks);
        }
        rest = &rest[line + 2..];
        chunks += 1;
        let there = size.min(rest.len());
        body.extend_from_slice(&rest[..there]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    (body, false, chunks)
}
