//! Clients that leave: in every phase of a stream, by FIN and by RST, and how long their upstream takes to be closed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use perennial_sim::{ATTEMPT_HEADER, Entry, HEADER};
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{CLIENT_KEY, VERSION, World};

/// An upstream must be closed by then.
pub(crate) const LIMIT: Duration = Duration::from_millis(100);
/// A machine that does other things at the same time, or stands still, is not to be blamed on a gateway: in the short run only what never comes is too late.
pub(crate) const LAX_LIMIT: Duration = Duration::from_secs(30);
/// Nothing here takes longer, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Clients that leave at the same time.
const AT_ONCE: usize = 8;
/// An error that is not tried again is answered by then.
const ANSWERED: Duration = Duration::from_millis(60);
/// Longer than the first waits between two tries.
const BACKOFF: Duration = Duration::from_millis(1500);

/// When a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Headers,
    BeforeContent,
    Thinking,
    Silence,
    Flow,
    Backoff,
    Recovery,
}

impl Phase {
    const ALL: [Self; 7] = [
        Self::Headers,
        Self::BeforeContent,
        Self::Thinking,
        Self::Silence,
        Self::Flow,
        Self::Backoff,
        Self::Recovery,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::Headers => "headers pending",
            Self::BeforeContent => "after `message_start`",
            Self::Thinking => "silence in thinking",
            Self::Silence => "silence in text",
            Self::Flow => "while events flow",
            Self::Backoff => "between two tries",
            Self::Recovery => "while an answer is gone on with",
        }
    }

    fn orders(self) -> &'static str {
        match self {
            Self::Headers => "stall@headers",
            Self::BeforeContent => "stall@event=1",
            Self::Thinking => "stall@event=5",
            Self::Silence => "stall@event=20",
            Self::Flow => "pace=real,tps=150,ttft=10ms",
            Self::Backoff => "status=529",
            // The simulator's scenario sees to it: see `SCENARIO`.
            Self::Recovery => "",
        }
    }

    fn subject(self, world: &World) -> String {
        let named = |name: &str| {
            let subject = world.subjects.iter().find(|subject| subject.name.starts_with(name));
            subject.map(|subject| subject.streamed.clone()).unwrap_or_default()
        };
        match self {
            Self::Thinking => named("thinking"),
            Self::Recovery => named("prose")
                .replace("claude-sonnet-4-5", "claude-haiku-4-5")
                .replace("the sea", "the far sea"),
            _ => named("prose"),
        }
    }

    /// Whether the time to leave has come, by what the simulator sees of one request.
    fn has_come(self, entry: &Entry) -> bool {
        match self {
            Self::Headers => !entry.faults.is_empty(),
            Self::BeforeContent => entry.events >= 1,
            Self::Thinking => entry.events >= 5,
            Self::Silence | Self::Flow => entry.events >= 18,
            Self::Backoff => entry.is_over(),
            Self::Recovery => entry.faults.starts_with("stall") && entry.events >= 4,
        }
    }
}

/// Whoever asks about the far sea is cut; what asks to go on with it gets a few events and then silence.
pub(crate) const SCENARIO: &str = r#"
[[rule]]
when = { model = "claude-haiku-4-5", contains = "the far sea." }
orders = "fin@event=12"

[[rule]]
when = { model = "claude-haiku-4-5" }
orders = "stall@event=4"
"#;

/// How long it took in one phase.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Closings {
    pub(crate) phase: &'static str,
    pub(crate) clients: usize,
    /// The gateway had answered before anybody could leave.
    pub(crate) too_late: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) most_ms: f64,
    /// Later than the limit, or never.
    pub(crate) breaches: Vec<String>,
}

/// Lets `count` clients leave in each phase, by each way and on both forms of the drop-in.
pub(crate) async fn measure(world: &World, count: usize, limit: Duration) -> Result<Vec<Closings>> {
    let mut all = Vec::new();
    for phase in Phase::ALL {
        let mut closings = Closings { phase: phase.words(), ..Closings::default() };
        let mut times = Vec::new();
        let clients = (0..count * 4).map(|n| leave(world, phase, n));
        let mut clients = futures_util::stream::iter(clients).buffer_unordered(AT_ONCE);
        while let Some(left) = clients.next().await {
            closings.clients += 1;
            match left? {
                Left::TooLate => closings.too_late += 1,
                Left::After(time) => {
                    times.push(time);
                    if time > limit {
                        closings.breaches.push(format!("{} ms", time.as_millis()));
                    }
                }
                Left::Never(what) => closings.breaches.push(what),
            }
        }
        times.sort_unstable();
        let at = |percent: usize| {
            let index = (times.len().saturating_sub(1) * percent + 50) / 100;
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        (closings.p50_ms, closings.p99_ms, closings.most_ms) = (at(50), at(99), at(100));
        for breach in &closings.breaches {
            println!("BREACH upstream closed within {} ms: {}: {breach}", limit.as_millis(), closings.phase);
        }
        world.sim.journal().clear();
        all.push(closings);
    }
    Ok(all)
}

enum Left {
    After(Duration),
    TooLate,
    Never(String),
}

async fn leave(world: &World, phase: Phase, number: usize) -> Result<Left> {
    let (is_reset, is_stream) = (number % 2 == 1, number % 4 < 2);
    let key = format!("leaves-{phase:?}-{number}");
    let mut body = phase.subject(world);
    if !is_stream {
        body = body.replace("\"stream\":true", "\"stream\":false");
    }
    let host = world.gate.url().replace("http://", "");
    let mut socket = TcpStream::connect(&host).await?;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: {host}\r\nx-api-key: {CLIENT_KEY}\r\nanthropic-version: {VERSION}\r\n\
         content-type: application/json\r\n{HEADER}: {}\r\n{ATTEMPT_HEADER}: {key}\r\ncontent-length: {}\r\n\r\n",
        phase.orders(),
        body.len()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(body.as_bytes()).await?;
    let mine =
        |entry: &Entry| entry.headers.iter().any(|(name, value)| name == ATTEMPT_HEADER && *value == key);
    let journal = world.sim.journal();

    // 1. Wait until it is time.
    let came = journal.wait_for(|entry| mine(entry) && phase.has_come(entry));
    let Ok(asked) = timeout(PATIENCE, came).await else { return Ok(Left::TooLate) };
    if phase == Phase::Backoff && is_answered(&socket).await {
        return Ok(Left::TooLate);
    }
    let before = journal.entries().iter().filter(|entry| mine(entry)).count();

    // 2. Leave.
    if is_reset {
        socket.set_zero_linger().context("a reset")?;
    }
    let left = Instant::now();
    drop(socket);

    // 3. See when the upstream is closed; between two tries, that none follows.
    if phase == Phase::Backoff {
        sleep(BACKOFF).await;
        let after = journal.entries().iter().filter(|entry| mine(entry)).count();
        return Ok(if after == before {
            Left::After(Duration::ZERO)
        } else {
            Left::Never(format!("{} requests more, after the client had left", after - before))
        });
    }
    let closed = journal.wait_for(|entry| entry.number == asked.number && entry.is_over());
    Ok(match timeout(PATIENCE, closed).await {
        Ok(_) => Left::After(left.elapsed()),
        Err(_) => Left::Never(format!("never, {}", if is_reset { "by RST" } else { "by FIN" })),
    })
}

/// Whether an answer comes at once: then nothing is waited for between two tries.
async fn is_answered(socket: &TcpStream) -> bool {
    timeout(ANSWERED, socket.readable()).await.is_ok()
}
