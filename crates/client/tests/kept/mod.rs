//! A gateway's log of paper: keeps records, serves them from any position, and breaks as it is told.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::stream;
use parking_lot::Mutex;
use perennial::protocol::sse::Decoder;
use perennial::transport::{Body, Transport, TransportError, TransportErrorKind};
use perennial::{Client, ClientBuilder, Position};
use tokio::time::{Instant, sleep};

/// What happens to one connection. What comes after the last of them is served whole.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// No connection.
    Refused,
    /// No answer.
    Hangs,
    /// An error of this status.
    Status(u16),
    /// As `Status`, with a header.
    StatusWith(u16, &'static str, &'static str),
    /// A 200 with these bytes and nothing else.
    Only(Bytes),
    /// So many bytes, then the connection breaks.
    Breaks(usize),
    /// So many bytes, then a clean end.
    Ends(usize),
    /// So many bytes, then nothing more, on a connection that stands.
    Stalls(usize),
    /// So many bytes, less what would be half a record, then so many comments 15 s apart, then the rest.
    Idles(usize, usize),
}

/// A log and who reads it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    records: Arc<Mutex<Vec<(Position, Bytes)>>>,
    fates: Arc<Mutex<VecDeque<Fate>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Bytes of one piece; all at once where it is 0.
    pub(crate) piece: usize,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    pub(crate) target: String,
    pub(crate) accept: String,
    pub(crate) last_event_id: Option<String>,
    pub(crate) method: String,
    pub(crate) on_disconnect: Option<String>,
}

impl Kept {
    /// The log of an upstream that sent `body`, with its request as the first record, and its end.
    pub(crate) fn of(body: &[u8]) -> Self {
        let kept = Self::default();
        let mut decoder = Decoder::new();
        let mut input = body;
        let (mut stopped, mut failed) = (false, None);
        kept.records.lock().push((position(1, 1), Bytes::new()));
        while let Some(frame) = decoder.next_frame(&mut input) {
            let frame = frame.unwrap();
            stopped |= frame.event() == b"message_stop";
            if frame.event() == b"error" {
                failed = Some(frame.data_lossy().into_owned());
            }
            kept.add(frame.raw());
        }
        match failed {
            Some(error) => {
                let error: serde_json::Value = serde_json::from_str(&error).unwrap();
                kept.terminal("failed", &error["error"].to_string());
            }
            None => kept.terminal(if stopped { "completed" } else { "interrupted" }, "null"),
        }
        kept
    }

    /// Adds a record with these bytes.
    pub(crate) fn add(&self, raw: &[u8]) {
        self.add_in(1, raw);
    }

    pub(crate) fn add_in(&self, epoch: u64, raw: &[u8]) {
        let mut records = self.records.lock();
        let position = position(records.len() as u64 + 1, epoch);
        let id = format!("id: {position}\n");
        // After an id of the upstream's own, since the last one counts.
        let bytes = match raw.strip_suffix(b"\n").filter(|raw| raw.starts_with(b"id:")) {
            Some(raw) => [raw, id.as_bytes(), b"\n"].concat(),
            None => [id.as_bytes(), raw].concat(),
        };
        records.push((position, bytes.into()));
    }

    pub(crate) fn log(&self, epoch: u64, kind: &str, members: &str) {
        let name = format!("perennial.{kind}");
        self.add_in(epoch, format!("event: {name}\ndata: {{\"type\":\"{name}\",{members}}}\n\n").as_bytes());
    }

    pub(crate) fn terminal(&self, outcome: &str, error: &str) {
        self.log(
            1,
            "terminal",
            &format!(r#""outcome":"{outcome}","stop_reason":null,"usage":null,"error":{error}"#),
        );
    }

    pub(crate) fn fates(self, fates: impl IntoIterator<Item = Fate>) -> Self {
        *self.fates.lock() = fates.into_iter().collect();
        self
    }

    pub(crate) fn pieces(mut self, bytes: usize) -> Self {
        self.piece = bytes;
        self
    }

    /// A reader of its own, over the same log.
    pub(crate) fn again(&self) -> Self {
        Self { records: Arc::clone(&self.records), ..Self::default() }
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder().transport(self.clone())
    }

    /// Asks for the answer, to be resumed.
    pub(crate) fn ask(&self) -> perennial::MessageStream {
        let client = self.builder().resuming(Duration::from_secs(30)).build().unwrap();
        client.messages().stream(serde_json::json!({"model": "m", "messages": []}))
    }

    pub(crate) fn attach(&self) -> perennial::MessageStream {
        self.builder().build().unwrap().streams().attach("strm_1")
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    /// All that a reader gets who has everything up to `after`.
    pub(crate) fn served(&self, after: u64) -> Bytes {
        let mut served = Vec::new();
        for (_, bytes) in self.records.lock().iter().filter(|(position, _)| position.seq() > after) {
            served.extend_from_slice(bytes);
        }
        served.into()
    }

    /// What the one who asked for it gets: no events of the log.
    fn drop_in(&self, with_ids: bool) -> Bytes {
        let mut served = Vec::new();
        for (_, bytes) in &*self.records.lock() {
            let bytes = std::str::from_utf8(bytes).unwrap();
            if !bytes.contains("event: perennial.") {
                let from = if with_ids { 0 } else { bytes.find('\n').map_or(0, |at| at + 1) };
                served.extend_from_slice(&bytes.as_bytes()[from..]);
            }
        }
        served.into()
    }

    /// How many bytes the records have up to this one.
    pub(crate) fn upto(&self, record: u64) -> usize {
        self.served(0).len() - self.served(record).len()
    }

    /// Makes room for more than there was in the body.
    pub(crate) fn forget_the_end(&self) {
        self.records.lock().pop();
    }

    pub(crate) fn last(&self) -> Position {
        self.records.lock().last().unwrap().0
    }
}

impl Transport for Kept {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, TransportError>> {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let last_event_id = header("last-event-id");
        let after = last_event_id.as_deref().map_or(Position::START, |id| id.parse().unwrap());
        self.asked.lock().push(Asked {
            at: Instant::now(),
            target: request.uri().path_and_query().unwrap().to_string(),
            accept: header("accept").unwrap(),
            last_event_id,
            method: request.method().to_string(),
            on_disconnect: header("perennial-on-disconnect"),
        });
        let path = request.uri().path();
        if path.ends_with("/cancel") {
            return Box::pin(async { Ok(http::Response::new(Body::full("{}"))) });
        }
        let rest = match (path, header("perennial-event-ids").as_deref()) {
            ("/v1/messages", Some("on")) => self.drop_in(true),
            ("/v1/messages", _) => self.drop_in(false),
            _ => self.served(after.seq()),
        };
        let fate = self.fates.lock().pop_front().unwrap_or(Fate::Ends(usize::MAX));
        let piece = if self.piece == 0 { rest.len().max(1) } else { self.piece };
        Box::pin(serve(fate, rest, piece))
    }
}

enum Part {
    Bytes(Bytes),
    Wait(Duration),
    Hang,
    Lost,
}

async fn serve(fate: Fate, rest: Bytes, piece: usize) -> Result<http::Response<Body>, TransportError> {
    let upto = |bytes: usize| -> Vec<Part> {
        let bytes = rest.slice(..bytes.min(rest.len()));
        bytes.chunks(piece).map(|piece| Part::Bytes(bytes.slice_ref(piece))).collect()
    };
    let mut response = http::Response::builder().header("content-type", "text/event-stream");
    response = response.header("perennial-stream", "strm_1");
    let parts: Vec<Part> = match fate {
        Fate::Refused => return Err(TransportError::new(TransportErrorKind::Connect, "refused")),
        Fate::Hangs => std::future::pending().await,
        Fate::Status(status) => {
            response = response.status(status);
            vec![]
        }
        Fate::StatusWith(status, name, value) => {
            response = response.status(status).header(name, value);
            vec![]
        }
        Fate::Only(bytes) => vec![Part::Bytes(bytes)],
        Fate::Breaks(bytes) => upto(bytes).into_iter().chain([Part::Lost]).collect(),
        Fate::Ends(bytes) => upto(bytes),
        Fate::Stalls(bytes) => upto(bytes).into_iter().chain([Part::Hang]).collect(),
        Fate::Idles(bytes, comments) => {
            let comment =
                || [Part::Wait(Duration::from_secs(15)), Part::Bytes(Bytes::from_static(b": idle\n\n"))];
            let bytes = rest[..bytes.min(rest.len())].windows(5).rposition(|bytes| bytes == b"\nid: ");
            let bytes = bytes.map_or(0, |at| at + 1);
            let mut parts = upto(bytes);
            parts.extend((0..comments).flat_map(|_| comment()));
            parts.push(Part::Bytes(rest.slice(bytes..)));
            parts
        }
    };
    let body = stream::unfold(parts.into_iter(), |mut parts| async move {
        loop {
            match parts.next()? {
                Part::Bytes(bytes) => return Some((Ok(bytes), parts)),
                Part::Wait(time) => sleep(time).await,
                Part::Hang => std::future::pending().await,
                Part::Lost => {
                    let lost = TransportError::new(TransportErrorKind::Lost, "reset");
                    return Some((Err(lost), vec![].into_iter()));
                }
            }
        }
    });
    Ok(response.body(Body::stream(body)).unwrap())
}

pub(crate) fn position(seq: u64, epoch: u64) -> Position {
    format!("{seq}.{epoch}").parse().unwrap()
}
