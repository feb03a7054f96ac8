//! A connection too many: told so, and closed.
//!
//! An `EventSource` takes any status but 200 for the end of everything. So what asks for events is told when to come back, in their own
//! words; everybody else gets the 503 that it can act on.

use std::io;
use std::time::Duration;

use http::HeaderValue;
use memchr::{memchr, memmem};
use perennial_protocol::ErrorKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::refusal::error_body;
use crate::request_id::RequestId;
use crate::streams::COME_BACK;

/// How long a client that is one too many may take to say what it wants, and again to read why it does not get it.
const FAREWELL: Duration = Duration::from_secs(1);
/// So much of a request's head is looked at.
const HEAD_BYTES: usize = 16 * 1024;
const MESSAGE: &str = "the gateway has no connection left; try again soon";

/// Tells the client, and closes. `origins` are those whose pages may read answers.
pub(crate) async fn turn_away(mut socket: TcpStream, origins: &[HeaderValue]) {
    let mut head = Vec::new();
    // Who does not say what it wants is told all the same.
    let _ = tokio::time::timeout(FAREWELL, read_head(&mut socket, &mut head)).await;
    let answer = answer(&Asked::read(&head), origins);
    let told = async {
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await?;
        // Closing with unread bytes of the client would reset the connection under what was just written.
        tokio::io::copy(&mut socket, &mut tokio::io::sink()).await
    };
    drop(tokio::time::timeout(FAREWELL, told).await);
}

async fn read_head(socket: &mut TcpStream, head: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 2048];
    while head.len() < HEAD_BYTES {
        let count = socket.read(&mut piece).await?;
        // The end may have begun in the piece before.
        let from = head.len().saturating_sub(3);
        head.extend_from_slice(&piece[..count]);
        if count == 0 || memmem::find(&head[from..], b"\r\n\r\n").is_some() {
            break;
        }
    }
    Ok(())
}

/// What matters here of a request's head.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked<'a> {
    events: bool,
    origin: Option<&'a [u8]>,
}

impl<'a> Asked<'a> {
    /// Reads what there is, whole or not: it decides about words only.
    fn read(head: &'a [u8]) -> Self {
        let mut asked = Self::default();
        let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let is_get = lines.next().is_some_and(|line| line.starts_with(b"GET "));
        for line in lines.take_while(|line| !line.is_empty()) {
            let Some(colon) = memchr(b':', line) else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"accept") {
                asked.events = is_get && memmem::find(value, b"text/event-stream").is_some();
            } else if name.eq_ignore_ascii_case(b"origin") {
                asked.origin = Some(value);
            }
        }
        asked
    }
}

fn answer(asked: &Asked<'_>, origins: &[HeaderValue]) -> String {
    let id = RequestId::new();
    // Without this a browser shows its page no answer at all.
    let allowed = origins.iter().find(|origin| Some(origin.as_bytes()) == asked.origin);
    let allowed = allowed.and_then(|origin| origin.to_str().ok());
    let cors = allowed.map_or_else(String::new, |origin| {
        format!("access-control-allow-origin: {origin}\r\nvary: origin\r\n")
    });
    let (head, body) = if asked.events {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache, no-transform";
        (head, format!("{COME_BACK}: {MESSAGE}\n\n"))
    } else {
        let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1";
        (head, error_body(&ErrorKind::Overloaded, MESSAGE, &id))
    };
    let length = body.len();
    format!("{head}\r\nrequest-id: {id}\r\n{cors}connection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asks_for_events_is_told_to_come_back() {
        for (head, events, origin) in [
            (
                "GET /v1/events HTTP/1.1\r\nAccept: text/event-stream\r\nOrigin: https://a\r\n\r\n",
                true,
                Some("https://a"),
            ),
            ("GET / HTTP/1.1\r\naccept: application/json, text/event-stream\r\n", true, None),
            ("POST / HTTP/1.1\r\naccept: text/event-stream\r\n\r\n", false, None),
            ("GET / HTTP/1.1\r\naccept: */*\r\n\r\naccept: text/event-stream\r\n", false, None),
            ("GET / HTTP/1.1\r\n: \r\nno header\r\norigin:x", false, Some("x")),
            ("\u{16}\u{3}\u{1}", false, None),
            ("", false, None),
        ] {
            let asked = Asked { events, origin: origin.map(str::as_bytes) };
            assert_eq!(Asked::read(head.as_bytes()), asked, "{head}");
        }
    }

    #[test]
    fn a_page_that_may_read_answers_may_read_this_one() {
        let origins = [HeaderValue::from_static("https://a")];
        let answer = |origin: &str| {
            let head = format!("GET / HTTP/1.1\r\naccept: text/event-stream\r\norigin: {origin}\r\n\r\n");
            answer(&Asked::read(head.as_bytes()), &origins)
        };
        assert!(answer("https://a").contains("\r\naccess-control-allow-origin: https://a\r\n"));
        assert!(!answer("https://b").contains("access-control"));
    }
}
