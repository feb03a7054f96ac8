//! Brings an HTTP stack of one's own: here none at all, but a recording.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::StreamExt as _;
use perennial::transport::{Body, Transport, TransportError};
use perennial::{Client, MessageRequest};

const RECORDING: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","role":"assistant","model":"recorded","content":[]}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello "}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"from a file."}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}

event: message_stop
data: {"type":"message_stop"}

"#;

/// Answers every request with the recording, in pieces as a network would deliver them.
#[derive(Debug)]
struct Replay;

impl Transport for Replay {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, TransportError>> {
        eprintln!("({} {}, {} bytes)", request.method(), request.uri().path(), request.body().len());
        let pieces = RECORDING.as_bytes().chunks(50).map(|piece| Ok(Bytes::from_static(piece)));
        let body = Body::stream(futures_util::stream::iter(pieces));
        Box::pin(std::future::ready(Ok(http::Response::new(body))))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let client = Client::builder().transport(Replay).build()?;
    let mut stream = client.messages().stream(MessageRequest::new("recorded", 64).user("Hi"));
    let mut text = stream.text_stream();
    while let Some(piece) = text.next().await {
        print!("{}", piece?);
    }
    println!();
    Ok(())
}
