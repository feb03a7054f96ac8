//! A gateway that listens has the grammars of code loaded, so that no stream waits for them. In a process of its own: they are loaded once in each.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it measured")]

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use perennial_gateway::Gateway;
use perennial_markdown::{Settings, batch};
use rustix::time::{ClockId, clock_gettime};
use tracing_subscriber::fmt::MakeWriter;

/// Where the lines of the log go.
#[derive(Clone)]
struct Lines(Sender<String>);

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Nobody may listen any more.
        let _ = self.0.send(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What this thread uses of a processor for a block of code.
fn cost() -> Duration {
    let used = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
    };
    let before = used();
    let tape = batch("```rust\nlet a = 1;\n```\n", Settings::default());
    assert!(tape.len() > 5, "it is coloured");
    used() - before
}

#[tokio::test]
async fn the_first_block_of_code_waits_for_no_grammars() {
    let (lines, heard) = channel();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(Lines(lines))
        .init();
    let gateway = Gateway::builder("http://127.0.0.1:9").build().unwrap().spawn().await.unwrap();
    let took = tokio::task::spawn_blocking(move || {
        loop {
            let line = heard.recv_timeout(Duration::from_secs(120)).expect("the grammars are loaded");
            if let Some((_, took)) = line.split_once("took_ms=") {
                return Duration::from_millis(took.trim().parse().unwrap());
            }
        }
    });
    let took = took.await.unwrap();
    let first = cost();
    println!("{took:?} in advance, {first:?} for the first block");
    assert!(first < took / 2, "{first:?} for the first block, {took:?} in advance");
    gateway.stop().await;
}
