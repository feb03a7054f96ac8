//! Reads streams one after the other to their final message and prints what that cost, as one line of JSON.
//!
//! `consume BASE_URL MODEL COPIES`, for benchmarks: `cpu_s` is user and system time around the streams, `rss_*` the memory of the
//! process before and at its peak, `out_bytes` the text and tool input received, `events` the events.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::process::ExitCode;

use perennial::{Client, ContentBlock, Message};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, model, copies] = arguments.as_slice() else {
        eprintln!("usage: consume BASE_URL MODEL COPIES");
        return ExitCode::from(2);
    };
    let Ok(copies) = copies.parse::<u32>() else {
        eprintln!("consume: COPIES must be a number");
        return ExitCode::from(2);
    };
    // One thread, so that the figures are those of the work and not of its distribution.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(consume(url, model, copies)))
    {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("consume: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn consume(url: &str, model: &str, copies: u32) -> anyhow::Result<String> {
    let client = Client::builder().base_url(url).api_key("consume").build()?;
    let request =
        json!({"model": model, "max_tokens": 1_000_000, "messages": [{"role": "user", "content": "go"}]});
    let rss_before = memory("VmRSS:")?;
    let cpu_before = cpu_seconds();
    let (mut out_bytes, mut events) = (0, 0);
    for _ in 0..copies {
        let mut stream = client.messages().stream(&request);
        stream.finish().await?;
        events += stream.frames_received();
        out_bytes += size(&stream.final_message().await?);
    }
    let figures = json!({
        "cpu_s": cpu_seconds() - cpu_before,
        "rss_before_mib": rss_before,
        "rss_peak_mib": memory("VmHWM:")?,
        "out_bytes": out_bytes,
        "events": events,
    });
    Ok(figures.to_string())
}

fn size(message: &Message) -> usize {
    let block = |block: &ContentBlock| match block {
        ContentBlock::Text(block) => block.text.len(),
        ContentBlock::ToolUse(call) => call.input.text().len(),
        _ => 0,
    };
    message.content.iter().map(block).sum()
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// A line of `/proc/self/status`, in MiB.
fn memory(name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}
