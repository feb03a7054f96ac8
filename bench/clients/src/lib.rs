//! One command line for every client that is compared.
//!
//! `NAME consume BASE_URL MODEL COPIES` reads streams one after the other to their final message and prints what it cost, in
//! the words of the project's own `examples/consume.rs`. `NAME probe BASE_URL MODEL` reads one stream and prints what became of it,
//! for the table of faults. A client is used as its own documentation shows it; nothing is added that its users would not have.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};

/// A client under comparison.
#[allow(async_fn_in_trait)]
pub trait Rival: Sized {
    /// A client of this server; with a timeout between two reads where the client has such a setting.
    fn new(base_url: &str, read_timeout: Option<Duration>) -> Self;

    /// One streamed answer, to its end.
    async fn read(&self, model: &str) -> Reading;
}

/// What a client made of one stream.
#[derive(Debug)]
pub struct Reading {
    /// What it handed out.
    pub answer: Answer,
    /// How it ended.
    pub ending: Ending,
}

/// What a client handed out of an answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// Of all text blocks, joined.
    pub text: String,
    /// Of all tool calls, as JSON text.
    pub input: String,
    /// As the client shows it.
    pub stop_reason: Option<String>,
    /// Items that the client handed out.
    pub events: u64,
}

/// How a reading ended, as the client's user sees it.
#[derive(Debug)]
pub enum Ending {
    /// With a message, or with the end of the stream where the client has no messages.
    Message,
    /// With an error.
    Error {
        /// The client's own word for it.
        kind: String,
        /// Its text.
        message: String,
    },
    /// The client has final messages, gave none, and no error either.
    Nothing,
}

impl Answer {
    /// The answer with this ending.
    pub fn ended(self, ending: Ending) -> Reading {
        Reading { answer: self, ending }
    }

    /// The answer, ended by an error.
    pub fn failed(self, kind: impl Display, error: &dyn Display) -> Reading {
        self.ended(Ending::Error { kind: kind.to_string(), message: error.to_string() })
    }
}

/// The body of a request for one answer.
pub fn request(model: &str) -> Value {
    json!({
        "model": model,
        "max_tokens": 4096,
        "stream": true,
        "messages": [{"role": "user", "content": "What is a river?"}],
    })
}

/// The `main` of a rival's binary.
pub fn run<R: Rival>() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    let line = runtime.block_on(async {
        match *words {
            ["consume", url, model, copies] => Some(consume::<R>(url, model, copies.parse().ok()?).await),
            ["probe", url, model] => Some(probe::<R>(url, model).await),
            _ => None,
        }
    });
    let Some(line) = line else {
        eprintln!("usage: {{consume BASE_URL MODEL COPIES | probe BASE_URL MODEL}}");
        return ExitCode::from(2);
    };
    println!("{line}");
    ExitCode::SUCCESS
}

async fn consume<R: Rival>(url: &str, model: &str, copies: u64) -> Value {
    let client = R::new(url, None);
    let rss_before = memory("VmRSS:");
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let (mut out_bytes, mut events) = (0, 0);
    for _ in 0..copies {
        let reading = client.read(model).await;
        assert!(matches!(reading.ending, Ending::Message), "{:?}", reading.ending);
        out_bytes += reading.answer.text.len() + reading.answer.input.len();
        events += reading.answer.events;
    }
    json!({
        "cpu_s": cpu_seconds() - cpu,
        "wall_s": began.elapsed().as_secs_f64(),
        "rss_before_mib": rss_before,
        "rss_peak_mib": memory("VmHWM:"),
        "out_bytes": out_bytes,
        "events": events,
    })
}

async fn probe<R: Rival>(url: &str, model: &str) -> Value {
    let client = R::new(url, Some(Duration::from_secs(5)));
    let Reading { answer, ending } = client.read(model).await;
    let (ending, kind, message) = match ending {
        Ending::Message => ("message", None, None),
        Ending::Error { kind, message } => ("error", Some(kind), Some(message)),
        Ending::Nothing => ("nothing", None, None),
    };
    json!({
        "ending": ending,
        "kind": kind,
        "error": message,
        "text": answer.text,
        "input": answer.input,
        "stop_reason": answer.stop_reason,
        "events": answer.events,
    })
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel knows the usage of its own process");
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

/// A figure of this process's memory, in MiB; 0 where the system does not tell.
fn memory(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    let kib: Option<f64> = line.split_whitespace().nth(1).and_then(|figure| figure.parse().ok());
    kib.unwrap_or_default() / 1024.0
}
