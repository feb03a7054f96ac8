//! The fastest upstream there can be: a stream prepared in advance, one write and one HTTP chunk for each event.
//!
//! It stands in for the simulator in benchmarks because it must cost as little as possible beside the client that is
//! measured, and because it is nobody's: no rival reads the bytes of our own encoder. It reads a request only as far as it must:
//! `"model":"bench:deltas=N,gap_ns=M"` says how many text deltas the answer has, and how far they are apart at least. With a gap a
//! fast client waits for each event by itself, as it does with a real service; without one, events pile up in the socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const TEXT: &str = "twelve chars";
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nrequest-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n";
const FIRST: &[(&str, &str)] = &[
    (
        "message_start",
        r#"{"type":"message_start","message":{"id":"msg_bench","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#,
    ),
    (
        "content_block_start",
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    ),
    ("ping", r#"{"type": "ping"}"#),
];
const LAST: &[(&str, &str)] = &[
    ("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
    (
        "message_delta",
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":10,"output_tokens":100}}"#,
    ),
    ("message_stop", r#"{"type":"message_stop"}"#),
];

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on http://{}", listener.local_addr()?);
    for connection in listener.incoming() {
        let connection = connection?;
        // A client that goes away ends its own thread only.
        thread::spawn(move || drop(serve(connection)));
    }
    Ok(())
}

fn serve(connection: TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut writer = connection.try_clone()?;
    let mut reader = BufReader::new(connection);
    let delta = chunk(
        "content_block_delta",
        &format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{TEXT}"}}}}"#
        ),
    );
    while let Some(Asked { deltas, gap }) = read_request(&mut reader)? {
        writer.write_all(HEAD.as_bytes())?;
        for (name, data) in FIRST {
            writer.write_all(&chunk(name, data))?;
        }
        let mut due = Instant::now();
        for _ in 0..deltas {
            // A sleep is too coarse for microseconds; the core that spins is not the one that is measured.
            while !gap.is_zero() && Instant::now() < due {
                std::hint::spin_loop();
            }
            writer.write_all(&delta)?;
            due += gap;
        }
        for (name, data) in LAST {
            writer.write_all(&chunk(name, data))?;
        }
        writer.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}

/// What a request asks for.
struct Asked {
    deltas: u64,
    gap: Duration,
}

/// The next request; `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    let gap = Duration::from_nanos(number(&body, "gap_ns=").unwrap_or(0));
    Ok(Some(Asked { deltas: number(&body, "deltas=").unwrap_or(1000), gap }))
}

/// The number that follows these words.
fn number(body: &str, words: &str) -> Option<u64> {
    let digits = body.split(words).nth(1)?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// An event as one HTTP chunk.
fn chunk(name: &str, data: &str) -> Vec<u8> {
    let event = format!("event: {name}\ndata: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}
