//! Which tools of a request are called, and with what.

use serde_json::{Map, Value, json};

use super::author;
use super::conversation::{Request, Role, Turn};
use super::digest;
use super::facts::Facts;
use super::manners::{Manners, ToolHabit};
use super::schema::Filler;
use crate::answer::Block;

/// The overlap of tool and question from which on a tool is called.
const FITS: u32 = 3;
/// The most calls in one answer.
const MOST: usize = 8;

const STOP_WORDS: &[&str] = &[
    "a",
    "an",
    "and",
    "are",
    "at",
    "be",
    "by",
    "can",
    "current",
    "data",
    "do",
    "for",
    "from",
    "get",
    "given",
    "how",
    "i",
    "in",
    "information",
    "is",
    "it",
    "me",
    "my",
    "of",
    "on",
    "or",
    "please",
    "return",
    "returns",
    "set",
    "some",
    "tell",
    "that",
    "the",
    "this",
    "to",
    "tool",
    "use",
    "used",
    "user",
    "what",
    "with",
    "you",
    "your",
    "about",
    "name",
    "value",
    "input",
    "string",
    "text",
    "which",
    "will",
    "would",
    "say",
    "write",
    "give",
    "as",
];

/// The calls that an answer to these turns makes; none is an answer in words.
pub(super) fn calls(hash: u64, request: Request<'_>, turns: &[Turn<'_>], manners: &Manners) -> Vec<Block> {
    let tools: Vec<_> = request.list("tools").iter().filter(|tool| is_client_tool(tool)).collect();
    let choice = request.get("tool_choice");
    let kind = choice.and_then(|choice| choice["type"].as_str()).unwrap_or("auto");
    if tools.is_empty() || kind == "none" || manners.tools == Some(ToolHabit::Never) {
        return Vec::new();
    }
    let facts = Facts::of(&author::last_words(turns));
    let answered = turns.last().is_some_and(|turn| turn.role == Role::User && turn.has("tool_result"));
    let chosen: Vec<&Value> = match kind {
        "tool" => tools
            .iter()
            .copied()
            .filter(|tool| choice.is_some_and(|choice| choice["name"] == tool["name"]))
            .collect(),
        // Whoever has the results does not ask again.
        _ if answered && kind != "any" => Vec::new(),
        _ if manners.tools == Some(ToolHabit::All) => tools.clone(),
        _ => {
            let fitting = fitting(&tools, &facts);
            if fitting.is_empty() && kind == "any" { vec![tools[0]] } else { fitting }
        }
    };
    let single = choice.is_some_and(|choice| choice["disable_parallel_tool_use"] == true);
    let several = if single || kind == "tool" || manners.tools.is_some() {
        1
    } else {
        facts.names.len().clamp(1, MOST)
    };
    let mut blocks = Vec::new();
    for tool in chosen {
        let times = if takes_a_name(tool) { several } else { 1 };
        for at in 0..times {
            blocks.push(call(hash, tool, &facts, at, blocks.len()));
        }
    }
    blocks.truncate(if single { 1 } else { MOST });
    blocks
}

/// Whether the program that sent the request runs this tool.
fn is_client_tool(tool: &Value) -> bool {
    match tool["type"].as_str() {
        None | Some("custom") => tool.get("name").is_some(),
        Some(kind) => {
            ["bash_", "text_editor_", "computer_", "memory_"].iter().any(|client| kind.starts_with(client))
        }
    }
}

fn fitting<'t>(tools: &[&'t Value], facts: &Facts) -> Vec<&'t Value> {
    let asked: Vec<String> = words(&facts.text);
    let scores: Vec<u32> = tools.iter().map(|tool| score(tool, &asked, facts)).collect();
    let best = scores.iter().copied().max().unwrap_or(0);
    let enough = FITS.max(best * 3 / 5);
    let fit = tools.iter().zip(scores).filter(|(_, score)| *score >= enough);
    fit.map(|(tool, _)| *tool).collect()
}

fn score(tool: &Value, asked: &[String], facts: &Facts) -> u32 {
    let name = tool["name"].as_str().unwrap_or_default();
    let named = u32::from(facts.lower.contains(&name.to_lowercase())) * 9;
    let hits = |text: &str| words(text).iter().filter(|word| asked.contains(word)).count() as u64;
    let properties = tool["input_schema"]["properties"].as_object();
    let in_properties: u64 = properties.into_iter().flatten().map(|(name, _)| hits(name)).sum();
    let sum =
        3 * hits(&spaced(name)) + hits(tool["description"].as_str().unwrap_or_default()) + in_properties;
    named + u32::try_from(sum).unwrap_or(u32::MAX / 2).min(1000)
}

/// `getWeather` and `get_weather` as words.
fn spaced(name: &str) -> String {
    let mut text = String::new();
    let mut lower = false;
    for c in name.chars() {
        if c.is_uppercase() && lower {
            text.push(' ');
        }
        lower = c.is_lowercase();
        text.push(if c.is_alphanumeric() { c } else { ' ' });
    }
    text
}

/// The words that carry meaning, each once, without their endings.
fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()) {
        if word.len() < 2 || STOP_WORDS.contains(&word) {
            continue;
        }
        let stem = ["ing", "ations", "ation", "ators", "ator", "ates", "ate", "es", "s", "ed", "e"]
            .iter()
            .find_map(|end| word.strip_suffix(end).filter(|stem| stem.len() >= 3))
            .unwrap_or(word)
            .to_owned();
        if !found.contains(&stem) {
            found.push(stem);
        }
    }
    found
}

/// Whether the tool is about one thing that has a name, so that several names mean several calls.
fn takes_a_name(tool: &Value) -> bool {
    let properties = tool["input_schema"]["properties"].as_object();
    properties.into_iter().flatten().any(|(name, property)| {
        let name = name.to_lowercase();
        property["type"] == "string"
            && property.get("enum").is_none()
            && ["city", "location", "place", "name", "symbol", "ticker", "country", "person"]
                .iter()
                .any(|part| name.contains(part))
    })
}

fn call(hash: u64, tool: &Value, facts: &Facts, name_at: usize, at: usize) -> Block {
    let hash = digest::of(hash, &["call", &at.to_string()]);
    let input = match tool["type"].as_str() {
        Some(kind) if kind.starts_with("bash_") => {
            json!({"command": facts.quoted.first().map_or("ls -la", String::as_str)})
        }
        Some(kind) if kind.starts_with("text_editor_") => {
            json!({"command": "view", "path": facts.paths.first().map_or("README.md", String::as_str)})
        }
        Some(kind) if kind.starts_with("computer_") => json!({"action": "screenshot"}),
        Some(kind) if kind.starts_with("memory_") => json!({"command": "view", "path": "/memories"}),
        _ => Filler::new(&tool["input_schema"], facts, hash).skipping_names(name_at).fill(),
    };
    let input = if input.is_object() { input } else { json!({}) };
    let mut extra = Map::new();
    extra.insert("caller".to_owned(), json!({"type": "direct"}));
    Block::ToolUse {
        kind: "tool_use",
        id: digest::id("toolu_", hash),
        name: tool["name"].as_str().unwrap_or_default().to_owned(),
        // As a real model writes it: a blank after colon and comma; no input is no text at all.
        input: if input.as_object().is_some_and(Map::is_empty) { String::new() } else { spaced_json(&input) },
        eager: tool["eager_input_streaming"] == true,
        extra,
    }
}

/// JSON with a blank after each colon and comma.
pub(super) fn spaced_json(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(spaced_json).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", json!(name), spaced_json(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}
