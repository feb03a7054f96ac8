//! A client that leaves: how long until the upstream's connection is closed too.

#![allow(clippy::disallowed_methods, reason = "there is no runtime here that a sleep could block")]

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::load::{ask, request};
use crate::{manners, now};

/// How long a close is waited for, before it counts as never.
const PATIENCE: Duration = Duration::from_secs(3);
/// From the request to the close, where nothing that comes down says that the upstream has been asked.
const SETTLED: Duration = Duration::from_millis(100);
const LONG_US: u64 = 20_000_000;

/// When the client leaves.
#[derive(Clone, Copy, Debug)]
pub enum Phase {
    BeforeHead,
    Silent,
    Flowing,
}

impl Phase {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "head" => Self::BeforeHead,
            "silent" => Self::Silent,
            "flowing" => Self::Flowing,
            _ => return None,
        })
    }

    fn words(self) -> String {
        match self {
            Self::BeforeHead => format!("wait_us={LONG_US}"),
            Self::Silent => format!("pause_us={LONG_US},deltas=1"),
            Self::Flowing => "gap_us=5000,deltas=100000".to_owned(),
        }
    }
}

/// Nanoseconds from the client's close to the upstream's notice; none where it never came.
pub fn close(host: &str, upstream: &str, phase: Phase, tag: u64) -> io::Result<Option<u64>> {
    let body = manners::body(&format!("{},tag={tag}", phase.words()));
    let mut socket = TcpStream::connect(host)?;
    socket.set_nodelay(true)?;
    socket.write_all(&request("POST", "/v1/messages", host, &body))?;
    let mut read = Vec::new();
    let until = match phase {
        Phase::BeforeHead => None,
        Phase::Silent => Some("content_block_start\n"),
        Phase::Flowing => Some("content_block_delta\n"),
    };
    let mut buffer = [0; 4096];
    while until.is_some_and(|words| memchr::memmem::find(&read, words.as_bytes()).is_none()) {
        match socket.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => read.extend_from_slice(&buffer[..count]),
        }
    }
    sleep(SETTLED);
    if matches!(phase, Phase::Flowing) {
        // A close with unread bytes is a reset, which is another thing than a client that leaves.
        socket.set_nonblocking(true)?;
        while matches!(socket.read(&mut buffer), Ok(1..)) {}
    }
    let left = now();
    drop(socket);
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        let (_, list) = ask(upstream, "GET", "/closes", "")?;
        let list: Value = serde_json::from_str(&list)?;
        if let Some(noticed) = list.get(tag.to_string()).and_then(Value::as_u64) {
            return Ok(Some(noticed.saturating_sub(left)));
        }
        // Seldom at first: the asking must not be in the way of the closing.
        let pause = Duration::from_millis(20);
        sleep(pause);
        waited += pause;
    }
    Ok(None)
}
