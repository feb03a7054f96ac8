//! What was seen of one answer: shapes, names, counts and times. No text of an answer is kept.

use std::collections::{BTreeMap, BTreeSet};

use perennial_protocol::sse::Decoder;
use perennial_protocol::{ContentBlock, Event, Lint, Received, Transcript};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

/// One answer.
#[derive(Debug, Default, Serialize)]
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) http: String,
    /// Names only: values may tell about the account.
    pub(super) headers: BTreeSet<String>,
    pub(super) content_type: String,
    pub(super) headers_ms: u64,
    pub(super) end_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<StreamSeen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ErrorSeen>,
    /// The answer itself, for what is found out about it here; it goes into no report.
    #[serde(skip)]
    pub(super) transcript: Transcript,
}

/// The shape of a stream.
#[derive(Debug, Default, Serialize)]
pub(super) struct StreamSeen {
    pub(super) events: BTreeMap<String, u64>,
    /// Runs of equal events: `message_start content_block_start ping content_block_delta*12 ...`.
    pub(super) order: String,
    pub(super) findings: Vec<String>,
    pub(super) first_byte_ms: u64,
    pub(super) first_content_ms: Option<u64>,
    pub(super) longest_silence_ms: u64,
    pub(super) pings_ms: Vec<u64>,
    pub(super) reads: u64,
    /// Events whose data has blanks before its last brace or after it.
    pub(super) padded: u64,
    pub(super) comments: u64,
    pub(super) ids: u64,
    pub(super) crlf: bool,
    pub(super) blocks: Vec<BlockSeen>,
    pub(super) stop_reason: Option<String>,
    pub(super) message_fields: BTreeSet<String>,
    pub(super) usage_at_start: BTreeSet<String>,
    pub(super) usage_at_end: BTreeSet<String>,
    pub(super) unknown: BTreeSet<String>,
}

/// The shape of one block.
#[derive(Debug, Default, Serialize)]
pub(super) struct BlockSeen {
    pub(super) kind: String,
    pub(super) start_fields: Vec<String>,
    /// Runs of equal deltas: `thinking_delta*5 signature_delta`.
    pub(super) deltas: String,
    pub(super) first_delta_is_empty: bool,
    /// Of a tool's input: whether it is complete, and whether every fragment but the first ends a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input_is_complete: Option<bool>,
}

/// An error.
#[derive(Debug, Default, Serialize)]
pub(super) struct ErrorSeen {
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) body_fields: Vec<String>,
    pub(super) id_is_the_headers: bool,
    pub(super) should_retry: Option<String>,
}

/// Counts runs of equal words.
#[derive(Debug, Default)]
struct Runs {
    written: String,
    last: String,
    count: u64,
}

impl Seen {
    /// Reads an answer to its end.
    pub(super) async fn read(mut answer: reqwest::Response, asked: Instant) -> Result<Self, reqwest::Error> {
        let text = |name: &str| {
            answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let mut seen = Self {
            status: answer.status().as_u16(),
            http: format!("{:?}", answer.version()),
            headers: answer.headers().keys().map(|name| name.as_str().to_owned()).collect(),
            content_type: text("content-type"),
            headers_ms: millis(asked),
            ..Self::default()
        };
        let (id, should_retry) = (text("request-id"), text("x-should-retry"));
        if seen.content_type.starts_with("text/event-stream") {
            seen.read_stream(&mut answer, asked).await?;
        } else {
            let body = answer.text().await?;
            seen.error = (seen.status >= 400).then(|| ErrorSeen::read(&body, &id, should_retry));
        }
        seen.end_ms = millis(asked);
        Ok(seen)
    }

    async fn read_stream(
        &mut self,
        answer: &mut reqwest::Response,
        asked: Instant,
    ) -> Result<(), reqwest::Error> {
        let mut stream = StreamSeen::default();
        let mut decoder = Decoder::new();
        let mut lint = Lint::new();
        let (mut order, mut deltas) = (Runs::default(), BTreeMap::<u64, Runs>::new());
        let mut last = millis(asked);
        while let Some(piece) = answer.chunk().await? {
            let now = millis(asked);
            if stream.reads == 0 {
                stream.first_byte_ms = now;
            }
            stream.reads += 1;
            stream.longest_silence_ms = stream.longest_silence_ms.max(now - last);
            last = now;
            let mut input = &piece[..];
            while let Some(frame) = decoder.next_frame(&mut input) {
                let Ok(frame) = frame else { continue };
                lint.observe(&frame);
                stream.comments += u64::from(frame.comments());
                stream.ids += u64::from(frame.id().is_some());
                stream.crlf |= frame.raw().contains(&b'\r');
                let data = frame.data().unwrap_or_default();
                stream.padded +=
                    u64::from(data.ends_with(b" ") || data.ends_with(b" }") || data.ends_with(b" ]"));
                if let Ok(Received { event: Some(event), .. }) = Received::read(frame) {
                    order.push(event.name());
                    stream.note(&event, data, now, &mut deltas);
                    self.transcript.apply(&event);
                }
            }
        }
        let incomplete = decoder.finish();
        // The rule and the place, without the words: those may quote the answer.
        stream.findings = lint
            .finish(incomplete.as_ref())
            .iter()
            .map(|finding| format!("{:?} at event {}", finding.rule, finding.event))
            .collect();
        stream.order = order.end();
        for (block, runs) in stream.blocks.iter_mut().zip(deltas.into_values()) {
            block.deltas = runs.end();
        }
        for (block, index) in stream.blocks.iter_mut().zip(self.transcript.indices()) {
            let call = self.transcript.block(index).and_then(ContentBlock::as_tool_use);
            block.input_is_complete = call.map(|call| call.input.json().is_some());
        }
        stream.stop_reason = self.transcript.envelope().stop_reason.as_ref().map(ToString::to_string);
        self.stream = Some(stream);
        Ok(())
    }
}

impl StreamSeen {
    fn note(&mut self, event: &Event<'_>, data: &[u8], now: u64, deltas: &mut BTreeMap<u64, Runs>) {
        *self.events.entry(event.name().to_owned()).or_default() += 1;
        if event.is_content() {
            self.first_content_ms.get_or_insert(now);
        }
        let json: Value = serde_json::from_slice(data).unwrap_or_default();
        match event {
            Event::Ping => self.pings_ms.push(now),
            Event::MessageStart(_) => {
                self.message_fields.extend(fields(&json["message"]));
                self.usage_at_start.extend(fields(&json["message"]["usage"]));
            }
            Event::MessageDelta(_) => {
                self.message_fields.extend(fields(&json["delta"]));
                self.usage_at_end.extend(fields(&json["usage"]));
            }
            Event::ContentBlockStart { index, block } => {
                if matches!(**block, ContentBlock::Other(_)) {
                    self.unknown.insert(format!("block {}", block.kind()));
                }
                self.blocks.push(BlockSeen {
                    kind: block.kind().to_owned(),
                    start_fields: fields(&json["content_block"]).collect(),
                    ..BlockSeen::default()
                });
                deltas.entry(*index).or_default();
            }
            Event::ContentBlockDelta { index, delta } => {
                let kind = delta.kind().into_owned();
                if matches!(delta, perennial_protocol::Delta::Unknown(_)) {
                    self.unknown.insert(format!("delta {kind}"));
                }
                let runs = deltas.entry(*index).or_default();
                let place = usize::try_from(*index).unwrap_or(usize::MAX);
                if runs.is_empty()
                    && let Some(block) = self.blocks.get_mut(place)
                {
                    let grown =
                        json["delta"].as_object().into_iter().flatten().filter(|(name, _)| *name != "type");
                    block.first_delta_is_empty =
                        grown.clone().next().is_some() && grown.into_iter().all(|(_, value)| value == "");
                }
                runs.push(&kind);
            }
            Event::Unknown(unknown) => drop(self.unknown.insert(format!("event {}", unknown.name))),
            _ => {}
        }
    }
}

impl ErrorSeen {
    fn read(body: &str, id: &str, should_retry: String) -> Self {
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        Self {
            kind: json["error"]["type"].as_str().unwrap_or_default().to_owned(),
            message: json["error"]["message"].as_str().unwrap_or_default().to_owned(),
            body_fields: fields(&json)
                .chain(fields(&json["error"]).map(|name| format!("error.{name}")))
                .collect(),
            id_is_the_headers: !id.is_empty() && json["request_id"] == id,
            should_retry: Some(should_retry).filter(|value| !value.is_empty()),
        }
    }
}

impl Runs {
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn push(&mut self, word: &str) {
        if self.count > 0 && self.last == word {
            self.count += 1;
        } else {
            self.close();
            word.clone_into(&mut self.last);
            self.count = 1;
        }
    }

    fn close(&mut self) {
        if self.count == 0 {
            return;
        }
        if !self.written.is_empty() {
            self.written.push(' ');
        }
        self.written.push_str(&self.last);
        if self.count > 1 {
            self.written.push_str(&format!("*{}", self.count));
        }
    }

    fn end(mut self) -> String {
        self.close();
        self.written
    }
}

fn fields(json: &Value) -> impl Iterator<Item = String> + '_ {
    json.as_object().into_iter().flat_map(|object| object.keys().cloned())
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
