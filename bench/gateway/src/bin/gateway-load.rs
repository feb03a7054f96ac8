//! The load client: prints marks as they are reached, and one line of JSON at the end.
//!
//! `gateway-load streams URL WORDS`: opens streams, reads them to their ends, checks every byte. `gateway-load fanout URL WORDS`: makes one
//! stream, and reads it that often. `gateway-load close URL UPSTREAM PHASE TRIES`: leaves, and asks the upstream when it noticed.
//! The words are those of the upstream's manners, and `streams`, `step_us`, `requests`, `hold_us`. With `hold_us` the streams stay open
//! after the mark until a line comes on standard input.

use std::io::{self, Write as _};
use std::process::ExitCode;

use bench_gateway::load::closing::{self, Phase};
use bench_gateway::load::reader::{Face, Invalid};
use bench_gateway::load::streams::{Load, Mark, Plan};
use bench_gateway::load::{ask, request};
use bench_gateway::manners::{self, Words};
use bench_gateway::now;
use serde_json::{Value, json};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["streams", url, words] => streams(host(url), words),
        ["fanout", url, words] => fanout(host(url), words),
        ["close", url, upstream, phase, tries] => close(host(url), host(upstream), phase, tries),
        _ => {
            Err("usage: gateway-load streams|fanout URL WORDS | close URL UPSTREAM head|silent|flowing TRIES"
                .to_owned())
        }
    };
    let line = done.unwrap_or_else(|invalid| json!({"invalid": invalid}));
    println!("{line}");
    if line.get("invalid").is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn host(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

fn plan(host: &str, request: Vec<u8>, face: Face, words: Words<'_>) -> Plan {
    let streams = words.number("streams").max(1) as usize;
    Plan {
        host: host.to_owned(),
        request,
        face,
        deltas: words.number("deltas"),
        streams,
        step: words.number("step_us") * 1000,
        requests: (words.number("requests") as usize).max(streams),
        hold: words.number("hold_us") * 1000,
    }
}

fn run(plan: Plan) -> Result<Value, Invalid> {
    let held = plan.hold > 0;
    let mark = |mark, events| {
        let name = match mark {
            Mark::Flowing => "flowing",
            Mark::Half => "half",
            Mark::Ending => "ending",
        };
        println!("{name} {events}");
        drop(io::stdout().flush());
    };
    let mut load = Load::new(plan, mark).map_err(|error| error.to_string())?;
    let findings = load.run()?;
    if held {
        drop(io::stdin().read_line(&mut String::new()));
    }
    Ok(findings)
}

fn streams(host: &str, words: &str) -> Result<Value, Invalid> {
    let request = request("POST", "/v1/messages", host, &manners::body(words));
    run(plan(host, request, Face::Plain, Words(words)))
}

fn fanout(host: &str, words: &str) -> Result<Value, Invalid> {
    let answer = ask(host, "POST", "/v1/streams", &manners::body(words));
    let (status, body) = answer.map_err(|error| format!("no stream could be made: {error}"))?;
    if status == 404 {
        return Ok(json!({"unable": "it has no streams that can be read by many"}));
    }
    let stream = body.split('"').find(|word| word.starts_with("strm_"));
    let (201, Some(stream)) = (status, stream) else {
        return Err(format!("no stream could be made: {status} {body}"));
    };
    let request = request("GET", &format!("/v1/streams/{stream}/events"), host, "");
    run(plan(host, request, Face::Resumable, Words(words)))
}

fn close(host: &str, upstream: &str, phase: &str, tries: &str) -> Result<Value, Invalid> {
    let (Some(phase), Ok(tries)) = (Phase::named(phase), tries.parse::<u64>()) else {
        return Err("a phase and a number of tries".to_owned());
    };
    let mut times = Vec::new();
    for number in 1..=tries {
        // Never used before: a close that is noticed after its time must not be taken for a later one.
        let tag = now();
        let nanoseconds =
            closing::close(host, upstream, phase, tag).map_err(|error| format!("try {number}: {error}"))?;
        times.push(nanoseconds.map(|nanoseconds| nanoseconds as f64 / 1e6));
    }
    Ok(json!({"closed_ms": times}))
}
