//! The fake upstream: one write and one HTTP chunk for each event, stamped as it is written; everything on one thread.
//!
//! The manners of an answer are in the model's name of the request. `GET /closes` lists the tagged requests whose client has left
//! before the end, with the time at which that was noticed, and forgets them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::time::Duration;

use bench_gateway::alarm::Alarm;
use bench_gateway::manners::Manners;
use bench_gateway::{answer, now};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

const LISTENER: Token = Token(usize::MAX - 1);
const ALARM: Token = Token(usize::MAX - 2);
/// Of an answer without gaps, before the next one has its turn.
const BURST: usize = 64;
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nrequest-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n";
const NOTHING: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

/// When an answer goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    At(u64),
    /// Without a gap: when the others had their turn.
    Turn,
    /// When the socket takes more.
    Room,
    /// It is over, or there is none.
    Never,
}

struct Answer {
    manners: Manners,
    head_sent: bool,
    /// Of the next event.
    number: u64,
    due: u64,
}

struct Connection {
    socket: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    answer: Option<Answer>,
    next: Next,
}

struct Upstream {
    poll: Poll,
    alarm: Alarm,
    listener: TcpListener,
    connections: Slab<Connection>,
    /// What connections wait for. A connection that is gone, or that waits for something else by now, may still be named.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    turns: Vec<usize>,
    closes: Vec<(u64, u64)>,
}

fn main() -> io::Result<()> {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("is an address"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let alarm = Alarm::new(poll.registry(), ALARM)?;
    Upstream {
        poll,
        alarm,
        listener,
        connections: Slab::new(),
        due: BinaryHeap::new(),
        turns: Vec::new(),
        closes: Vec::new(),
    }
    .run()
}

impl Upstream {
    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let patience = (!self.turns.is_empty()).then_some(Duration::ZERO);
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    ALARM => {}
                    Token(id) => {
                        if event.is_readable() || event.is_read_closed() {
                            self.read(id);
                        }
                        if event.is_writable() {
                            self.go_on(id);
                        }
                    }
                }
            }
            for id in std::mem::take(&mut self.turns) {
                self.go_on_from(id, Next::Turn);
            }
            self.ring()?;
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            socket.set_nodelay(true)?;
            let place = self.connections.vacant_entry();
            self.poll.registry().register(
                &mut socket,
                Token(place.key()),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            place.insert(Connection {
                socket,
                input: Vec::new(),
                output: Vec::new(),
                answer: None,
                next: Next::Never,
            });
        }
    }

    /// Everything whose time has come, and the alarm for what comes next.
    fn ring(&mut self) -> io::Result<()> {
        while let Some(&Reverse((due, id))) = self.due.peek() {
            if due > now() {
                return self.alarm.set(due);
            }
            self.due.pop();
            self.go_on_from(id, Next::At(due));
        }
        Ok(())
    }

    fn go_on_from(&mut self, id: usize, next: Next) {
        if let Some(connection) = self.connections.get_mut(id)
            && connection.next == next
        {
            connection.next = Next::Never;
            self.go_on(id);
        }
    }

    fn read(&mut self, id: usize) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let mut buffer = [0; 16 * 1024];
        loop {
            match connection.socket.read(&mut buffer) {
                Ok(0) => return self.close(id),
                Ok(count) => connection.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.close(id),
            }
        }
        self.take_request(id);
    }

    fn take_request(&mut self, id: usize) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.answer.is_some() {
            return;
        }
        let Some((path, body)) = request(&mut connection.input) else { return };
        if let Some(manners) = Manners::of_request(&body) {
            let due = now() + manners.wait;
            connection.answer = Some(Answer { manners, head_sent: false, number: 0, due });
        } else if path == "/closes" {
            let list: Vec<_> = self.closes.drain(..).map(|(tag, at)| format!("\"{tag}\":{at}")).collect();
            let body = format!("{{{}}}", list.join(","));
            connection.output = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .into();
        } else {
            connection.output = NOTHING.into();
        }
        self.go_on(id);
    }

    fn go_on(&mut self, id: usize) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Ok(next) = connection.go_on() else { return self.close(id) };
        if std::mem::replace(&mut connection.next, next) != next {
            match next {
                Next::At(due) => self.due.push(Reverse((due, id))),
                Next::Turn => self.turns.push(id),
                Next::Room | Next::Never => {}
            }
        }
        if next == Next::Never && !connection.input.is_empty() {
            self.take_request(id);
        }
    }

    fn close(&mut self, id: usize) {
        let connection = self.connections.remove(id);
        if let Some(answer) = connection.answer.filter(|answer| answer.manners.tag != 0) {
            self.closes.push((answer.manners.tag, now()));
        }
    }
}

impl Connection {
    fn go_on(&mut self) -> io::Result<Next> {
        for _ in 0..BURST {
            if !self.flush()? {
                return Ok(Next::Room);
            }
            let Some(answer) = &mut self.answer else { return Ok(Next::Never) };
            if answer.due > now() {
                return Ok(Next::At(answer.due));
            }
            if answer.push_next(&mut self.output) {
                self.answer = None;
            }
        }
        Ok(if self.flush()? { Next::Turn } else { Next::Room })
    }

    /// Whether all that was to be written is written.
    fn flush(&mut self) -> io::Result<bool> {
        while !self.output.is_empty() {
            match self.socket.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl Answer {
    /// What is written next, in one write; whether it is the last.
    fn push_next(&mut self, output: &mut Vec<u8>) -> bool {
        let Manners { deltas, gap, pause, .. } = self.manners;
        let first = answer::FIRST.len() as u64;
        if !self.head_sent {
            self.head_sent = true;
            output.extend_from_slice(HEAD.as_bytes());
            return false;
        }
        let number = self.number;
        self.number += 1;
        if number < first {
            push_chunk(answer::FIRST[number as usize], output);
            if number + 1 == first {
                self.due = now() + pause;
            }
        } else if number < first + deltas {
            output.extend_from_slice(format!("{:x}\r\n", answer::DELTA_BYTES).as_bytes());
            answer::push_delta(now(), output);
            output.extend_from_slice(b"\r\n");
            self.due += gap;
        } else {
            push_chunk(answer::LAST[(number - first - deltas) as usize], output);
        }
        let last = self.number == answer::events(deltas);
        if last {
            output.extend_from_slice(b"0\r\n\r\n");
        }
        last
    }
}

fn push_chunk(event: &str, output: &mut Vec<u8>) {
    output.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
}

/// The path and the body of the request that these bytes begin with, taken from them, if it is here whole.
fn request(input: &mut Vec<u8>) -> Option<(String, String)> {
    let head_end = memchr::memmem::find(input, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&input[..head_end]).to_ascii_lowercase();
    let length = if head.contains("transfer-encoding: chunked") {
        // The manners are found in it all the same.
        memchr::memmem::find(&input[head_end..], b"0\r\n\r\n")? + 5
    } else {
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0)
    };
    if input.len() < head_end + length {
        return None;
    }
    let body = String::from_utf8_lossy(&input[head_end..head_end + length]).into_owned();
    input.drain(..head_end + length);
    Some((head.split(' ').nth(1).unwrap_or_default().to_owned(), body))
}
