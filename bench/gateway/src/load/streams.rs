//! Many streams at once: opened one after the other, read as they come, judged and timed event by event.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream as StdStream;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};

use crate::alarm::Alarm;
use crate::answer::{self, Part};
use crate::load::reader::{Face, Invalid, Reader};
use crate::now;

const ALARM: Token = Token(usize::MAX - 1);
/// Beyond this a run is stuck.
const PATIENCE: u64 = 120_000_000_000;

/// What is asked, how often, and of whom.
#[derive(Clone, Debug)]
pub struct Plan {
    pub host: String,
    pub request: Vec<u8>,
    pub face: Face,
    pub deltas: u64,
    pub streams: usize,
    /// Nanoseconds between the beginnings of two streams.
    pub step: u64,
    /// All together; a connection is used again until they are used up. At least one for each stream.
    pub requests: usize,
    /// Nanoseconds that all streams are held open before they are closed, unfinished; 0 reads them to their ends.
    pub hold: u64,
}

/// What happened to all streams; each is told to who measures from outside, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Every stream has begun.
    Flowing,
    /// One of them is half over, or they were held long enough.
    Half,
    /// One of them is over.
    Ending,
}

struct Stream {
    socket: TcpStream,
    reader: Reader,
    sent: u64,
    first_read: u64,
}

/// The load, and what it has seen.
pub struct Load<M> {
    plan: Plan,
    poll: Poll,
    alarm: Alarm,
    streams: Vec<Option<Stream>>,
    asked: usize,
    begun: usize,
    ended: usize,
    marked: Vec<(Mark, u64)>,
    mark: M,
    events: u64,
    reads: u64,
    bytes: u64,
    to_head: Vec<u64>,
    to_first: Vec<u64>,
    latencies: Vec<u64>,
    /// For each delta, the latency of its last reader.
    last: Vec<u64>,
}

impl<M: FnMut(Mark, u64)> Load<M> {
    pub fn new(plan: Plan, mark: M) -> io::Result<Self> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        let (streams, last) = (Vec::new(), vec![0; if plan.hold == 0 { plan.deltas as usize } else { 0 }]);
        Ok(Self {
            plan,
            poll,
            alarm,
            streams,
            asked: 0,
            begun: 0,
            ended: 0,
            marked: Vec::new(),
            mark,
            events: 0,
            reads: 0,
            bytes: 0,
            to_head: Vec::new(),
            to_first: Vec::new(),
            latencies: Vec::new(),
            last,
        })
    }

    /// Until all streams have ended, or were held long enough.
    pub fn run(&mut self) -> Result<Value, Invalid> {
        let began = now();
        let mut events = Events::with_capacity(1024);
        while self.ended < self.plan.streams {
            let at = now();
            while self.streams.len() < self.plan.streams
                && began + self.streams.len() as u64 * self.plan.step <= at
            {
                self.open()
                    .map_err(|error| format!("stream {} could not be opened: {error}", self.streams.len()))?;
            }
            if self.streams.len() < self.plan.streams {
                self.set_alarm(began + self.streams.len() as u64 * self.plan.step)?;
            } else if let (hold @ 1.., Some(flowing)) = (self.plan.hold, self.time_of(Mark::Flowing)) {
                if at > flowing + hold {
                    self.reach(Mark::Half);
                    break;
                }
                self.set_alarm(flowing + hold + 1)?;
            }
            if at > began + PATIENCE {
                return Err(format!(
                    "stuck: {} streams opened, {} begun, {} ended",
                    self.streams.len(),
                    self.begun,
                    self.ended
                ));
            }
            match self.poll.poll(&mut events, Some(Duration::from_secs(1))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other.map_err(|error| error.to_string())?,
            }
            for event in &events {
                if let Token(id) = event.token()
                    && event.token() != ALARM
                {
                    self.read(id, event.is_read_closed())?;
                }
            }
        }
        Ok(self.findings(now() - began))
    }

    fn set_alarm(&self, at: u64) -> Result<(), Invalid> {
        self.alarm.set(at).map_err(|error| error.to_string())
    }

    fn open(&mut self) -> io::Result<()> {
        let socket = StdStream::connect(&self.plan.host)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        self.poll.registry().register(&mut socket, Token(self.streams.len()), Interest::READABLE)?;
        let reader = Reader::new(self.plan.face, self.plan.deltas);
        self.asked += 1;
        let sent = now();
        // Short enough for an empty socket.
        socket.write_all(&self.plan.request)?;
        self.streams.push(Some(Stream { socket, reader, sent, first_read: 0 }));
        Ok(())
    }

    fn read(&mut self, id: usize, to_the_end: bool) -> Result<(), Invalid> {
        let mut buffer = [0; 64 * 1024];
        loop {
            let Some(stream) = &mut self.streams[id] else { return Ok(()) };
            let count = match stream.socket.read(&mut buffer) {
                Ok(0) => return Err(format!("stream {id} was cut after event {}", stream.reader.number())),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(format!("stream {id} broke after event {}: {error}", stream.reader.number()));
                }
            };
            self.take(id, &buffer[..count])?;
            // Edge-triggered: a short read has emptied the socket, unless its end is there too.
            if count < buffer.len() && !to_the_end {
                return Ok(());
            }
        }
    }

    fn take(&mut self, id: usize, bytes: &[u8]) -> Result<(), Invalid> {
        let at = now();
        self.reads += 1;
        self.bytes += bytes.len() as u64;
        let timed = self.time_of(Mark::Flowing).filter(|_| self.time_of(Mark::Ending).is_none());
        let Some(stream) = &mut self.streams[id] else { return Ok(()) };
        if stream.first_read == 0 {
            stream.first_read = at;
            self.to_head.push(at - stream.sent);
        }
        let first = answer::FIRST.len() as u64;
        let before = stream.reader.number();
        stream.reader.read(bytes, |number, part| {
            let Part::Delta { stamp } = part else { return };
            let delta = number - first;
            if delta == 0 {
                self.to_first.push(at - stream.sent);
            }
            if timed.is_some_and(|flowing| stamp >= flowing) {
                let latency = at.saturating_sub(stamp);
                self.latencies.push(latency);
                if let Some(last) = self.last.get_mut(delta as usize) {
                    *last = latency.max(*last);
                }
            }
        })?;
        let (after, over) = (stream.reader.number(), stream.reader.is_over());
        self.events += after - before;
        if before == 0 && after > 0 {
            self.begun += 1;
            if self.begun == self.plan.streams {
                self.reach(Mark::Flowing);
            }
        }
        if after >= answer::FIRST.len() as u64 + self.plan.deltas / 2 && self.plan.hold == 0 {
            self.reach(Mark::Half);
        }
        if over {
            self.reach(Mark::Ending);
            self.ask_again(id)?;
        }
        Ok(())
    }

    /// Another request on a connection whose answer is over, if there are any left.
    fn ask_again(&mut self, id: usize) -> Result<(), Invalid> {
        if self.asked >= self.plan.requests {
            self.streams[id] = None;
            self.ended += 1;
            return Ok(());
        }
        self.asked += 1;
        let Some(stream) = &mut self.streams[id] else { return Ok(()) };
        (stream.reader, stream.first_read) = (Reader::new(self.plan.face, self.plan.deltas), 0);
        stream.sent = now();
        stream
            .socket
            .write_all(&self.plan.request)
            .map_err(|error| format!("stream {id} cannot be asked again: {error}"))
    }

    fn time_of(&self, mark: Mark) -> Option<u64> {
        self.marked.iter().find(|(marked, _)| *marked == mark).map(|(_, at)| *at)
    }

    fn reach(&mut self, mark: Mark) {
        if self.time_of(mark).is_none() {
            self.marked.push((mark, now()));
            (self.mark)(mark, self.events);
        }
    }

    fn findings(&mut self, took: u64) -> Value {
        // Before all streams had begun nothing is timed.
        self.last.retain(|&latency| latency > 0);
        json!({
            "streams": self.streams.len(),
            "requests": self.asked,
            "events": self.events,
            "reads": self.reads,
            "bytes": self.bytes,
            "seconds": took as f64 / 1e9,
            "head_us": spread(&mut self.to_head),
            "first_us": spread(&mut self.to_first),
            "latency_us": spread(&mut self.latencies),
            "last_us": spread(&mut self.last),
        })
    }
}

/// The middle and the worst of these nanoseconds, in microseconds.
fn spread(times: &mut [u64]) -> Value {
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len() as f64 * share) as usize;
        times.get(place.min(times.len().saturating_sub(1))).map(|&time| time as f64 / 1000.0)
    };
    json!({"count": times.len(), "p50": at(0.5), "p99": at(0.99), "max": at(1.0)})
}
