//! A timeline in words, one line for each thing that happened.
//!
//! What it does not know it shows as it came: a gateway may be newer than this command.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The members that every entry has.
const ALWAYS: [&str; 3] = ["what", "at_ms", "position"];

/// The timeline as people read it.
pub(super) fn account(timeline: &Value) -> String {
    let (stream, figures) = (&timeline["stream"], &timeline["figures"]);
    let mut out = String::new();
    line(&mut out, &heading(stream));
    line(&mut out, "");
    for entry in timeline["entries"].as_array().into_iter().flatten() {
        let at = entry["at_ms"].as_f64().unwrap_or_default() / 1e3;
        line(&mut out, &format!("{at:>9.3} s  {}", words(entry)));
    }
    let left_out = timeline["entries_left_out"].as_u64().unwrap_or_default();
    if left_out > 0 {
        line(&mut out, &format!("             and {left_out} more"));
    }
    line(&mut out, "");
    line(&mut out, &sum(figures));
    let usage = usage(&stream["usage"]);
    if !usage.is_empty() {
        let sort = if stream["usage_is_final"] == true { "used" } else { "used so far" };
        line(&mut out, &format!("{sort}: {usage}"));
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

/// The stream itself, in a line.
fn heading(stream: &Value) -> String {
    let mut parts = vec![text(&stream["id"])];
    parts.extend(stream["model"].as_str().map(str::to_owned));
    parts.push(text(&stream["state"]));
    if let Some(reason) = stream["outcome"]["stop_reason"].as_str() {
        parts.push(reason.to_owned());
    }
    parts.push(format!("asked {}", text(&stream["created_at"])));
    parts.join(" · ")
}

/// The figures, in a line.
fn sum(figures: &Value) -> String {
    let mut parts = vec![counted(&figures["attempts"], "attempt")];
    for (name, member) in [
        ("first event after", "first_event_ms"),
        ("first content after", "first_content_ms"),
        ("longest gap", "longest_gap_ms"),
        ("all", "total_ms"),
    ] {
        if let Some(ms) = figures[member].as_f64() {
            parts.push(format!("{name} {}", span(ms)));
        }
    }
    parts.push(counted(&figures["events"], "event"));
    parts.push(counted(&figures["pings"], "ping"));
    if figures["withheld"].as_u64().is_some_and(|withheld| withheld > 0) {
        parts.push(format!("{} withheld", figures["withheld"]));
    }
    parts.push(counted(&figures["bytes"], "byte"));
    parts.join(" · ")
}

/// What happened, in words.
fn words(entry: &Value) -> String {
    let what = entry["what"].as_str().unwrap_or("?");
    let said = match what {
        "asked" => format!("asked, {}", text(&entry["time"])),
        "attempt_answered" => format!("{} answers{}", attempt(entry), answered(entry)),
        "attempt_failed" => {
            format!("{} fails{}: {}{}", attempt(entry), answered(entry), text(&entry["failure"]), next(entry))
        }
        "message_start" => {
            joined("the message begins", &[("", text(&entry["model"])), ("", usage(&entry["usage"]))])
        }
        "block_start" => format!("block {} begins: {}", entry["index"], text(&entry["block"])),
        "message_delta" => joined(
            "the message ends",
            &[("stop reason ", text(&entry["stop_reason"])), ("", usage(&entry["usage"]))],
        ),
        "error_event" => format!("the upstream says: {}", text(&entry["error"])),
        "kept_apart" => format!("{} kept apart: no part of the answer", counted(&entry["bytes"], "byte")),
        "gap" => format!("nothing came for {}", span(entry["gap_ms"].as_f64().unwrap_or_default())),
        "seam" => format!(
            "seam: attempt {} goes on ({}) after {}, since {}; {} said again and left out",
            entry["attempt"],
            text(&entry["mode"]),
            counted(&entry["cut"], "byte"),
            text(&entry["reason"]),
            counted(&entry["overlap"], "byte"),
        ),
        "cancel" => format!("stopped: {}", text(&entry["reason"])),
        "takeover" => format!("another writer takes over: {}", text(&entry["reason"])),
        "terminal" => ended(entry),
        other => return format!("{other}{}", rest(entry, &[])),
    };
    // What a newer gateway says beside it.
    said + &rest(entry, known(what))
}

/// What [`words`] makes use of.
fn known(what: &str) -> &'static [&'static str] {
    match what {
        "asked" => &["time"],
        "attempt_answered" | "attempt_failed" => {
            &["attempt", "upstream", "elapsed_ms", "status", "request_id", "failure", "next", "because"]
        }
        "message_start" => &["model", "usage"],
        "block_start" => &["index", "block"],
        "message_delta" => &["stop_reason", "usage"],
        "error_event" => &["error"],
        "kept_apart" => &["bytes"],
        "gap" => &["gap_ms"],
        "seam" => &["attempt", "mode", "cut", "reason", "overlap"],
        "cancel" => &["reason"],
        "takeover" => &["reason", "epoch"],
        "terminal" => &["outcome", "stop_reason", "usage", "error"],
        _ => &[],
    }
}

fn attempt(entry: &Value) -> String {
    format!("attempt {}: {}", entry["attempt"], text(&entry["upstream"]))
}

fn answered(entry: &Value) -> String {
    let mut said = String::new();
    if let Some(status) = entry["status"].as_u64() {
        let _ = write!(said, " {status}");
    }
    if let Some(ms) = entry["elapsed_ms"].as_f64() {
        let _ = write!(said, " after {}", span(ms));
    }
    if let Some(id) = entry["request_id"].as_str() {
        let _ = write!(said, " ({id})");
    }
    said
}

fn next(entry: &Value) -> String {
    let done = match entry["next"].as_str() {
        Some("retry") => "; asked again",
        Some("continue") => "; the rest is asked for",
        Some("finish") => "; all of it is there but its end, which is set",
        Some("give_up") => "; given up",
        Some(other) => return format!("; {other}"),
        None => "",
    };
    let because = entry["because"].as_str().map(|because| format!(", {because}")).unwrap_or_default();
    format!("{done}{because}")
}

fn ended(entry: &Value) -> String {
    let error = &entry["error"];
    let why = match error["message"].as_str() {
        Some(message) => format!(": {}: {message}", text(&error["type"])),
        None => String::new(),
    };
    joined(&format!("{}{why}", text(&entry["outcome"])), &[("stop reason ", text(&entry["stop_reason"]))])
}

/// Parts that have something in them, behind commas.
fn joined(first: &str, parts: &[(&str, String)]) -> String {
    let mut said = first.to_owned();
    for (name, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
        let _ = write!(said, ", {name}{part}");
    }
    said
}

/// The members of an entry that are not told already.
fn rest(entry: &Value, known: &[&str]) -> String {
    let empty = Map::new();
    let members = entry.as_object().unwrap_or(&empty).iter();
    let told = |name: &&String| ALWAYS.contains(&name.as_str()) || known.contains(&name.as_str());
    let parts = members.filter(|(name, value)| !told(name) && !value.is_null());
    parts.map(|(name, value)| format!(", {name}: {}", written(value))).collect()
}

/// Tokens, each kind that there is.
fn usage(usage: &Value) -> String {
    let kinds = [
        ("input_tokens", "in"),
        ("cache_read_input_tokens", "from the cache"),
        ("cache_creation_input_tokens", "into the cache"),
        ("output_tokens", "out"),
    ];
    let told = kinds.iter().filter_map(|(member, name)| {
        let count = usage[*member].as_u64().filter(|count| *count > 0 || *name == "out")?;
        Some(format!("{count} {name}"))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { String::new() } else { format!("tokens: {}", told.join(", ")) }
}

fn counted(number: &Value, name: &str) -> String {
    let number = number.as_u64().unwrap_or_default();
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

fn span(ms: f64) -> String {
    if ms < 1e3 { format!("{ms:.0} ms") } else { format!("{:.1} s", ms / 1e3) }
}

/// A text, or nothing.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Any value: texts as they are, the rest as JSON.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_thing_that_happened_is_a_line() {
        for (entry, said) in [
            (json!({"what": "asked", "time": "2026-11-25T00:00:00Z"}), "asked, 2026-11-25T00:00:00Z"),
            (
                json!({"what": "attempt_answered", "attempt": 1, "upstream": "main", "elapsed_ms": 12, "status": 200, "request_id": "req_1"}),
                "attempt 1: main answers 200 after 12 ms (req_1)",
            ),
            (
                json!({"what": "attempt_failed", "attempt": 1, "upstream": "main", "elapsed_ms": 2500, "failure": "cut", "next": "continue", "breaker": "open"}),
                "attempt 1: main fails after 2.5 s: cut; the rest is asked for, breaker: open",
            ),
            (
                json!({"what": "attempt_failed", "attempt": 2, "upstream": "main", "elapsed_ms": 1, "status": 529, "failure": "overloaded_error", "next": "give_up", "because": "2 attempts were made"}),
                "attempt 2: main fails 529 after 1 ms: overloaded_error; given up, 2 attempts were made",
            ),
            (
                json!({"what": "seam", "attempt": 2, "mode": "quote", "cut": 812, "overlap": 1, "reason": "cut"}),
                "seam: attempt 2 goes on (quote) after 812 bytes, since cut; 1 byte said again and left out",
            ),
            (
                json!({"what": "terminal", "outcome": "failed", "stop_reason": null, "usage": null, "error": {"type": "api_error", "message": "no"}}),
                "failed: api_error: no",
            ),
            (
                json!({"what": "notice", "reason": "repeating", "unit": 27, "times": 38}),
                "notice, reason: repeating, unit: 27, times: 38",
            ),
            (
                json!({"what": "of_tomorrow", "x": [1], "at_ms": 1.0, "position": "3.1"}),
                "of_tomorrow, x: [1]",
            ),
            (json!({}), "?"),
        ] {
            assert_eq!(words(&entry), said);
        }
    }

    #[test]
    fn what_is_no_timeline_is_no_reason_to_fail() {
        assert!(account(&json!({"entries": [null, 1, {"what": 3}]})).contains("0 attempts"));
    }
}
