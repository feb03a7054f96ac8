//! The load: many readers of answers on one thread, each byte checked, each stamp compared with the clock.

pub mod closing;
pub mod reader;
pub mod streams;

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

/// A request with a JSON body, or none.
pub fn request(method: &str, path: &str, host: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\nanthropic-version: 2023-06-01\r\nx-api-key: bench\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Asks for something short, on a connection of its own, and waits for all of it: the status and the body.
pub fn ask(host: &str, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut socket = TcpStream::connect(host)?;
    socket.write_all(&request(method, path, host, body))?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if length.is_none_or(|length| body.len() >= length) {
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
                return Ok((status, body.to_owned()));
            }
        }
        match socket.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
}
