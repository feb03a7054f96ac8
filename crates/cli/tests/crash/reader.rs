//! Readers: each on a face, from the beginning to the end, however often the gateway is killed meanwhile.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use crate::frames::{self, Seen, Splitter};
use crate::world::{PATIENCE, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    Sse,
    Ndjson,
    /// `GET /v1/events`.
    Many,
    Poll,
}

/// In which form records are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Events,
    Lines,
    /// Events, and of the log only an end that is no normal one.
    DropIn,
}

/// Who is to read what.
#[derive(Debug)]
pub(crate) struct Order {
    /// More than one only where many are read over one connection.
    pub(crate) streams: Vec<String>,
    pub(crate) face: Face,
    /// Where this reader says how many records it has.
    pub(crate) progress: Option<watch::Sender<usize>>,
    /// It comes when that one has so many.
    pub(crate) comes_after: Option<(watch::Receiver<usize>, usize)>,
}

/// What a reader saw of a stream.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) who: String,
    pub(crate) stream: String,
    pub(crate) shape: Shape,
    /// What it had before.
    pub(crate) after: String,
    pub(crate) records: Vec<Seen>,
    pub(crate) ended: bool,
}

impl Sight {
    pub(crate) fn new(stream: &str, shape: Shape, who: String) -> Self {
        let (stream, after) = (stream.to_owned(), "0".to_owned());
        Self { who, stream, shape, after, records: Vec::new(), ended: false }
    }

    /// Takes note of a record.
    pub(crate) fn add(&mut self, world: &World, seen: Option<Seen>) {
        let Some(seen) = seen else { return };
        assert!(!self.ended, "{}: after the end: {}", self.who, frames::text(&seen.bytes));
        let name = frames::name(&seen.bytes);
        self.ended = match self.shape {
            Shape::DropIn => name == "message_stop" || name == "error",
            _ => name == "perennial.terminal",
        };
        self.records.push(seen);
        world.saw(&name);
    }

    /// What to ask for next.
    pub(crate) fn last(&self) -> &str {
        self.records.last().map_or(&self.after, |seen| &seen.id)
    }
}

/// Reads as ordered, to the end.
pub(crate) async fn read(world: Arc<World>, order: Order) -> Vec<Sight> {
    if let Some((mut first, records)) = order.comes_after {
        // If the first has left, it is time too.
        drop(first.wait_for(|seen| *seen >= records).await);
    }
    match order.face {
        Face::Many => {
            let mut many = Many::new(&order.streams);
            come_back(&world, &mut many, order.progress.as_ref()).await;
            many.sights
        }
        face => {
            let mut one = One::new(&order.streams[0], face, "0");
            come_back(&world, &mut one, order.progress.as_ref()).await;
            vec![one.sight]
        }
    }
}

/// Reads from a position to the end.
pub(crate) async fn follow(world: &World, stream: &str, face: Face, after: &str) -> Sight {
    let mut one = One::new(stream, face, after);
    come_back(world, &mut one, None).await;
    one.sight
}

/// How one connection is made, and what comes over it.
trait Reading {
    fn who(&self) -> String;
    fn request(&self, world: &World) -> reqwest::RequestBuilder;
    fn take(&mut self, world: &World, piece: &[u8]);
    fn records(&self) -> usize;
    fn is_ended(&self) -> bool;
    /// A body has ended: whether that may be, before the stream has.
    fn may_pause(&self) -> bool;
    /// A new connection begins.
    fn begin(&mut self);
    /// Nothing is left over.
    fn is_whole(&self) -> bool;
}

/// Connects until the end is there.
async fn come_back(world: &World, reading: &mut impl Reading, progress: Option<&watch::Sender<usize>>) {
    while !reading.is_ended() {
        let start = world.gateway.up().await;
        reading.begin();
        if let Err(error) = connection(world, reading, progress).await
            && !reading.is_ended()
        {
            world.gateway.killed(start, &format!("{}: {error:?}", reading.who())).await;
        }
    }
}

async fn connection(
    world: &World,
    reading: &mut impl Reading,
    progress: Option<&watch::Sender<usize>>,
) -> Result<(), reqwest::Error> {
    let sent = reading.request(world).send();
    let mut response = tokio::time::timeout(PATIENCE, sent).await.expect("an answer begins")?;
    let status = response.status().as_u16();
    assert_eq!(status, 200, "{}: {:?}", reading.who(), response.text().await);
    loop {
        let piece = tokio::time::timeout(PATIENCE, response.chunk()).await;
        let Some(piece) = piece.unwrap_or_else(|_| panic!("{}: nothing comes", reading.who()))? else {
            break;
        };
        reading.take(world, &piece);
        if let Some(progress) = progress {
            progress.send_replace(reading.records());
        }
    }
    assert!(reading.is_whole(), "{}: a clean end within a record", reading.who());
    assert!(reading.is_ended() || reading.may_pause(), "{}: a clean end before the end", reading.who());
    Ok(())
}

struct One {
    sight: Sight,
    face: Face,
    splitter: Splitter,
}

impl One {
    fn new(stream: &str, face: Face, after: &str) -> Self {
        let shape = if face == Face::Sse { Shape::Events } else { Shape::Lines };
        let mut sight = Sight::new(stream, shape, format!("a reader of {stream} on {face:?}"));
        after.clone_into(&mut sight.after);
        Self { sight, face, splitter: Splitter::events() }
    }
}

impl Reading for One {
    fn who(&self) -> String {
        self.sight.who.clone()
    }

    fn request(&self, world: &World) -> reqwest::RequestBuilder {
        let (stream, last) = (&self.sight.stream, self.sight.last());
        let url = |query: &str| world.gateway.url(&format!("/v1/streams/{stream}/events{query}"));
        match self.face {
            // As a browser does, with what it was first given still in the query.
            Face::Sse => world.http.get(url("?after=0")).header("last-event-id", last),
            Face::Ndjson => {
                world.http.get(url(&format!("?after={last}"))).header("accept", "application/x-ndjson")
            }
            _ => world.http.get(url(&format!("?live=poll&wait=5&after={last}"))),
        }
    }

    fn take(&mut self, world: &World, piece: &[u8]) {
        for part in self.splitter.take(piece) {
            let seen = if self.face == Face::Sse { frames::event(&part) } else { frames::line(&part) };
            self.sight.add(world, seen);
        }
    }

    fn records(&self) -> usize {
        self.sight.records.len()
    }

    fn is_ended(&self) -> bool {
        self.sight.ended
    }

    fn may_pause(&self) -> bool {
        self.face == Face::Poll
    }

    fn begin(&mut self) {
        self.splitter = if self.face == Face::Sse { Splitter::events() } else { Splitter::lines() };
    }

    fn is_whole(&self) -> bool {
        self.splitter.is_empty()
    }
}

/// Several streams over one connection, whose ids are the positions in all of them.
struct Many {
    sights: Vec<Sight>,
    last: Option<String>,
    splitter: Splitter,
}

impl Many {
    fn new(streams: &[String]) -> Self {
        let who = |stream| format!("a reader of {stream} among {}", streams.len());
        let sights = streams.iter().map(|stream| Sight::new(stream, Shape::Lines, who(stream))).collect();
        Self { sights, last: None, splitter: Splitter::events() }
    }
}

impl Reading for Many {
    fn who(&self) -> String {
        self.sights[0].who.clone()
    }

    fn request(&self, world: &World) -> reqwest::RequestBuilder {
        let streams: Vec<String> = self.sights.iter().map(|sight| format!("{}:0", sight.stream)).collect();
        let request = world.http.get(world.gateway.url(&format!("/v1/events?streams={}", streams.join(","))));
        match &self.last {
            None => request,
            Some(last) => request.header("last-event-id", last),
        }
    }

    fn take(&mut self, world: &World, piece: &[u8]) {
        for frame in self.splitter.take(piece) {
            let Some(event) = frames::event(&frame) else { continue };
            let line = event.bytes.strip_prefix(b"data: ").unwrap();
            let value: Value = serde_json::from_slice(line).unwrap();
            let stream = value["stream"].as_str().unwrap();
            let index = self.sights.iter().position(|sight| sight.stream == stream).unwrap();
            // The line as the face for one stream has it.
            let lead = format!("{{\"stream\":\"{stream}\",");
            let rest = line.strip_prefix(lead.as_bytes()).unwrap();
            let seen = frames::line(&[b"{", rest].concat()).unwrap();
            assert_eq!(event.id.split(',').nth(index), Some(&*seen.id), "{}", frames::text(&frame));
            self.sights[index].add(world, Some(seen));
            self.last = Some(event.id);
        }
    }

    fn records(&self) -> usize {
        self.sights[0].records.len()
    }

    fn is_ended(&self) -> bool {
        self.sights.iter().all(|sight| sight.ended)
    }

    fn may_pause(&self) -> bool {
        false
    }

    fn begin(&mut self) {
        self.splitter = Splitter::events();
    }

    fn is_whole(&self) -> bool {
        self.splitter.is_empty()
    }
}
